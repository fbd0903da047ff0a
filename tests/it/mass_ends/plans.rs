//! The indexes that searches use on Postgres; those on SQLite are in the tests of the store.

use std::time::Duration;

use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::sql_types::BigInt;
use diesel::{Connection as _, PgConnection};
use knoxide::domain::audit::Event;
use knoxide::domain::policy::IdleLimits;
use knoxide::domain::time::Timestamp;
use knoxide::domain::user::UserId;
use knoxide::store::{
    AdminStore as _, Effort, EventFilter, EventOrder, LiveSet, SessionFilter, SessionMatch, UserFilter,
};

use crate::harness::app::{Backend, Database};
use crate::harness::postgres::shared;

/// 2023-11-14T22:13:20Z.
const BEGIN: i64 = 1_700_000_000_000_000;

/// 20,000 users with two sessions each, one second apart, from 250 addresses.
const FILL: &str = "
    SET enable_seqscan = off;
    INSERT INTO users (username, lookalike_key, email, password_hash, is_active, is_staff, created)
    SELECT 'user' || i, translate('user' || i, '01', 'ol'), 'User' || i || '@example.org', '!', TRUE, FALSE, 0 FROM generate_series(1, 20000) i;
    INSERT INTO sessions (id, user_id, kind, created, last_seen, auth_epoch, address, opened_reason, opened_by)
    SELECT decode(lpad(to_hex(1700000000000 + i * 1000), 12, '0') || lpad(to_hex(i), 20, '0'), 'hex'), 1 + i % 20000,
        'knox', 1700000000000000 + i * 1000000, 1700000000000000 + i * 1000000, 0,
        '10.0.' || i % 25 || '.' || i % 10, 'login', 'system'
    FROM generate_series(0::bigint, 39999) i;
    INSERT INTO tokens (digest, session_id, kind, created)
    SELECT decode(repeat(md5(encode(id, 'hex')), 4), 'hex'), id, 'access', created FROM sessions;
    ANALYZE";

/// How often an index was scanned, and how many entries were read from it.
fn reads(shell: &mut PgConnection, index: &str) -> (i64, i64) {
    let mut number = |column: &str| -> i64 {
        let query = format!("(SELECT sum({column})::bigint FROM pg_stat_user_indexes WHERE indexrelname = '{index}')");
        diesel::select(sql::<BigInt>(&query)).get_result(shell).expect("a number")
    };
    (number("idx_scan"), number("idx_tup_read"))
}

/// Waits until the counters of all other connections are complete, that is, until they have ended.
fn settle(shell: &mut PgConnection) {
    let others = "(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                  AND backend_type = 'client backend' AND pid <> pg_backend_pid())";
    while diesel::select(sql::<BigInt>(others)).get_result::<i64>(shell).expect("a number") > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn searches_and_ends_go_by_indexes() {
    if shared().is_none() {
        return;
    }
    let database = Database::migrated(Backend::Postgres);
    let mut shell = PgConnection::establish(&database.url).expect("a connection");
    shell.batch_execute(FILL).expect("rows");
    let at = |seconds: i64| Some(Timestamp::from_micros(BEGIN + seconds * 1_000_000));
    let of_address = SessionMatch { address: "10.0.3.8/32".parse().ok(), ..SessionMatch::default() };
    let of_network = SessionMatch { address: "10.0.3.0/24".parse().ok(), ..SessionMatch::default() };
    let of_time = SessionMatch { created_from: at(20_000), created_before: at(20_100), ..SessionMatch::default() };
    let sets = [
        (of_address, "sessions_address", 800),
        (of_network, "sessions_address", 1_600),
        (of_time, "sessions_pkey", 200),
        (SessionMatch::of_user(UserId(7)), "sessions_user", 2),
    ];
    let now = Timestamp::from_micros(BEGIN + 100_000_000_000);
    for (matching, index, most) in sets {
        let filter = SessionFilter {
            matching: matching.clone(),
            with_ended: false,
            now,
            idle_limits: IdleLimits::NONE,
            before: None,
            limit: 50,
            effort: Effort::UNBOUNDED,
        };
        let set = LiveSet { matching, now, idle_limits: IdleLimits::NONE, opened_until: None };
        for work in ["list", "count"] {
            let (scans, rows) = reads(&mut shell, index);
            let store = database.store();
            let found = if work == "list" {
                store.list_sessions(&filter).expect("a list").sessions.len()
            } else {
                usize::try_from(
                    store.count_sessions(&set, &mut |_| std::ops::ControlFlow::Continue(())).expect("a count").sessions,
                )
                .expect("a small number")
            };
            assert!(found > 0, "{work} by {index}");
            drop(store);
            settle(&mut shell);
            let (now_scans, now_rows) = reads(&mut shell, index);
            assert!(now_scans > scans, "{work} does not use {index}");
            assert!(now_rows - rows <= 2 * most, "{work} reads {} entries of {index}", now_rows - rows);
        }
    }
    let begins = UserFilter { beginning: Some("User1999".to_owned()), limit: 50, ..UserFilter::default() };
    let email = UserFilter { email: Some("user77@EXAMPLE.org".to_owned()), limit: 50, ..UserFilter::default() };
    let number = UserFilter { ids: vec![UserId(77)], limit: 50, ..UserFilter::default() };
    let cases =
        [(begins, "users_lookalike_key", 11), (email, "users_email_without_case", 1), (number, "users_pkey", 1)];
    for (filter, index, expected) in cases {
        let (scans, rows) = reads(&mut shell, index);
        let store = database.store();
        assert_eq!(store.list_users(&filter).expect("a list").len(), expected);
        drop(store);
        settle(&mut shell);
        let (now_scans, now_rows) = reads(&mut shell, index);
        assert!(now_scans > scans && now_rows - rows <= 30, "{index}: {} entries", now_rows - rows);
    }
}

/// 20,000 events, a hundred of each transaction.
const FILL_EVENTS: &str = "
    INSERT INTO audit_events (at, event, actor, user_id, xid)
    SELECT i, CASE WHEN i % 2 = 0 THEN 'login' ELSE 'logout' END, 'user:' || i % 10, i % 10, (i / 100)::text::xid8
    FROM generate_series(1, 20000) i; ANALYZE audit_events";

/// A page of events is read from the end of an index: nothing is sorted, and only the events shown are read.
#[test]
fn pages_of_events_are_read_in_their_order() {
    if shared().is_none() {
        return;
    }
    let database = Database::migrated(Backend::Postgres);
    let mut shell = PgConnection::establish(&database.url).expect("a connection");
    shell.batch_execute(FILL_EVENTS).expect("rows");
    let page = EventFilter { limit: 51, ..EventFilter::default() };
    let filters = [
        page.clone(),
        EventFilter { events: vec![Event::Login], ..page.clone() },
        EventFilter { user: Some(UserId(3)), ..page.clone() },
        EventFilter { order: EventOrder::NewestSettledFirst, ..page.clone() },
        EventFilter { order: EventOrder::OldestFirst, ..page },
    ];
    for filter in filters {
        for pages in 1..=2 {
            let read = |shell: &mut PgConnection| {
                reads(shell, "audit_events_order").1 + reads(shell, "audit_events_by_user").1
            };
            let before = read(&mut shell);
            let store = database.store();
            let mut filter = filter.clone();
            for _ in 0..pages {
                let found = store.list_events(&filter).expect("a list").events;
                assert_eq!(found.len(), 51, "{filter:?}");
                filter.after = found.last().map(|event| event.cursor);
            }
            drop(store);
            settle(&mut shell);
            let entries = read(&mut shell) - before;
            assert!((51..=1500).contains(&entries), "{entries} entries for {pages} pages: {filter:?}");
        }
    }
}

/// A search that finds nothing stops after the events that it was told to look at; few events of a time are all read.
#[test]
fn searches_of_events_read_a_bounded_part_of_one_index() {
    if shared().is_none() {
        return;
    }
    let database = Database::migrated(Backend::Postgres);
    let mut shell = PgConnection::establish(&database.url).expect("a connection");
    shell.batch_execute(FILL_EVENTS).expect("rows");
    let effort = Effort { rows: 1250, time: Duration::ZERO };
    let none = EventFilter { events: vec![Event::Idle], limit: 51, effort, ..EventFilter::default() };
    let at = |micros| Some(Timestamp::from_micros(micros));
    for (filter, index, most, has_to_stop) in [
        (none.clone(), "audit_events_order", 2_500, true),
        (
            EventFilter { from: at(100), actor: Some("cli".to_owned()), ..none.clone() },
            "audit_events_order",
            2_500,
            true,
        ),
        (EventFilter { user: Some(UserId(3)), ..none.clone() }, "audit_events_by_user", 2_500, true),
        (EventFilter { from: at(100), until: at(600), ..none }, "audit_events_at", 1_100, false),
    ] {
        let (scans, entries) = reads(&mut shell, index);
        let store = database.store();
        let found = store.list_events(&filter).expect("a list");
        assert_eq!((found.events.len(), found.unsearched.is_some()), (0, has_to_stop), "{filter:?}");
        drop(store);
        settle(&mut shell);
        let (now_scans, now_entries) = reads(&mut shell, index);
        assert!(now_scans > scans, "{filter:?} does not use {index}");
        assert!(now_entries - entries <= most, "{filter:?}: {} entries", now_entries - entries);
    }
}
