//! A full disk under the database: checks continue, sessions can still be ended, and logs, `/readyz` and `doctor`
//! report it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use knoxide::config::HttpSettings;
use knoxide::domain::audit::Event;
use knoxide::domain::client::Rights;
use knoxide::domain::policy::Policy;
use knoxide::domain::time::Clock as _;
use knoxide::domain::user::PasswordHash;
use knoxide::store::{AdminStore as _, Effort, LastAdmin, SessionFilter, SessionMatch, Store as _, UserChanged};
use serde_json::Value;

use crate::harness::app::{App, Backend, Client, Database, Setup};
use crate::harness::program::{self, Program};
use crate::harness::small_disk::SmallDisk;
use crate::harness::wire::{Reply, Request};

const PASSWORD: &str = "correct horse";

/// MiB: enough for the reserve, the limit that counts as full, and a database.
const SIZE: u32 = 32;

/// The server does this every few seconds.
fn keep_reserve(app: &App) {
    app.store.keep_reserve().expect("no error but a full disk");
}

fn readiness(client: &mut Client) -> (u16, String) {
    let reply: Reply = client.ask(&Request::new("GET", "/readyz"));
    (reply.status, reply.text())
}

fn is_ready() -> (u16, String) {
    (200, r#"{"status":"ready"}"#.to_owned())
}

fn is_full() -> (u16, String) {
    (503, r#"{"status":"full"}"#.to_owned())
}

/// Checks may take long on a busy machine.
fn setup() -> Setup {
    let defaults = Setup::default();
    let http = HttpSettings { check_timeout: Duration::from_secs(20), ..defaults.http };
    Setup { http, ..defaults }
}

/// A server with its database on this disk.
fn app_on(disk: &SmallDisk) -> App {
    let app = App::on(Database::of_file(&disk.path().join("knoxide.db")), setup());
    keep_reserve(&app);
    app
}

fn reserve(disk: &Path) -> std::path::PathBuf {
    disk.join("knoxide.db-reserve")
}

#[test]
fn sessions_can_be_ended_on_a_full_disk_and_nothing_else() {
    let Some(disk) = SmallDisk::of(SIZE) else { return };
    let app = app_on(&disk);
    let kept = std::fs::metadata(reserve(disk.path())).expect("a reserve");
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);
    assert!(kept.blocks() * 512 >= 8 << 20, "the reserve takes up no space");

    app.add_user("alice", PASSWORD);
    let (bob, carol) = (app.add_user("bob", PASSWORD), app.add_user("carol", PASSWORD));
    let client = &mut app.client();
    let mut tokens: Vec<String> = (0..300).map(|_| client.login("alice", PASSWORD)).collect();
    let (last, of_bob, of_carol) =
        (client.login("alice", PASSWORD), client.login("bob", PASSWORD), client.login("carol", PASSWORD));
    assert_eq!(readiness(client), is_ready());

    let admin = app.admin();
    let shop = admin.add_client("shop".to_owned(), Rights::USUAL, None).expect("a client");

    disk.fill();
    assert_eq!(readiness(client), is_full());
    assert_eq!(client.check(&last), 200);
    // Logins do not touch the reserve.
    let login = client.try_login("alice", PASSWORD);
    assert_eq!((login.status, login.header("Retry-After").is_some()), (503, true));
    assert!(reserve(disk.path()).exists());
    // There is space for many.
    for token in tokens.drain(..) {
        assert_eq!((client.logout(&token), client.check(&token)), (200, 401));
    }
    assert!(!reserve(disk.path()).exists());
    assert_eq!((client.logout_all(&last), client.check(&last)), (200, 401));
    let set = app.store.set_password(bob, &PasswordHash::unusable(), None, &app.audit(Event::PasswordChanged));
    assert_eq!((set, client.check(&of_bob)), (Ok(UserChanged::Done), 401));
    let deactivated = app.store.set_active(carol, false, LastAdmin::MayGo, &app.audit(Event::Deactivated));
    assert_eq!((deactivated, client.check(&of_carol)), (Ok(UserChanged::Done), 401));
    admin.rotate_client(shop.id, Duration::ZERO).expect("a new secret, which ends the old one");
    admin.delete_client(shop.id).expect("an end");
    // The space of the reserve is only for ending sessions and secrets.
    assert!(admin.add_client("another".to_owned(), Rights::USUAL, None).is_err());
    assert!(app.store.set_active(carol, true, LastAdmin::MayGo, &app.audit(Event::Activated)).is_err());
    assert_eq!(client.try_login("alice", PASSWORD).status, 503);
    keep_reserve(&app);
    assert_eq!(readiness(client), is_full());

    disk.clear();
    keep_reserve(&app);
    assert!(reserve(disk.path()).exists());
    assert_eq!(readiness(client), is_ready());
    let token = client.login("alice", PASSWORD);
    assert_eq!((client.check(&token), client.logout(&token), client.check(&token)), (200, 200, 401));
}

#[test]
fn nobody_is_idle_for_certain_while_uses_cannot_be_written_down() {
    let Some(disk) = SmallDisk::of(SIZE) else { return };
    let policy = Policy { idle_limit: Some(Duration::from_secs(3600)), ..Policy::default() };
    let app = App::on(Database::of_file(&disk.path().join("knoxide.db")), Setup { policy, ..setup() });
    keep_reserve(&app);
    app.add_user("alice", PASSWORD);
    let client = &mut app.client();
    let token = client.login("alice", PASSWORD);
    // There is space for ending one session, and none for recording uses.
    disk.fill();
    disk.spare(2 << 20);
    app.clock.advance(Duration::from_secs(2 * 3600));
    assert_eq!(client.check(&token), 503);
    disk.clear();
    keep_reserve(&app);
    assert_eq!(client.check(&token), 401);
}

#[test]
fn the_reserve_lies_beside_the_file_that_a_link_leads_to() {
    let Some(disk) = SmallDisk::of(SIZE) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("link.db");
    drop(app_on(&disk));
    std::fs::remove_file(reserve(disk.path())).expect("a reserve");
    std::os::unix::fs::symlink(disk.path().join("knoxide.db"), &link).expect("a link");
    let app = App::on(Database::of_file(&link), setup());
    keep_reserve(&app);
    assert!(reserve(disk.path()).exists());
}

/// What the server commits at once when many users log out: this many sessions of a hundred tokens, scattered over a
/// table in which no page has two of them.
#[test]
fn many_sessions_of_many_tokens_end_in_one_transaction_on_a_full_disk() {
    // With no free byte, and with slightly more free space than the limit that counts as full.
    for spared in [0, 5 << 20] {
        let Some(disk) = SmallDisk::of(128) else { return };
        many_end_at_once(&disk, spared);
    }
}

fn many_end_at_once(disk: &SmallDisk, spared: u64) {
    let app = app_on(disk);
    let client = &mut app.client();
    app.add_user("bob", PASSWORD);
    client.login("bob", PASSWORD);
    app.add_user("alice", PASSWORD);
    let tokens: Vec<String> = (0..64).map(|_| client.login("alice", PASSWORD)).collect();
    let now = app.clock.now();
    let filter = SessionFilter {
        matching: SessionMatch::default(),
        with_ended: false,
        now,
        idle_limits: knoxide::domain::policy::IdleLimits::NONE,
        before: None,
        limit: 1000,
        effort: Effort::UNBOUNDED,
    };
    let sessions = app.store.list_sessions(&filter).expect("sessions").sessions;
    fill(&disk.path().join("knoxide.db"), now.as_micros());
    let alices = sessions.iter().filter(|entry| entry.username == "alice").map(|entry| entry.session.id);
    let ids: Vec<_> = alices.collect();
    assert_eq!(ids.len(), tokens.len());

    disk.fill();
    disk.spare(spared);
    let (mut connection, audit) = (app.connection(), app.audit(Event::Logout));
    let mut ended = Vec::new();
    let done = connection.group(&mut |inside| {
        ended = ids.iter().map(|id| inside.end_session(*id, &audit)).collect();
    });
    assert_eq!(done, Ok(()));
    assert!(ended.iter().all(|ended| *ended == Ok(true)), "{ended:?}");
    assert!(tokens.iter().all(|token| client.check(token) == 401));
}

/// Adds a hundred tokens to each session, and a hundred thousand to the first.
fn fill(database: &Path, now: i64) {
    use diesel::Connection as _;
    use diesel::connection::SimpleConnection as _;
    let path = database.display().to_string();
    let mut connection = diesel::SqliteConnection::establish(&path).expect("the file opens");
    let tokens = |count, of| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO tokens (digest, session_id, kind, created, expires)
             SELECT randomblob(64), id, 'access', {now} + i, {now} + 3600000000 + i FROM ({of}), n;"
        )
    };
    let all = tokens(100_000, "SELECT min(id) AS id FROM sessions") + &tokens(100, "SELECT id FROM sessions");
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    connection.batch_execute(&format!("PRAGMA busy_timeout = 30000; {all} {checkpoint}")).expect("tokens");
}

/// A server checks its reserve only every few seconds, and a command may have removed it a moment ago.
#[test]
fn what_a_command_took_from_the_reserve_is_for_no_login() {
    let Some(disk) = SmallDisk::of(SIZE) else { return };
    let app = app_on(&disk);
    let alice = app.add_user("alice", PASSWORD);
    let client = &mut app.client();
    let token = client.login("alice", PASSWORD);
    disk.fill();
    let command = Database::of_file(&disk.path().join("knoxide.db")).store();
    let mut connection = command.connect().expect("a connection");
    assert_eq!(connection.end_all_sessions(alice, &app.audit(Event::LogoutAll)), Ok(true));
    assert!(!reserve(disk.path()).exists());
    assert_eq!((client.check(&token), client.try_login("alice", PASSWORD).status), (401, 503));
    assert_eq!(readiness(client), is_full());
}

/// The disk fills, is freed, and fills again.
#[test]
fn the_reserve_is_there_again_for_the_next_time() {
    let Some(disk) = SmallDisk::of(SIZE) else { return };
    let app = app_on(&disk);
    app.add_user("alice", PASSWORD);
    let client = &mut app.client();
    for _ in 0..3 {
        let token = client.login("alice", PASSWORD);
        disk.fill();
        assert_eq!((client.check(&token), client.logout(&token), client.check(&token)), (200, 200, 401));
        disk.clear();
        keep_reserve(&app);
    }
}

#[test]
fn the_program_keeps_the_reserve_and_the_doctor_reports_a_full_disk() {
    let Some(disk) = SmallDisk::of(SIZE) else { return };
    let url = format!("sqlite://{}", disk.path().join("knoxide.db").display());
    let program = Program::on(Backend::Sqlite).with_admin().set("DATABASE_URL", &url);
    let free_space = || {
        let done = program.run(&["--json", "doctor"]);
        let findings: Value = serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{}{}", done.out, done.err));
        let found = findings.as_array().expect("a list").iter().find(|finding| finding["subject"] == "free space");
        found.expect("a finding")["weight"].as_str().expect("a text").to_owned()
    };
    let server = program.start();
    let client = &mut server.client();
    let tokens = [0; 3].map(|_| client.login("admin", program::PASSWORD));
    assert!(reserve(disk.path()).exists());
    assert_eq!((readiness(client), free_space().as_str()), (is_ready(), "fine"));
    disk.fill();
    assert_eq!((readiness(client), free_space().as_str()), (is_full(), "wrong"));
    // A command removes the reserve too, and the server notices that.
    assert_eq!(program.run(&["session", "revoke", "--user", "admin"]).code, Some(0));
    assert!(!reserve(disk.path()).exists());
    assert_eq!(tokens.map(|token| client.check(&token)), [401; 3]);
    server.wait_for("sessions can only be ended");
    assert_eq!(readiness(client), is_full());
    disk.clear();
    server.wait_for("the disk of the database has room again");
    assert!(reserve(disk.path()).exists());
    assert_eq!(readiness(client), is_ready());
    client.login("admin", program::PASSWORD);
    server.stop();
}

/// An existing foreign file is not overwritten.
#[test]
fn the_reserve_is_not_written_through_a_link() {
    let folder = tempfile::tempdir().expect("a folder");
    let (precious, database) = (folder.path().join("precious"), folder.path().join("knoxide.db"));
    std::fs::write(&precious, "text").expect("a file");
    std::os::unix::fs::symlink(&precious, reserve(folder.path())).expect("a link");
    let store = Database::of_file(&database).store();
    assert!(store.keep_reserve().is_err());
    assert_eq!(std::fs::read_to_string(&precious).expect("a file"), "text");
}

/// MiB: enough for an empty cluster and its log.
#[cfg(feature = "postgres")]
const SERVER_SIZE: u32 = 192;

/// There is no reserve, since the disk belongs to the database server. But the full disk is reported, and checks
/// continue.
#[cfg(feature = "postgres")]
#[test]
fn a_full_disk_of_postgres_is_told_and_checks_go_on() {
    use crate::harness::postgres::cluster::Cluster;
    use crate::harness::postgres::shared;

    if shared().is_none() {
        return;
    }
    let Some(disk) = SmallDisk::of(SERVER_SIZE) else { return };
    let cluster = Cluster::start_in(disk.path()).expect("a server");
    let app = App::on(Database::at(cluster.url()), setup());
    app.add_user("alice", PASSWORD);
    let client = &mut app.client();
    let token = client.login("alice", PASSWORD);
    assert_eq!(readiness(client), is_ready());
    disk.fill();
    // The existing pages of the tables still have some free space.
    let refused = (0..2_000).map(|_| client.try_login("alice", PASSWORD)).find(|reply| reply.status != 200);
    let refused = refused.expect("the disk is full");
    assert_eq!((refused.status, refused.header("Retry-After").is_some()), (503, true));
    assert_eq!(readiness(client), is_full());
    assert_eq!(client.check(&token), 200);
    disk.clear();
    let token = client.login("alice", PASSWORD);
    assert_eq!((client.check(&token), client.logout(&token), client.check(&token)), (200, 200, 401));
}
