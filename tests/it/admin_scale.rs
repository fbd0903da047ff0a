//! How long searches and mass ends take. `scripts/soak admin` runs this with 100,000 users and 1,000,000 sessions; the
//! tests use few, and check only the results.

use std::sync::Arc;
use std::time::{Duration, Instant};

use knoxide::domain::audit::{Actor, AuditContext, Event, Origin};
use knoxide::domain::dialect::Dialect;
use knoxide::domain::session::SessionId;
use knoxide::domain::time::{Clock as _, ManualClock};
use knoxide::domain::token::{TokenDigest, TokenKind};
use knoxide::domain::user::{Epoch, UserId};
use knoxide::service::admin::{Admin, SessionQuery};
use knoxide::store::diesel::DieselStore;
use knoxide::store::{NewSession, NewToken, Opening, SessionMatch, Store as _, UserFilter};

use crate::harness::admin::administrator;
use crate::harness::app::{Backend, Database, on_each_database};
use crate::harness::number;
use crate::harness::site::{Site, at, letters};

/// How many logins are measured.
const LOGINS: u64 = 2_000;

/// How long a search by any part of a name may take among 100,000 users.
const SEARCH: Duration = Duration::from_millis(200);

on_each_database! {
    fn searches_and_mass_ends_of_a_large_site(backend) {
        let wanted = number("KNOXIDE_SOAK_ADMIN");
        let site = Scale::of(backend, wanted.unwrap_or(4_000));
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

struct Scale {
    site: Site,
    clock: ManualClock,
    admin: Admin,
    store: Arc<DieselStore>,
    _database: Database,
}

impl Scale {
    fn of(backend: Backend, sessions: u64) -> Self {
        let database = Database::migrated(backend);
        let (store, clock) = (database.store(), ManualClock::new(at(sessions)));
        let admin = administrator(Arc::<DieselStore>::clone(&store), clock.clone());
        let site = Site::fill(&database, backend, sessions, "!");
        Self { site, clock, admin, store, _database: database }
    }

    fn run(&self, sql: &str) {
        self.site.run(sql);
    }

    fn time<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        self.site.time(what, work)
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
                let user = UserId(i64::try_from(1 + number * 37 % self.site.users).expect("a number"));
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
        let last = self.site.users;
        let letters = letters(last);
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
            ("by number", UserFilter { ids: i64::try_from(last).map(UserId).into_iter().collect(), ..page.clone() }),
        ] {
            let found = self.time(&format!("user {what}"), || self.admin.list_users(&filter)).expect("a list");
            assert_eq!(found.len(), 1, "{what}");
        }
        slowest
    }

    /// The sets that are searched, each with its number of sessions.
    fn sets(&self) -> Vec<(&'static str, SessionMatch, u64)> {
        let all = self.site.sessions;
        let every = |step: u64| all / step;
        let any = SessionMatch::default;
        let of_network = |text: &str| SessionMatch { address: text.parse().ok(), ..any() };
        let those = |fits: &dyn Fn(u64) -> bool| (1..=all).filter(|i| fits(*i)).count() as u64;
        let of_user = those(&|i| i % 3 != 0 && i % self.site.users == 6);
        let (of_large_user, in_large_network) =
            (those(&|i| i % 3 == 0 || i % self.site.users == 1), those(&|i| i % 3 == 1));
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
            let page = self.time(&format!("a page of sessions {what}"), || self.admin.search_sessions(query));
            assert_eq!(page.expect("a list").len() as u64, expected.min(100), "{what}");
            let found = self.time(&format!("a dry run {what}"), || self.admin.dry_run(&matching)).expect("a count");
            assert_eq!(found.count, expected, "{what}");
        }
        let query = SessionQuery {
            matching: SessionMatch { device: Some("no such device".to_owned()), ..SessionMatch::default() },
            limit: 100,
            ..SessionQuery::default()
        };
        let page = self.time("a page of sessions that do not exist", || self.admin.search_sessions(query));
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
        assert_eq!(ended, self.site.sessions);
    }
}
