//! Which indexes lead to what is searched, on SQLite; `tests/it/mass_ends/plans.rs` looks at Postgres.

use std::sync::{Arc, Mutex};

use diesel::deserialize::QueryableByName;
use diesel::sql_types::Text;

use super::super::{audit, lists, mass_end};
use super::*;
use crate::store::{Effort, EventFilter, LiveSet, NewEvent, SessionFilter, SessionMatch, UserFilter};

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// The plans of all queries that `work` runs.
fn plans(any: &mut AnyConnection, work: impl FnOnce(&mut AnyConnection)) -> String {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let watcher = Arc::clone(&seen);
    any.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let sql = text.split(" -- binds").next().unwrap_or_default().to_owned();
            watcher.lock().expect("a lock").push(sql);
        }
    });
    work(any);
    any.set_instrumentation(|_: InstrumentationEvent<'_>| {});
    let queries = std::mem::take(&mut *seen.lock().expect("a lock"));
    let explain = |sql: &String| {
        let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(any).expect(sql);
        steps.into_iter().map(|step| step.detail + "\n").collect::<String>()
    };
    queries.iter().map(explain).collect()
}

#[cfg(feature = "sqlite")]
#[test]
fn searches_and_ends_go_by_indexes() {
    let fixture = Fixture::sqlite();
    let any = &mut fixture.store.target.connect(Role::Admin).expect("a connection");
    let network = |text: &str| SessionMatch { address: text.parse().ok(), ..SessionMatch::default() };
    let of_time = SessionMatch { created_from: Some(NOW), created_before: Some(later(60)), ..SessionMatch::default() };
    let sets = [
        (network("192.0.2.7/32"), "sessions USING INDEX sessions_address (address=?"),
        (network("192.0.2.0/24"), "sessions USING INDEX sessions_address (address>? AND address<?)"),
        (of_time, "sessions USING PRIMARY KEY (id>? AND id<?)"),
        (SessionMatch::of_user(UserId(1)), "sessions USING INDEX sessions_user (user_id=?"),
        (SessionMatch { device: Some("curl".to_owned()), ..SessionMatch::default() }, " sessions"),
    ];
    for (matching, index) in sets {
        let set = LiveSet::at(NOW, matching.clone());
        let is_narrow = !index.starts_with(' ');
        for before in [None, Some(session(1))] {
            let filter = SessionFilter { before, limit: 50, ..SessionFilter::live(matching.clone(), NOW) };
            let list = plans(any, |any| drop(lists::sessions(any, &filter).expect("a list").sessions));
            assert!(list.contains(index) && !list.contains("SCAN users"), "a list: {list}");
            // In the order of an index nothing is sorted, and the first page is soon complete.
            assert!(!list.contains("TEMP B-TREE"), "a list: {list}");
        }
        for has_last in [false, true] {
            let page = plans(any, |any| mass_end::try_page(any, &set, has_last).expect("a page"));
            let goes_on = has_last && index.contains("address<?");
            let index = if goes_on { "sessions_address ((address,id)>(?,?) AND address<?)" } else { index };
            assert!(page.contains(index) && !page.contains("TEMP B-TREE"), "a mass end, {has_last}: {page}");
            assert!(!is_narrow || !page.contains("SCAN sessions"), "a mass end, {has_last}: {page}");
        }
    }
    let begins = UserFilter { beginning: Some("ali".to_owned()), limit: 50, ..UserFilter::default() };
    let email = UserFilter { email: Some("a@example.org".to_owned()), limit: 50, ..UserFilter::default() };
    let number = UserFilter { ids: vec![UserId(7)], limit: 50, ..UserFilter::default() };
    for (filter, index) in [
        (begins, "users USING INDEX users_lookalike_key"),
        (email, "users USING INDEX users_email_without_case"),
        (number, "users USING INTEGER PRIMARY KEY (rowid=?)"),
    ] {
        let list = plans(any, |any| drop(lists::users(any, &filter).expect("a list")));
        assert!(list.contains(index), "{list}");
    }
}

/// A portion of events is a range of an index, also where other conditions have an index of their own.
#[cfg(feature = "sqlite")]
#[test]
fn searches_of_events_go_by_one_index() {
    let fixture = Fixture::bare_sqlite();
    fixture.store.migrate().expect("migrations");
    let event = |_| NewEvent { audit: super::audit(Event::Login), user: Some(UserId(1)), session: None, count: 1 };
    fixture.connect().record_events(&(0..300).map(event).collect::<Vec<_>>()).expect("events");
    let any = &mut fixture.store.target.connect(Role::Admin).expect("a connection");
    let newest = EventFilter { limit: 1, ..EventFilter::default() };
    let after = audit::list(any, &newest).expect("a list").events.first().map(|event| event.cursor);
    let effort = Effort { rows: 20, time: Duration::ZERO };
    let idle = EventFilter { events: vec![Event::Idle], after, limit: 50, effort, ..EventFilter::default() };
    let user = EventFilter { user: Some(UserId(1)), ..idle.clone() };
    let of_time = EventFilter { from: Some(NOW), until: Some(later(60)), ..user.clone() };
    for (filter, index) in [
        (EventFilter { actor: Some("cli".to_owned()), ..idle.clone() }, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (EventFilter { from: Some(NOW), ..idle.clone() }, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (user.clone(), "INDEX audit_events_by_user (user_id=? AND id>? AND id<?)"),
        (of_time.clone(), "INDEX audit_events_by_user (user_id=? AND id>? AND id<?)"),
        (EventFilter { effort: Effort::UNBOUNDED, ..of_time.clone() }, "INDEX audit_events_at (at>? AND at<?)"),
        (EventFilter { session: Some(session(1)), ..of_time }, "INDEX audit_events_session (session_id=?)"),
    ] {
        let list = plans(any, |any| drop(audit::list(any, &filter).expect("a list")));
        assert!(list.contains(index) && !list.contains("TEMP B-TREE"), "{filter:?}: {list}");
    }
}

/// Of few sessions, those of a network are all read by its index; of many, the newest of all are looked at.
#[cfg(feature = "sqlite")]
#[test]
fn neighbours_of_a_network_are_read_once() {
    let fixture = Fixture::sqlite();
    add_user(&mut *fixture.connect(), "alice");
    fixture.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
         INSERT INTO sessions (id, user_id, kind, created, last_seen, auth_epoch, address, opened_reason, opened_by) \
         SELECT CAST(printf('%016d', i) AS BLOB), 1, 'knox', i, i, 0, '10.0.0.' || (1 + i % 100), 'login', 'system' FROM n",
    );
    let any = &mut fixture.store.target.connect(Role::Admin).expect("a connection");
    let mut list = |rows, user| {
        let matching = SessionMatch { user, address: "10.0.0.128/25".parse().ok(), ..SessionMatch::default() };
        let effort = Effort { rows, time: Duration::ZERO };
        let filter = SessionFilter { with_ended: true, limit: 10, effort, ..SessionFilter::live(matching, NOW) };
        plans(any, |any| assert!(lists::sessions(any, &filter).expect("a list").sessions.is_empty()))
    };
    let few = list(2500, None);
    assert_eq!(few.matches("sessions_address (address>? AND address<?)").count(), 2, "{few}");
    assert!(!few.contains("TEMP B-TREE") && few.lines().count() == 2, "{few}");
    let many = list(2000, None);
    assert_eq!(many.matches("sessions_address").count(), 1, "{many}");
    assert!(many.contains("SCAN sessions") && !many.contains("TEMP B-TREE"), "{many}");
    // The narrower one of two indexes leads, and the other one does not interfere.
    let of_nobody = list(2000, Some(UserId(2)));
    assert!(!of_nobody.contains("sessions_address") && of_nobody.contains("sessions_user"), "{of_nobody}");
    let of_all = list(2500, Some(UserId(1)));
    assert!(of_all.contains("sessions_user"), "{of_all}");
}

/// A search stops after as many sessions as it was told, and goes on from there.
#[test]
fn a_search_stops_where_it_was_told() {
    on_each_database(|fixture, c, alice| {
        (1..=20).for_each(|number| open(c, &login(alice, 0, number)));
        let matching = SessionMatch { name: Some("nothing".to_owned()), ..SessionMatch::default() };
        let effort = Effort { rows: 5, time: Duration::ZERO };
        let mut filter = SessionFilter { with_ended: true, limit: 10, effort, ..SessionFilter::live(matching, NOW) };
        for stops_at in [Some(session(16)), Some(session(11)), Some(session(6)), Some(session(1)), None] {
            let found = fixture.store.list_sessions(&filter).expect("a list");
            assert_eq!((found.sessions.len(), found.unsearched), (0, stops_at), "{}", fixture.url);
            filter.before = stops_at;
        }
        // It goes on for as long as there is time.
        let effort = Effort { rows: 5, time: Duration::from_secs(600) };
        let found = fixture.store.list_sessions(&SessionFilter { before: None, effort, ..filter.clone() });
        assert_eq!(found.expect("a list").unsearched, None);
        // Nobody waits for what is not needed: the page is full.
        let all = SessionFilter { matching: SessionMatch::of_user(alice), before: None, limit: 5, ..filter };
        let found = fixture.store.list_sessions(&all).expect("a list");
        assert_eq!((found.sessions.len(), found.unsearched), (5, None));
    });
}
