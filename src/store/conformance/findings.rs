//! What is known of tokens and sessions after their time. A store may know nothing of it.

use super::*;
use crate::domain::time::ManualClock;
use crate::store::{
    AccessLimit, EndScope, Findings, FoundSession, KeptSession, LastEnd, LiveSet, Refreshed, SessionMatch, StoreError,
    Subject,
};

pub(super) const ADMIN_CASES: &[AdminCase] = &[
    ("a live token and its session are found", live),
    ("an ended session and its token are found, with the event", ended),
    ("tokens that were consumed or gave way are found", replaced),
    ("an end of all sessions is found by the epoch", all_ended),
    ("the end of a set of sessions is found by its beginning", ended_in_a_set),
    ("the session of a deleted user is found", removed),
];

/// What is known of the token with this number; `None`: the store cannot look anything up.
fn look_up(store: &dyn AdminStore, number: u64) -> Option<Findings> {
    match store.look_up(&Subject::Token(digest(number))) {
        Err(StoreError::Failed(_)) => None,
        found => Some(found.expect("a read")),
    }
}

fn kept(found: &Findings) -> &KeptSession {
    match &found.session {
        Some(FoundSession::Kept(kept)) => kept,
        other @ (Some(FoundSession::Removed { .. } | FoundSession::Told { .. }) | None) => panic!("{other:?}"),
    }
}

fn live(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let user = add_and_log_in(conn, "alice", 1);
    let Some(found) = look_up(store, 1) else { return };
    let token = found.token.expect("the token");
    assert_eq!((token.session, token.kind, token.expires), (session_id(1), TokenKind::Access, None));
    assert_eq!((token.consumed, token.evicted, token.has_row), (None, None, true));
    let session = kept(&found);
    assert_eq!((session.session.id, session.session.ended, session.user.id), (session_id(1), None, user));
    assert_eq!((session.last_end, session.address.as_deref()), (LastEnd::Never, Some("127.0.0.1")));
    assert_eq!(session.end, None);
    let by_session = store.look_up(&Subject::Session(session_id(1))).expect("a read");
    assert_eq!((by_session.token, by_session.session), (None, found.session));
    assert_eq!(look_up(store, 2), Some(Findings::default()));
    assert_eq!(store.look_up(&Subject::Session(session_id(2))), Ok(Findings::default()));
}

fn ended(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    add_and_log_in(conn, "alice", 1);
    let mut other = digest(1).as_bytes().to_owned();
    other.iter_mut().skip(16).for_each(|byte| *byte = 7);
    assert_eq!(conn.end_session(session_id(1), &audit_at(Event::Logout, after(5))), Ok(true));
    let Some(found) = look_up(store, 1) else { return };
    assert!(found.token.is_some_and(|token| !token.has_row && token.session == session_id(1)), "{found:?}");
    let session = kept(&found);
    let end = session.end.as_ref().expect("the end");
    assert_eq!((session.session.ended, end.at, end.scope), (Some(after(5)), after(5), EndScope::Alone));
    assert_eq!((end.reason.as_deref(), end.actor.as_deref()), (Some("logout"), Some("system")));
    assert_eq!((end.address.as_deref(), end.request_id.as_deref()), (Some("127.0.0.1"), Some("r-1")));
    // A token is known by the first 16 bytes of its digest alone.
    let twin = store.look_up(&Subject::Token(TokenDigest::from_bytes(other))).expect("a read");
    assert_eq!(twin.token, found.token);
}

fn replaced(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    add_and_log_in(conn, "alice", 1);
    let limit = Some(AccessLimit { max: 1, successors_from: after(100) });
    let more = |presented, number, rotate, at| {
        let refresh = refreshing(presented, number, rotate);
        Refresh { at: after(at), limit, ..refresh }
    };
    assert_eq!(conn.refresh(&more(1, 2, true, 1)), Ok(Refreshed::Done));
    assert_eq!(conn.refresh(&more(2, 3, false, 2)), Ok(Refreshed::Done));
    assert_eq!(conn.refresh(&more(3, 4, false, 3)), Ok(Refreshed::Done));
    let Some(found) = look_up(store, 1) else { return };
    assert!(found.token.is_some_and(|token| token.has_row && token.consumed == Some(after(1))), "{found:?}");
    let found = look_up(store, 2).expect("an answer");
    assert!(found.token.is_some_and(|token| !token.has_row && token.evicted == Some(after(3))), "{found:?}");
    assert_eq!(kept(&found).session.ended, None);
    assert_eq!(conn.end_session(session_id(1), &audit_at(Event::Logout, after(5))), Ok(true));
    let found = look_up(store, 1).expect("an answer");
    assert!(found.token.is_some_and(|token| !token.has_row && token.consumed == Some(after(1))), "{found:?}");
}

fn all_ended(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let user = add_and_log_in(conn, "alice", 1);
    assert_eq!(conn.end_all_sessions(user, &audit_at(Event::LogoutAll, after(5))), Ok(true));
    assert_eq!(conn.end_all_sessions(user, &audit_at(Event::Revoked, after(6))), Ok(true));
    let Some(found) = look_up(store, 1) else { return };
    assert_eq!(found.token.map(|token| token.session), Some(session_id(1)));
    let end = kept(&found).end.as_ref().expect("the end");
    assert_eq!((end.at, end.reason.as_deref(), end.scope), (after(5), Some("logout_all"), EndScope::Others));
    // The same for all users: whatever came first is the reason.
    log_in(conn, user, 2);
    store.end_issued_before(after(9), &audit_at(Event::OldSessionsEnded, after(10))).expect("a write");
    store.end_everybody(&audit_at(Event::AllSessionsEnded, after(11))).expect("a write");
    for (number, at, reason) in [(1, after(5), "logout_all"), (2, after(10), "old_sessions_ended")] {
        let found = look_up(store, number).expect("an answer");
        let end = kept(&found).end.as_ref().expect("the end");
        assert_eq!((end.at, end.reason.as_deref(), end.scope), (at, Some(reason), EndScope::Others));
    }
}

fn ended_in_a_set(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let user = add_and_log_in(conn, "alice", 1);
    let set = LiveSet::at(after(5), SessionMatch::of_user(user));
    let ended = store.end_sessions(&set, &audit_at(Event::Revoked, after(4)), &ManualClock::new(after(5)), &mut |_| {});
    assert_eq!(ended, Ok(1));
    let Some(found) = look_up(store, 1) else { return };
    let end = kept(&found).end.as_ref().expect("the end");
    assert_eq!((end.reason.as_deref(), end.actor.as_deref()), (Some("revoked"), Some("system")));
    assert_eq!((end.at, end.scope, end.request_id.as_deref()), (after(5), EndScope::Others, Some("r-1")));
}

fn removed(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let user = add_and_log_in(conn, "alice", 1);
    let deleted = store.delete_user(user, LastAdmin::MayGo, &audit_at(Event::UserDeleted, after(5)));
    assert_eq!(deleted, Ok(UserChanged::Done));
    let Some(found) = look_up(store, 1) else { return };
    assert_eq!(found.token.map(|token| (token.session, token.has_row)), Some((session_id(1), false)));
    let Some(FoundSession::Removed { id, user: owner, at, event }) = found.session else { panic!("{found:?}") };
    assert_eq!((id, owner, at), (session_id(1), user, after(5)));
    assert_eq!(event.map(|event| (event.at, event.name)), Some((after(5), "user_deleted".to_owned())));
}
