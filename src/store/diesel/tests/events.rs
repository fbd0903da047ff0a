//! Lists of more audit events than one statement looks at.

use super::super::any::on_each;
use super::*;
use crate::store::{Effort, EventCursor, EventFilter, EventOrder, NewEvent};

/// More than a portion of the largest size.
const MANY: u64 = 12_000;

const SESSION: SessionId = SessionId::from_bytes([7; 16]);

/// Events in the order neither of their times nor, on Postgres, of their numbers.
fn fill(fixture: &Fixture) {
    let (at, session) = (NOW.as_micros(), "07".repeat(16));
    let (session, reorder) = on_each!(&fixture.raw(),
        sqlite(_c) => (format!("unhex('{session}')"), ""),
        postgres(_c) => (
            format!("decode('{session}', 'hex')"),
            "; UPDATE audit_events SET xid = (id * 7 % 500)::text::xid8",
        ),
    );
    fixture.run(&format!(
        "INSERT INTO audit_events (at, event, actor, user_id, session_id, address)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})
         SELECT {at} + i * 7 % {MANY}, CASE WHEN i % 5000 = 1 THEN 'key_retired' ELSE 'login' END,
             CASE WHEN i % 100 = 1 THEN 'cli' ELSE 'anonymous' END, i % 3, CASE WHEN i % 3000 = 1 THEN {session} END,
             '10.0.0.' || (i % 200) FROM n{reorder}"
    ));
}

/// All pages of a list, each from where the one before it says.
fn follow(fixture: &Fixture, filter: &EventFilter) -> Vec<EventCursor> {
    let mut filter = filter.clone();
    let mut seen = Vec::new();
    loop {
        let list = fixture.store.list_events(&filter).expect("a list");
        let is_full = u32::try_from(list.events.len()) == Ok(filter.limit);
        seen.extend(list.events.iter().map(|event| event.cursor));
        filter.after = match (list.unsearched, list.events.last()) {
            (Some(stopped), _) => Some(stopped.cursor),
            (None, Some(last)) if is_full => Some(last.cursor),
            (None, _) => return seen,
        };
    }
}

fn filters() -> Vec<EventFilter> {
    let any = EventFilter::default;
    let user = |number| EventFilter { user: Some(UserId(number)), ..any() };
    let of_time = |from, until| {
        let at = |micros| Some(NOW.saturating_add(Duration::from_micros(micros)));
        EventFilter { from: at(from), until: at(until), ..any() }
    };
    let retired = || EventFilter { events: vec![Event::KeyRetired], ..any() };
    vec![
        any(),
        user(2),
        user(9),
        retired(),
        EventFilter { events: vec![Event::Idle], ..any() },
        EventFilter { actor: Some("cli".to_owned()), ..any() },
        EventFilter { address: Some("10.0.0.7".to_owned()), ..any() },
        EventFilter { session: Some(SESSION), ..any() },
        of_time(100, 600),
        of_time(1_000, 11_000),
        EventFilter { from: of_time(11_900, 0).from, ..any() },
        EventFilter { until: of_time(0, 9_000).until, ..any() },
        EventFilter { user: Some(UserId(1)), ..of_time(100, 600) },
        EventFilter { user: Some(UserId(1)), ..of_time(1_000, 11_000) },
        EventFilter { user: Some(UserId(1)), ..retired() },
        EventFilter { events: vec![Event::Login], ..of_time(100, 600) },
        EventFilter { session: Some(SESSION), from: of_time(7_000, 0).from, ..retired() },
    ]
}

#[test]
fn whoever_follows_a_list_misses_no_event_and_sees_none_twice() {
    for fixture in Fixture::all() {
        fill(&fixture);
        let everything = EventFilter { limit: u32::MAX, ..EventFilter::default() };
        let all = fixture.store.list_events(&everything).expect("a list").events;
        assert_eq!(u64::try_from(all.len()), Ok(MANY));
        assert!(all.is_sorted_by(|newer, older| newer.cursor > older.cursor));
        let few = Effort { rows: 700, time: Duration::ZERO };
        for order in [EventOrder::NewestFirst, EventOrder::NewestSettledFirst, EventOrder::OldestFirst] {
            for (filter, effort) in
                filters().into_iter().flat_map(|filter| [(filter.clone(), few), (filter, Effort::UNBOUNDED)])
            {
                let mut expected: Vec<_> =
                    all.iter().filter(|event| filter.matches(event)).map(|event| event.cursor).collect();
                if order == EventOrder::OldestFirst {
                    expected.reverse();
                }
                let filter = EventFilter { order, limit: 400, effort, ..filter };
                assert!(follow(&fixture, &filter) == expected, "{}: {filter:?}", fixture.url);
            }
        }
    }
}

/// A search stops after as many events as it was told, and says which was the last and when it happened.
#[test]
fn a_search_of_events_stops_where_it_was_told() {
    for fixture in Fixture::all() {
        let login = |second| NewEvent {
            audit: AuditContext { at: later(second), ..audit(Event::Login) },
            user: None,
            session: None,
            count: 1,
        };
        fixture.connect().record_events(&(1..=20).map(login).collect::<Vec<_>>()).expect("events");
        let effort = Effort { rows: 5, time: Duration::ZERO };
        let mut filter = EventFilter { events: vec![Event::Idle], limit: 10, effort, ..EventFilter::default() };
        for stops_at in [Some(16), Some(11), Some(6), Some(1), None] {
            let found = fixture.store.list_events(&filter).expect("a list");
            let stopped = found.unsearched;
            assert_eq!(stopped.map(|stopped| stopped.at), stops_at.map(later), "{}", fixture.url);
            assert!(found.events.is_empty());
            filter.after = stopped.map(|stopped| stopped.cursor);
        }
        // It goes on for as long as there is time.
        let patient = Effort { rows: 5, time: Duration::from_secs(600) };
        let found = fixture.store.list_events(&EventFilter { effort: patient, ..filter.clone() }).expect("a list");
        assert_eq!(found.unsearched, None);
        // Nobody waits for what is not needed: the page is full.
        let found = fixture.store.list_events(&EventFilter { events: vec![Event::Login], limit: 5, ..filter });
        let found = found.expect("a list");
        assert_eq!((found.events.len(), found.unsearched), (5, None));
    }
}

/// A short list means that there are no more events.
#[test]
fn events_that_are_deleted_during_a_search_do_not_end_it() {
    for fixture in Fixture::all() {
        fill(&fixture);
        let filter = EventFilter { session: Some(SESSION), limit: 3, ..EventFilter::default() };
        let any = &mut fixture.raw();
        fixture.interrupt(any, ("audit_events", 2), "DELETE FROM audit_events");
        let found = super::super::audit::list(any, &filter).expect("a list");
        assert_eq!((found.events.len(), found.unsearched), (3, None), "{}", fixture.url);
        assert_eq!(fixture.count("audit_events"), 0, "they were deleted meanwhile");
    }
}
