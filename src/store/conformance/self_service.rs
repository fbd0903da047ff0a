//! What users see and change of their own sessions and passwords.

use super::*;
use crate::store::{KeptSessions, PasswordChange, SessionFilter, SessionList, SessionMatch};

pub(super) const CASES: &[Case] = &[
    ("a user's live sessions are listed in pages", own_sessions_are_listed),
    ("one session is found, also when it is over", one_session_is_found),
    ("all sessions of a user but one end at once", others_end),
];

pub(super) const ADMIN_CASES: &[AdminCase] = &[
    ("a user sets a password, and the sessions that are not kept end", password_is_changed),
    ("a password is set only for what was read", password_change_is_guarded),
];

fn page_of(user: UserId) -> SessionFilter {
    SessionFilter { limit: 2, ..SessionFilter::live(SessionMatch::of_user(user), NOW) }
}

fn own_sessions_are_listed(store: &dyn Store) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_user(conn, "alice"), add_user(conn, "bob"));
    for (number, user) in [(1, alice), (2, alice), (3, bob), (4, alice), (5, alice)] {
        let name = Some(format!("device {number}"));
        let new = NewSession { name, ..new_session(number, user, epoch_of(conn, user)) };
        assert_eq!(conn.open_session(&new), Ok(Opening::Opened));
    }
    assert_eq!(conn.end_session(session_id(4), &audit(Event::Logout)), Ok(true));
    let mut list = |before| {
        let sessions = conn.list_sessions(&SessionFilter { before, ..page_of(alice) }).expect("a read").sessions;
        sessions.into_iter().map(|entry| entry.session.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None), [5, 2].map(session_id));
    assert_eq!(list(Some(session_id(2))), [session_id(1)]);
    let shown = conn.list_sessions(&page_of(alice)).expect("a read").sessions.remove(0);
    assert_eq!((shown.user_id, shown.name.as_deref(), shown.expires), (alice, Some("device 5"), None));
    assert_eq!((shown.address.as_deref(), shown.user_agent.as_deref()), (Some("127.0.0.1"), Some("conformance")));
    conn.end_all_sessions(alice, &audit(Event::LogoutAll)).expect("a write");
    assert_eq!(conn.list_sessions(&page_of(alice)), Ok(SessionList::default()));
}

fn one_session_is_found(store: &dyn Store) {
    let conn = &mut *connect(store);
    let alice = add_and_log_in(conn, "alice", 1);
    log_in(conn, alice, 2);
    let live = entry_of(conn, 1);
    assert_eq!((live.session.id, live.user_id, live.session.ended), (session_id(1), alice, None));
    assert_eq!(conn.end_session(session_id(1), &audit_at(Event::RevokedByUser, after(9))), Ok(true));
    let ended = entry_of(conn, 1);
    assert_eq!((ended.session.ended, ended.end_reason), (Some(after(9)), Some(Event::RevokedByUser)));
    assert_eq!(conn.find_session(session_id(7)), Ok(None));
}

fn others_end(store: &dyn Store) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_user(conn, "alice"), add_user(conn, "bob"));
    for (number, user) in [(1, alice), (2, alice), (3, alice), (4, bob)] {
        log_in(conn, user, number);
    }
    let before = epoch_of(conn, alice);
    let others = audit_at(Event::OthersRevoked, after(5));
    assert_eq!(conn.end_other_sessions(alice, session_id(2), &others), Ok(true));
    assert_eq!([1, 2, 3, 4].map(|number| is_live(conn, number)), [false, true, false, true]);
    assert_eq!(conn.open_session(&new_session(5, alice, before)), Ok(Opening::Denied), "a login in flight");
    let ended = entry_of(conn, 1);
    assert_eq!((ended.session.ended, ended.end_reason), (Some(after(5)), Some(Event::OthersRevoked)));
    // Neither a dead session nor that of another user can be kept alive.
    assert_eq!(conn.end_other_sessions(alice, session_id(1), &others), Ok(true));
    assert_eq!([1, 2, 4].map(|number| is_live(conn, number)), [false, false, true]);
    assert_eq!(conn.end_other_sessions(alice, session_id(4), &others), Ok(true));
    assert!(is_live(conn, 4));
    assert_eq!(conn.end_other_sessions(UserId(4711), session_id(4), &others), Ok(false));
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text.to_owned())
}

/// A change of the password of `user` from what is stored now.
pub(super) fn change_of(conn: &mut dyn Connection, user: UserId, keep: KeptSessions) -> PasswordChange {
    let account = account_of(conn, user);
    let new = hash(&format!("another than {}", account.password.expose()));
    PasswordChange { user, epoch: account.user.epoch, old: account.password, new, keep }
}

fn password_is_changed(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_user(conn, "alice"), add_user(conn, "bob"));
    let changed = audit_at(Event::PasswordChanged, after(5));
    for (number, user) in [(1, alice), (2, alice), (3, bob)] {
        log_in(conn, user, number);
    }
    let mut set = |keep| {
        let change = change_of(conn, alice, keep);
        assert_eq!(conn.change_password(&change, &changed), Ok(true));
        let stored = account_of(conn, alice).password;
        assert!(stored == change.new, "{keep:?}");
        [1, 2, 3].map(|number| is_live(conn, number))
    };
    assert_eq!(set(KeptSessions::All), [true, true, true]);
    assert_eq!(set(KeptSessions::One(session_id(2))), [false, true, true]);
    assert_eq!(set(KeptSessions::One(session_id(3))), [false, false, true], "another user's");
    log_in(conn, alice, 4);
    let change = change_of(conn, alice, KeptSessions::None);
    assert_eq!(conn.change_password(&change, &changed), Ok(true));
    assert_eq!((is_live(conn, 3), is_live(conn, 4)), (true, false));
    let ended = entry_of(conn, 1);
    assert_eq!((ended.session.ended, ended.end_reason), (Some(after(5)), Some(Event::PasswordChanged)));
}

fn password_change_is_guarded(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let (alice, changed) = (add_user(conn, "alice"), audit(Event::PasswordChanged));
    log_in(conn, alice, 1);
    for keep in [KeptSessions::None, KeptSessions::One(session_id(1)), KeptSessions::All] {
        let right = change_of(conn, alice, keep);
        let earlier = PasswordChange { epoch: Epoch(right.epoch.0 - 1), ..right.clone() };
        let other = PasswordChange { old: hash("not this one"), ..right.clone() };
        let stranger = PasswordChange { user: UserId(4711), ..right.clone() };
        for wrong in [&earlier, &other, &stranger] {
            assert_eq!(conn.change_password(wrong, &changed), Ok(false), "{keep:?}");
        }
        let stored = account_of(conn, alice);
        assert!(stored.password == right.old && stored.user.epoch == right.epoch, "{keep:?}");
    }
    assert!(is_live(conn, 1));
    switch(store, alice, false);
    let inactive = change_of(conn, alice, KeptSessions::None);
    assert_eq!(conn.change_password(&inactive, &changed), Ok(false));
}
