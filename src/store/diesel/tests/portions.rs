//! Sets and lists of more sessions than one statement looks at.

use std::net::IpAddr;
use std::ops::ControlFlow;

use super::super::lists;
use super::*;
use crate::store::{Effort, LiveSet, SessionCount, SessionFilter, SessionMatch};

/// More than two portions.
const MANY: u64 = 25_000;

/// Sessions of two users in turn, from 200 addresses.
fn fill(fixture: &Fixture) {
    let connection = &mut *fixture.connect();
    for name in ["alice", "bob"] {
        add_user(connection, name);
    }
    let (at, end) = (NOW.as_micros(), later(3600).as_micros());
    fixture.run(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY}) \
         INSERT INTO sessions (id, user_id, kind, created, last_seen, auth_epoch, address, user_agent, opened_reason, opened_by) \
         SELECT CAST(printf('%016d', i) AS BLOB), 1 + i % 2, 'knox', {at} - i, {at}, 0, '10.0.' || (i % 2) || '.' || (i % 100), \
         CASE WHEN i % 5000 = 0 THEN 'curl' END, 'login', 'system' FROM n; \
         INSERT INTO tokens (digest, session_id, kind, created, expires) \
         SELECT CAST(printf('%064d', rank) AS BLOB), id, 'access', {at}, {end} \
         FROM (SELECT id, row_number() OVER (ORDER BY id) AS rank FROM sessions)"
    ));
}

#[cfg(feature = "sqlite")]
#[test]
fn sets_and_lists_of_several_portions_are_whole() {
    let fixture = Fixture::sqlite();
    fill(&fixture);
    let any = SessionMatch::default;
    let address = |text: &str| SessionMatch { address: text.parse().ok(), ..any() };
    let device = |name: &str| SessionMatch { device: Some(name.to_owned()), ..any() };
    for (matching, expected) in [
        (any(), MANY),
        (SessionMatch::of_user(UserId(2)), MANY / 2),
        (device("curl"), 5),
        (device("nothing"), 0),
        (SessionMatch { user: Some(UserId(1)), ..device("curl") }, 5),
        (address("10.0.1.7/32"), MANY / 100),
        (address("10.0.0.0/24"), MANY / 2),
        (address("10.0.0.0/25"), MANY / 2),
        (address("10.0.1.64/26"), MANY / 100 * 18),
        (SessionMatch { user: Some(UserId(1)), ..address("10.0.1.64/26") }, 0),
    ] {
        let set = LiveSet::at(NOW, matching.clone());
        let mut told = 0;
        let count = fixture.store.count_sessions(&set, &mut |so_far| {
            assert!(so_far >= told, "{matching:?}");
            told = so_far;
            ControlFlow::Continue(())
        });
        let count = count.expect("a count").sessions;
        assert_eq!((count, told), (expected, expected), "{matching:?}");
        for effort in [Effort::UNBOUNDED, Effort { rows: 3000, time: Duration::ZERO }] {
            let mut filter = SessionFilter { effort, ..SessionFilter::live(matching.clone(), NOW) };
            let mut found = Vec::new();
            loop {
                let list = fixture.store.list_sessions(&filter).expect("a list");
                found.extend(list.sessions.into_iter().map(|entry| entry.session.id));
                filter.before = list.unsearched;
                if filter.before.is_none() {
                    break;
                }
            }
            assert!(found.is_sorted_by(|newer, older| newer > older), "{matching:?}");
            assert_eq!(u64::try_from(found.len()), Ok(expected), "{matching:?}, {effort:?}");
        }
    }
    let broken_off = fixture.store.count_sessions(&LiveSet::at(NOW, any()), &mut |_| ControlFlow::Break(()));
    assert!(matches!(broken_off, Ok(SessionCount { sessions: 1..MANY, .. })), "{broken_off:?}");
}

/// A short list means that there are no more sessions.
#[test]
fn sessions_that_end_during_a_search_do_not_end_it() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        for n in 1..=4 {
            let audit = AuditContext {
                origin: Origin { address: Some(IpAddr::from([192, 0, 2, 200])), ..Origin::default() },
                ..audit(Event::Login)
            };
            open(&mut *c, &NewSession { audit, ..login(user, 0, n) });
        }
        let matching = SessionMatch { address: "192.0.2.128/25".parse().ok(), ..SessionMatch::default() };
        let filter = SessionFilter { limit: 3, ..SessionFilter::live(matching, NOW) };
        let any = &mut fixture.raw();
        fixture.interrupt(any, ("sessions", 3), "UPDATE sessions SET ended_at = 1, ended_reason = 'revoked'");
        let found = lists::sessions(any, &filter).expect("a list");
        assert_eq!((found.sessions.len(), found.unsearched), (3, None), "{}", fixture.url);
        assert_eq!(fixture.count("sessions WHERE ended_at IS NULL"), 0, "they ended meanwhile");
    }
}
