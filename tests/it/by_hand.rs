//! Manual changes in the database's shell: whatever the statement, a token that is no longer good is refused by the
//! very next check, or within the time that `docs/operations.md` states.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection};
use knoxide::domain::policy::Policy;
use sha2::{Digest as _, Sha512};

use crate::harness::app::{App, Backend, Client, Database, Setup, on_each_database};
use crate::harness::program::{Program, tool};
use crate::harness::wire::Request;

mod clients;
mod ways;

use ways::Way;

const PASSWORD: &str = "correct horse";

/// The database's shell, which has other settings than the program.
enum Shell {
    Sqlite(SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(diesel::PgConnection),
}

impl Shell {
    fn open(database: &Database) -> Self {
        match database.url.strip_prefix("sqlite://") {
            Some(path) => {
                let mut connection = SqliteConnection::establish(path).expect("a connection");
                // As in the shell that SQLite ships.
                connection.batch_execute("PRAGMA foreign_keys = OFF").expect("a setting");
                Self::Sqlite(connection)
            }
            #[cfg(feature = "postgres")]
            None => Self::Postgres(diesel::PgConnection::establish(&database.url).expect("a connection")),
            #[cfg(not(feature = "postgres"))]
            None => panic!("no SQLite file"),
        }
    }

    fn run(&mut self, statements: &str) {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(statements),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.batch_execute(statements),
        }
        .expect(statements);
    }

    fn number(&mut self, query: &str) -> i64 {
        let query = diesel::select(sql::<BigInt>(query));
        match self {
            Self::Sqlite(connection) => query.get_result(connection),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => query.get_result(connection),
        }
        .expect("a number")
    }

    fn text(&mut self, query: &str) -> String {
        let query = diesel::select(sql::<Text>(query));
        match self {
            Self::Sqlite(connection) => query.get_result(connection),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => query.get_result(connection),
        }
        .expect("a text")
    }

    /// Bytes as a literal.
    fn literal(&self, hex: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("X'{hex}'"),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => format!("'\\x{hex}'::bytea"),
        }
    }

    /// The session of a token, as a literal.
    fn session_of(&mut self, digest: &str) -> String {
        let session = match self {
            Self::Sqlite(_) => format!("(SELECT hex(session_id) FROM tokens WHERE digest = {digest})"),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => format!("(SELECT encode(session_id, 'hex') FROM tokens WHERE digest = {digest})"),
        };
        let session = self.text(&session);
        self.literal(&session)
    }
}

/// A server on a database that a test changes manually.
struct Scene {
    client: Client,
    shell: Shell,
    app: App,
    users: usize,
}

impl Scene {
    fn start(backend: Backend) -> Self {
        // Long enough that a session becomes idle only if a test changes its times.
        let policy = Policy { idle_limit: Some(Duration::from_secs(365 * 24 * 3600)), ..Policy::default() };
        let app = App::on(Database::migrated(backend), Setup { policy, ..Setup::default() });
        Self { client: app.client(), shell: Shell::open(&app.database), app, users: 0 }
    }

    /// A new user's token, which the server caches.
    fn token(&mut self) -> (String, String) {
        self.users += 1;
        let name = format!("user{}", self.users);
        self.app.add_user(&name, PASSWORD);
        let token = self.client.login(&name, PASSWORD);
        for _ in 0..2 {
            assert_eq!(self.client.check(&token), 200);
        }
        (name, token)
    }

    /// Changes the token of a new user manually, and returns it. Statements that need rows of another user get those of
    /// one whose token is cached too.
    fn change(&mut self, way: &str) -> String {
        let (name, token) = self.token();
        let (other, others_token) = self.token();
        let mut statements = way.to_owned();
        for (prefix, name, token) in [("", &name, &token), ("other_", &other, &others_token)] {
            let digest = self.shell.literal(&hex::encode(Sha512::digest(token)));
            let session = self.shell.session_of(&digest);
            let user = self.shell.number(&format!("(SELECT id FROM users WHERE username = '{name}')")).to_string();
            for (what, value) in [("user", &user), ("name", name), ("session", &session), ("digest", &digest)] {
                statements = statements.replace(&format!("{{{prefix}{what}}}"), value);
            }
        }
        self.shell.run(&statements);
        token
    }

    fn is_ready(&mut self) -> bool {
        self.client.ask(&Request::new("GET", "/readyz")).status == 200
    }
}

fn ways_of(backend: Backend) -> impl Iterator<Item = &'static Way> {
    ways::ALL.iter().filter(move |way| way.works_on(backend))
}

on_each_database! {
    fn what_is_changed_by_hand_is_refused_at_once(backend) {
        let mut scene = Scene::start(backend);
        let mut let_in = Vec::new();
        for Way { sql, .. } in ways_of(backend) {
            let token = scene.change(sql);
            let status = scene.client.check(&token);
            if status != 401 {
                let_in.push((status, *sql));
            }
            assert!(scene.is_ready(), "{sql}");
        }
        assert!(let_in.is_empty(), "{let_in:#?}");
    }

    fn an_end_is_heard_of_though_the_sweepers_horizon_is_gone(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        let token = client.login("alice", PASSWORD);
        assert_eq!(client.check(&token), 200);
        Shell::open(&app.database).run("DELETE FROM sweep_state");
        assert_eq!((client.check(&token), client.logout(&token), client.check(&token)), (200, 200, 401));
    }

    fn a_trigger_that_was_changed_is_reported_and_repaired(backend) {
        let mut scene = Scene::start(backend);
        let program = Program::bare().set("DATABASE_URL", &scene.app.database.url).set("KNOXIDE_LISTEN", "127.0.0.1:0");
        let program = program.set("KNOXIDE_ADMIN_LISTEN", "off");
        let finding = || {
            let done = program.run(&["--json", "doctor"]);
            let findings: serde_json::Value = serde_json::from_str(&done.out).expect("JSON");
            let of_triggers = findings.as_array().expect("a list").iter();
            let found = of_triggers.filter(|finding| finding["subject"] == "revocation triggers").cloned();
            found.collect::<Vec<_>>().pop().expect("a finding about the triggers")
        };
        assert!(scene.is_ready());
        assert_eq!(finding()["weight"], "fine");
        for sabotage in ways::sabotages(backend) {
            scene.shell.run(sabotage);
            assert!(!scene.is_ready(), "{sabotage}");
            let finding = finding();
            assert_eq!(finding["weight"], "wrong", "{sabotage}");
            let remedy = finding["remedy"].as_str().expect("a remedy");
            scene.shell.run(remedy.strip_prefix("run in the database: ").expect(remedy));
            assert!(scene.is_ready(), "{sabotage}: {remedy}");
        }
        assert_eq!(finding()["weight"], "fine");
    }
}

/// These changes are not logged, so only the change of the triggers is noticed.
#[cfg(feature = "postgres")]
#[test]
fn what_is_changed_past_the_triggers_is_refused_in_the_time_that_is_documented() {
    if crate::harness::postgres::shared().is_none() {
        return;
    }
    let mut scene = Scene::start(Backend::Postgres);
    let tokens: Vec<_> = ways::PAST_THE_TRIGGERS.iter().map(|way| (scene.change(way), *way)).collect();
    let changed = Instant::now();
    for (token, way) in tokens {
        while scene.client.check(&token) != 401 {
            // 10 s, and more on a busy machine.
            assert!(changed.elapsed() < Duration::from_secs(30), "let in after 30 s: {way}");
            std::thread::yield_now();
        }
    }
}

/// Nothing is cached while a trigger is missing, so that even changes that are not logged take effect at once.
#[test]
fn while_a_trigger_is_missing_every_check_reads() {
    let mut scene = Scene::start(Backend::Sqlite);
    scene.shell.run("DROP TRIGGER users_changed");
    let token = scene.change("UPDATE users SET is_active = FALSE WHERE id = {user}");
    assert_eq!(scene.client.check(&token), 401);
}

/// The content of the running server's database is replaced by a copy with a different history.
#[test]
fn a_live_restore_of_another_copy_is_seen_at_once() {
    let mut scene = Scene::start(Backend::Sqlite);
    let path = scene.app.database.url.strip_prefix("sqlite://").expect("a file").to_owned();
    let copy = format!("{path}.copy");
    // The log has one row; then the copy and the original each get one more, about different users.
    let (_, kept) = scene.token();
    scene.change("UPDATE users SET is_staff = TRUE WHERE id = {user}");
    let (name, token) = scene.token();
    scene.shell.run(&format!("VACUUM INTO '{copy}'"));
    scene.change("UPDATE users SET is_staff = TRUE WHERE id = {user}");
    let (_, lost) = scene.token();
    tool("sqlite3", &[&copy, &format!("UPDATE users SET is_active = 0 WHERE username = '{name}'")]);
    assert_eq!([&kept, &token, &lost].map(|token| scene.client.check(token)), [200; 3]);
    tool("sqlite3", &[&path, &format!(".restore {copy}")]);
    assert_eq!([&kept, &token, &lost].map(|token| scene.client.check(token)), [200, 401, 401]);
    assert!(scene.is_ready());
}
