//! How long searches and mass ends take. `scripts/soak admin` does it with 100,000 users and 1,000,000 sessions; the
//! tests with few, and then only the results count.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;
use knoxide::domain::audit::{Actor, AuditContext, Event, Origin};
use knoxide::domain::dialect::Dialect;
use knoxide::domain::session::SessionId;
use knoxide::domain::time::{Clock as _, ManualClock, Timestamp};
use knoxide::domain::token::{TokenDigest, TokenKind};
use knoxide::domain::user::{Epoch, UserId};
use knoxide::service::admin::{Admin, SessionQuery};
use knoxide::store::diesel::DieselStore;
use knoxide::store::{NewSession, NewToken, Opening, SessionMatch, Store as _, UserFilter};

use crate::harness::admin::administrator;
use crate::harness::app::{Backend, Database, on_each_database};
use crate::harness::number;

/// 2023-11-14T22:13:20Z, when the first session was opened. The others follow one second apart.
const BEGIN: i64 = 1_700_000_000_000_000;

/// What stands for the digits of a number in a name: letters that look like no others.
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

/// How many logins are measured.
const LOGINS: u64 = 2_000;

/// How long a search by any part of a name may take among 100,000 users.
const SEARCH: Duration = Duration::from_millis(200);

on_each_database! {
    fn searches_and_mass_ends_of_a_large_site(backend) {
        let wanted = number("KNOXIDE_SOAK_ADMIN");
        let site = Site::of(backend, wanted.unwrap_or(4_000));
        if wanted.is_some() {
            site.logins("logins, to begin with");
            site.logins("logins, with the index by address");
            site.run("DROP INDEX sessions_address");
            site.logins("logins, without the index by address");
            site.time("the index by address", || site.run("CREATE INDEX sessions_address ON sessions (address, id)"));
        }
        site.run("ANALYZE");
        let slowest = site.search_users();
        assert!(wanted.is_none() || slowest <= SEARCH, "the slowest search for users took {slowest:?}");
        site.search_sessions();
        site.end_sets();
    }
}

struct Site {
    backend: Backend,
    sessions: u64,
    users: u64,
    clock: ManualClock,
    admin: Admin,
    store: Arc<DieselStore>,
    database: Database,
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_micros(BEGIN).saturating_add(Duration::from_secs(second))
}

impl Site {
    /// A tenth as many users as sessions, one of whom has every third session; every third is from one network.
    fn of(backend: Backend, sessions: u64) -> Self {
        let database = Database::migrated(backend);
        let (store, clock) = (database.store(), ManualClock::new(at(sessions)));
        let admin = administrator(Arc::<DieselStore>::clone(&store), clock.clone());
        let site = Self { backend, sessions, users: sessions / 10, clock, admin, store, database };
        site.fill();
        site
    }

    fn fill(&self) {
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
                 SELECT {name}, {name}, 'Person.' || i || '@example.org', '!', TRUE, FALSE, {BEGIN} FROM n",
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
                 'login', 'system' FROM n",
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

    fn run(&self, sql: &str) {
        let url = self.database.url.as_str();
        match url.strip_prefix("sqlite://") {
            Some(path) => {
                let mut shell = diesel::SqliteConnection::establish(path).expect("a connection");
                shell.batch_execute(sql).expect("a statement");
            }
            #[cfg(feature = "postgres")]
            None => {
                let mut shell = diesel::PgConnection::establish(url).expect("a connection");
                // Its numbers are 32 bits wide otherwise.
                shell.batch_execute(&sql.replace("SELECT 1 UNION", "SELECT 1::bigint UNION")).expect("a statement");
            }
            #[cfg(not(feature = "postgres"))]
            None => panic!("no SQLite file"),
        }
    }

    /// Prints how long something takes.
    fn time<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        println!("{:?}: {what}: {:?}", self.backend, begun.elapsed());
        done
    }

    fn logins(&self, what: &str) {
        let mut connection = self.store.connect().expect("a connection");
        self.clock.advance(Duration::from_secs(1));
        let now = self.clock.now();
        let before = now.as_micros().to_be_bytes();
        self.time(&format!("{LOGINS} {what}"), || {
            for number in 0..LOGINS {
                let mut unique = [0; 10];
                unique[2..].copy_from_slice(&number.to_be_bytes());
                let mut digest = [0xff; 64];
                digest[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
                digest[8..16].copy_from_slice(&before);
                let address = [10, 1, u8::try_from(number % 251).expect("a byte"), 7];
                let origin = Origin { address: Some(address.into()), ..Origin::default() };
                let user = UserId(i64::try_from(1 + number * 37 % self.users).expect("a number"));
                let new = NewSession {
                    id: SessionId::new(now, &unique),
                    user,
                    epoch: Epoch(0),
                    kind: Dialect::Knox.into(),
                    name: None,
                    tokens: vec![NewToken {
                        digest: TokenDigest::from_bytes(digest),
                        kind: TokenKind::Access,
                        expires: None,
                        key: None,
                    }],
                    limit: None,
                    network: None,
                    with_event: true,
                    audit: AuditContext {
                        event: Event::Login,
                        actor: Actor::User(user),
                        origin,
                        at: now,
                        detail: None,
                    },
                };
                assert_eq!(connection.open_session(&new), Ok(Opening::Opened));
            }
        });
        self.run(&format!("DELETE FROM sessions WHERE created = {}", now.as_micros()));
    }

    /// How long the slowest search by a part took.
    fn search_users(&self) -> Duration {
        let last = self.users;
        let letters: String = last
            .to_string()
            .chars()
            .map(|digit| LETTERS.iter().find(|(of, _)| *of == digit).map_or(digit, |(_, letter)| *letter))
            .collect();
        let (page, part) = (UserFilter { limit: 100, ..UserFilter::default() }, |text: &str| Some(text.to_owned()));
        let mut slowest = Duration::ZERO;
        for (what, text, expected) in [
            ("of a part that all have", "erson", 100.min(last)),
            ("of a part that one has", &*format!("ERSON{letters}"), 1),
            ("of a part that none has", "nobody at all", 0),
        ] {
            let begun = Instant::now();
            let filter = UserFilter { text: part(text), ..page.clone() };
            let found = self.time(&format!("users {what}"), || self.admin.list_users(&filter)).expect("a list");
            slowest = slowest.max(begun.elapsed());
            assert_eq!(u64::try_from(found.len()), Ok(expected), "{what}");
        }
        for (what, filter) in [
            ("by the beginning", UserFilter { beginning: part(&format!("Person{letters}")), ..page.clone() }),
            ("by e-mail address", UserFilter { email: part(&format!("person.{last}@example.org")), ..page.clone() }),
            ("by number", UserFilter { id: i64::try_from(last).ok().map(UserId), ..page.clone() }),
        ] {
            let found = self.time(&format!("user {what}"), || self.admin.list_users(&filter)).expect("a list");
            assert_eq!(found.len(), 1, "{what}");
        }
        slowest
    }

    /// What is searched, and how many sessions that is.
    fn sets(&self) -> Vec<(&'static str, SessionMatch, u64)> {
        let all = self.sessions;
        let every = |step: u64| all / step;
        let any = SessionMatch::default;
        let of_network = |text: &str| SessionMatch { address: text.parse().ok(), ..any() };
        let those = |fits: &dyn Fn(u64) -> bool| (1..=all).filter(|i| fits(*i)).count() as u64;
        let of_user = those(&|i| i % 3 != 0 && i % self.users == 6);
        let (of_large_user, in_large_network) = (those(&|i| i % 3 == 0 || i % self.users == 1), those(&|i| i % 3 == 1));
        let of_address = those(&|i| i % 3 != 1 && i % 65_536 == 2 * 256 + 3);
        let in_network = those(&|i| i % 3 != 1 && i / 256 % 256 == 2);
        let (from, before) = (at(all / 2), at(all / 2 + all / 100));
        let of_time = SessionMatch { created_from: Some(from), created_before: Some(before), ..any() };
        vec![
            ("of a user", SessionMatch::of_user(UserId(7)), of_user),
            ("of an address", of_network("10.0.2.3/32"), of_address),
            ("of a network", of_network("10.0.2.0/24"), in_network),
            ("of a time", of_time, all / 100),
            ("by name", SessionMatch { name: Some("backup".to_owned()), ..any() }, every(1000)),
            ("of a device", SessionMatch { device: Some("CURL".to_owned()), ..any() }, every(100)),
            ("of a user with many", SessionMatch::of_user(UserId(2)), of_large_user),
            ("of a network with many", of_network("10.200.0.0/16"), in_large_network),
            ("of a dialect", SessionMatch { kind: Some(Dialect::Djoser.into()), ..any() }, every(4)),
            ("of all", SessionMatch { last_seen_before: Some(at(all + 1)), ..any() }, all),
        ]
    }

    fn search_sessions(&self) {
        for (what, matching, expected) in self.sets() {
            let query = SessionQuery { matching: matching.clone(), limit: 100, ..SessionQuery::default() };
            let page = self.time(&format!("a page of sessions {what}"), || self.admin.list_sessions(query));
            assert_eq!(page.expect("a list").len() as u64, expected.min(100), "{what}");
            let found = self.time(&format!("a dry run {what}"), || self.admin.dry_run(&matching)).expect("a count");
            assert_eq!(found.count, expected, "{what}");
        }
        let query = SessionQuery {
            matching: SessionMatch { device: Some("no such device".to_owned()), ..SessionMatch::default() },
            limit: 100,
            ..SessionQuery::default()
        };
        let page = self.time("a page of sessions that do not exist", || self.admin.list_sessions(query));
        assert_eq!(page.expect("a list").len(), 0);
    }

    fn end_sets(&self) {
        let mut ended = 0;
        for (what, matching, _) in self.sets() {
            let found = self.admin.dry_run(&matching).expect("a count");
            let end = || self.admin.end_filtered(&matching, found.shown(), &mut |_| {});
            let done = self.time(&format!("the end of the {} sessions {what}", found.count), end).expect("an end");
            assert_eq!(done, found.count, "{what}");
            assert_eq!(self.admin.dry_run(&matching).expect("a count").count, 0, "{what}");
            ended += done;
        }
        assert_eq!(ended, self.sessions);
    }
}
