//! Audit events. A store may keep none: then it lists none.

use super::*;
use crate::store::{EventEntry, EventFilter, EventOrder, NewEvent};

pub(super) const CASES: &[Case] = &[
    ("an event is listed with all that is known of it", recorded),
    ("a login and the ends of sessions are events", acts),
    ("events are listed page by page, forwards and backwards", pages),
    ("events are found by each of their properties", filters),
];

fn list(conn: &mut dyn Connection, filter: EventFilter) -> Vec<EventEntry> {
    let limit = if filter.limit == 0 { 100 } else { filter.limit };
    conn.list_events(&EventFilter { limit, ..filter }).expect("a read").events
}

fn failed(user: Option<UserId>, at: Timestamp) -> NewEvent {
    let audit = AuditContext { actor: Actor::Anonymous, ..audit_at(Event::LoginFailed, at) };
    NewEvent { audit, user, session: None, count: 1 }
}

/// Whether the store keeps events.
fn keeps(conn: &mut dyn Connection) -> bool {
    conn.record_events(&[failed(None, NOW)]).expect("a write");
    !list(conn, EventFilter::default()).is_empty()
}

fn names(events: &[EventEntry]) -> Vec<&str> {
    events.iter().map(|event| event.event.as_str()).collect()
}

fn recorded(store: &dyn Store) {
    let conn = &mut *connect(store);
    if !keeps(conn) {
        return;
    }
    let detail = serde_json::json!({ "reason": "wrong_password" });
    let audit = audit(Event::LoginFailed).with_detail(detail.clone());
    let new = NewEvent { audit, user: Some(UserId(7)), session: Some(session_id(1)), count: 12 };
    conn.record_events(&[new]).expect("a write");
    let event = list(conn, EventFilter::default()).remove(0);
    assert_eq!((event.at, event.event.as_str(), event.actor.as_str()), (NOW, "login_failed", "system"));
    assert_eq!((event.user_id, event.session_id, event.count), (Some(UserId(7)), Some(session_id(1)), 12));
    let origin = (event.address.as_deref(), event.user_agent.as_deref(), event.request_id.as_deref());
    assert_eq!(origin, (Some("127.0.0.1"), Some("conformance"), Some("r-1")));
    assert_eq!(event.detail, Some(detail));
}

fn acts(store: &dyn Store) {
    let conn = &mut *connect(store);
    if !keeps(conn) {
        return;
    }
    let alice = add_user(conn, "alice");
    put_user(conn, &NewUser { id: Some(alice), ..new_user("alice") });
    log_in(conn, alice, 1);
    let epoch = epoch_of(conn, alice);
    let counted = NewSession { with_event: false, ..new_session(2, alice, epoch) };
    assert_eq!(conn.open_session(&counted), Ok(Opening::Opened));
    assert_eq!(conn.end_session(session_id(1), &audit(Event::Logout)), Ok(true));
    assert_eq!(conn.end_session(session_id(1), &audit(Event::Logout)), Ok(false));
    assert_eq!(conn.end_all_sessions(alice, &audit(Event::LogoutAll)), Ok(true));
    let events = list(conn, EventFilter { user: Some(alice), ..EventFilter::default() });
    assert_eq!(names(&events), ["logout_all", "logout", "login", "user_created"]);
    let sessions: Vec<_> = events.iter().map(|event| event.session_id).collect();
    assert_eq!(sessions, [None, Some(session_id(1)), Some(session_id(1)), None]);
}

/// Waits until all events are listed in the order of commits: other transactions of the same server may delay that.
fn wait_until_settled(conn: &mut dyn Connection) {
    let begun = std::time::Instant::now();
    let settled = || EventFilter { order: EventOrder::OldestFirst, ..EventFilter::default() };
    while list(conn, settled()).len() < list(conn, EventFilter::default()).len() {
        assert!(begun.elapsed() < Duration::from_secs(60), "events are not settled");
        std::thread::yield_now();
    }
}

fn pages(store: &dyn Store) {
    let conn = &mut *connect(store);
    if !keeps(conn) {
        return;
    }
    let more: Vec<_> = (1..7).map(|second| failed(None, after(second))).collect();
    conn.record_events(&more).expect("a write");
    for order in [EventOrder::OldestFirst, EventOrder::NewestFirst, EventOrder::NewestSettledFirst] {
        wait_until_settled(conn);
        let all = list(conn, EventFilter::default()).len();
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = list(conn, EventFilter { order, after: cursor, limit: 3, ..EventFilter::default() });
            let Some(last) = page.last() else { break };
            cursor = Some(last.cursor);
            seen.extend(page.into_iter().map(|event| event.at));
            // What is recorded meanwhile belongs before the first page, and moves nothing.
            if order != EventOrder::OldestFirst {
                conn.record_events(&[failed(None, after(7))]).expect("a write");
            }
        }
        if order != EventOrder::OldestFirst {
            seen.reverse();
        }
        assert!(seen.is_sorted(), "{order:?}: {seen:?}");
        assert_eq!(seen.len(), all, "{order:?}");
    }
}

fn filters(store: &dyn Store) {
    let conn = &mut *connect(store);
    if !keeps(conn) {
        return;
    }
    let elsewhere = Origin { address: Some([192, 0, 2, 1].into()), ..Origin::default() };
    let revoked = AuditContext { actor: Actor::CommandLine, ..audit_at(Event::Revoked, after(10)) };
    let one = NewEvent { audit: revoked, user: Some(UserId(7)), session: Some(session_id(1)), count: 1 };
    let other = NewEvent {
        audit: AuditContext { origin: elsewhere, ..audit_at(Event::Idle, after(20)) },
        user: Some(UserId(8)),
        session: Some(session_id(2)),
        count: 1,
    };
    conn.record_events(&[one, other]).expect("a write");
    let all = EventFilter::default;
    for (filter, expected) in [
        (EventFilter { user: Some(UserId(7)), ..all() }, &["revoked"][..]),
        (EventFilter { user: Some(UserId(9)), ..all() }, &[]),
        (EventFilter { events: vec![Event::Idle, Event::LoginFailed], ..all() }, &["idle", "login_failed"]),
        (EventFilter { actor: Some("cli".to_owned()), ..all() }, &["revoked"]),
        (EventFilter { address: Some("192.0.2.1".to_owned()), ..all() }, &["idle"]),
        (EventFilter { session: Some(session_id(2)), ..all() }, &["idle"]),
        (EventFilter { from: Some(after(10)), ..all() }, &["idle", "revoked"]),
        (EventFilter { until: Some(after(10)), ..all() }, &["login_failed"]),
        (EventFilter { from: Some(after(10)), until: Some(after(20)), ..all() }, &["revoked"]),
        (EventFilter { user: Some(UserId(7)), events: vec![Event::Idle], ..all() }, &[]),
    ] {
        assert_eq!(names(&list(conn, filter.clone())), expected, "{filter:?}");
    }
}
