//! A site with very many users and sessions, for measuring slow operations.

use std::time::{Duration, Instant};

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;
use knoxide::domain::time::Timestamp;

use super::app::{Backend, Database};

/// 2023-11-14T22:13:20Z, when the first session was opened. The others follow one second apart.
const BEGIN: i64 = 1_700_000_000_000_000;

/// Letters that replace the digits of a number in a name.
const LETTERS: [(char, char); 10] = [
    ('0', 'b'),
    ('1', 'c'),
    ('2', 'd'),
    ('3', 'f'),
    ('4', 'g'),
    ('5', 'h'),
    ('6', 'j'),
    ('7', 'k'),
    ('8', 'p'),
    ('9', 's'),
];

/// The contents of a large database.
pub(crate) struct Site {
    pub(crate) backend: Backend,
    pub(crate) sessions: u64,
    pub(crate) users: u64,
    url: String,
}

/// When the session with this number was opened.
pub(crate) fn at(second: u64) -> Timestamp {
    Timestamp::from_micros(BEGIN).saturating_add(Duration::from_secs(second))
}

impl Site {
    /// Fills a new database with sessions and a tenth as many users. One user has every third session, and every third
    /// session is from one network. The first ten users have a password with this hash.
    pub(crate) fn fill(database: &Database, backend: Backend, sessions: u64, hash: &str) -> Self {
        let site = Self { backend, sessions, users: sessions / 10, url: database.url.clone() };
        site.add_all(hash);
        site
    }

    /// The name of the user with this number.
    pub(crate) fn name_of(user: u64) -> String {
        format!("person{}", letters(user))
    }

    fn add_all(&self, hash: &str) {
        let (sessions, users) = (self.sessions, self.users);
        let numbers =
            |most: u64| format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most})");
        let (id, digest) = match self.backend {
            Backend::Sqlite => (
                format!("unhex(printf('%012x%020x', {BEGIN} / 1000 + i * 1000, i))"),
                "unhex(printf('%016x%0112x', i * 2654435761 % 4294967296, i))",
            ),
            #[cfg(feature = "postgres")]
            Backend::Postgres => (
                format!("decode(lpad(to_hex({BEGIN} / 1000 + i * 1000), 12, '0') || lpad(to_hex(i), 20, '0'), 'hex')"),
                "decode(lpad(to_hex(i * 2654435761 % 4294967296), 16, '0') || lpad(to_hex(i), 112, '0'), 'hex')",
            ),
        };
        let name = LETTERS.iter().fold("'person' || i".to_owned(), |text, (digit, letter)| {
            format!("replace({text}, '{digit}', '{letter}')")
        });
        self.time("users", || {
            self.run(&format!(
                "INSERT INTO users (username, lookalike_key, email, password_hash, is_active, is_staff, created) {}
                 SELECT {name}, {name}, 'Person.' || i || '@example.org', CASE WHEN i <= 10 THEN '{hash}' ELSE '!' END, TRUE, FALSE, {BEGIN} FROM n",
                numbers(users)
            ));
        });
        self.time("sessions", || {
            self.run(&format!(
                "INSERT INTO sessions (id, user_id, kind, name, created, last_seen, auth_epoch, address, user_agent,
                 opened_reason, opened_by) {}
                 SELECT {id}, CASE WHEN i % 3 = 0 THEN 2 ELSE 1 + i % {users} END, CASE WHEN i % 4 = 0 THEN 'djoser' ELSE 'knox' END,
                 CASE WHEN i % 1000 = 0 THEN 'Backup ' || i END, {BEGIN} + i * 1000000, {BEGIN} + i * 1000000, 0,
                 CASE WHEN i % 3 = 1 THEN '10.200.' || (i % 7) || '.' || (i % 11)
                 ELSE '10.0.' || (i / 256 % 256) || '.' || (i % 256) END,
                 CASE WHEN i % 100 = 0 THEN 'curl/8.0' ELSE 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0' END,
                 CASE WHEN i % 2000 = 0 THEN 'token_created' ELSE 'login' END, 'system' FROM n",
                numbers(sessions)
            ));
        });
        self.time("tokens", || {
            self.run(&format!(
                "INSERT INTO tokens (digest, session_id, kind, created, expires) {}
                 SELECT {digest}, {id}, 'access', {BEGIN}, {BEGIN} + 864000000000000 FROM n",
                numbers(sessions)
            ));
        });
    }

    /// Adds this many events, over half as many seconds: logins, a tenth of them refused, and a few other acts.
    pub(crate) fn add_events(&self, events: u64) {
        let users = self.users;
        let session = match self.backend {
            Backend::Sqlite => format!("unhex(printf('%012x%020x', {BEGIN} / 1000 + i * 1000, i))"),
            #[cfg(feature = "postgres")]
            Backend::Postgres => {
                format!("decode(lpad(to_hex({BEGIN} / 1000 + i * 1000), 12, '0') || lpad(to_hex(i), 20, '0'), 'hex')")
            }
        };
        self.time("events", || {
            self.run(&format!(
                "INSERT INTO audit_events (at, event, actor, user_id, session_id, address, user_agent, count)
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {events})
                 SELECT {BEGIN} + i * 1000000, CASE WHEN i % 1000 = 1 THEN 'user_created' WHEN i % 10 = 1 THEN 'login_failed'
                     ELSE 'login' END, 'user:' || (CASE WHEN i % 3 = 0 THEN 2 ELSE 1 + i % {users} END),
                 CASE WHEN i % 3 = 0 THEN 2 ELSE 1 + i % {users} END, CASE WHEN i % 10 <> 1 THEN {session} END,
                 '10.9.' || (i / 256 % 256) || '.' || (i % 256), 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0', 1 FROM n",
            ));
        });
    }

    pub(crate) fn run(&self, sql: &str) {
        let url = self.url.as_str();
        match url.strip_prefix("sqlite://") {
            Some(path) => {
                let mut shell = diesel::SqliteConnection::establish(path).expect("a connection");
                shell.batch_execute(sql).expect("a statement");
            }
            #[cfg(feature = "postgres")]
            None => {
                let mut shell = diesel::PgConnection::establish(url).expect("a connection");
                // Otherwise its numbers would be 32 bits wide.
                shell.batch_execute(&sql.replace("SELECT 1 UNION", "SELECT 1::bigint UNION")).expect("a statement");
            }
            #[cfg(not(feature = "postgres"))]
            None => panic!("no SQLite file"),
        }
    }

    /// Prints how long `work` takes.
    pub(crate) fn time<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        println!("{:?}: {what}: {:?}", self.backend, begun.elapsed());
        done
    }
}

/// The digits of a number, as they appear in names.
pub(crate) fn letters(number: u64) -> String {
    let letter = |digit| LETTERS.iter().find(|(of, _)| *of == digit).map_or(digit, |(_, letter)| *letter);
    number.to_string().chars().map(letter).collect()
}
