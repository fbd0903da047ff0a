//! Lists, removal, signing keys, imports and sweeping. A store may lack the last three.

use super::*;
use crate::domain::import::{ImportData, ImportToken, ImportUser};
use crate::domain::jwt::{Algorithm, KeyPurpose};
use crate::domain::policy::IdleLimits;
use crate::domain::random::SystemRandom;
use crate::store::{
    Clash, ClockTrust, EventFilter, ImportError, KeyError, NewEvent, Retiring, SessionFilter, SessionMatch, StoreError,
    SweepPolicy, UserChange, UserFilter,
};

pub(super) const ADMIN_CASES: &[AdminCase] = &[
    ("users are listed by number and found by a part of their names", users_are_listed),
    ("live sessions are listed, newest first", sessions_are_listed),
    ("a password given again is noted in a live session", password_given_again),
    ("events are counted by name since a moment", events_are_counted),
    ("an act that changes nothing is an event, and ends nothing", acts_without_effect),
    ("a removed user leaves no session", removed_user),
    ("keys are made once, replaced and retired", keys),
    ("an import happens whole or not at all", import),
    ("a sweep deletes nothing that lives", sweep),
];

fn users_are_listed(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let ids = ["alice", "bob", "carol"].map(|name| add_user(conn, name));
    let list = |text: Option<&str>, after, limit| {
        let filter = UserFilter { text: text.map(str::to_owned), after, limit, ..UserFilter::default() };
        let users = store.list_users(&filter).expect("a read");
        users.into_iter().map(|entry| entry.user.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 10), ids);
    assert_eq!(list(None, None, 2), ids[..2]);
    assert_eq!(list(None, Some(ids[0]), 10), ids[1..]);
    assert_eq!(list(Some("ARO"), None, 10), ids[2..], "letter case does not count");
    assert_eq!(list(Some("bob@example"), None, 10), ids[1..2]);
    assert_eq!((list(Some("%"), None, 10), list(Some("_"), None, 10)), (vec![], vec![]));
}

fn password_given_again(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let alice = add_and_log_in(conn, "alice", 1);
    log_in(conn, alice, 2);
    let give = |number| store.note_password_given(session_id(number), &audit(Event::PasswordVerified));
    assert_eq!(store.password_given_at(session_id(1)), Ok(None));
    assert_eq!(give(1), Ok(true));
    assert_eq!(store.password_given_at(session_id(1)), Ok(Some(NOW)));
    assert_eq!(store.password_given_at(session_id(2)), Ok(None));
    assert_eq!(conn.end_session(session_id(2), &audit(Event::Revoked)), Ok(true));
    assert_eq!((give(2), give(3)), (Ok(false), Ok(false)));
    assert_eq!((store.password_given_at(session_id(2)), store.password_given_at(session_id(3))), (Ok(None), Ok(None)));
}

fn events_are_counted(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let event = |event, at, count| NewEvent { audit: audit_at(event, at), user: None, session: None, count };
    let login_failed = |at, count| event(Event::LoginFailed, at, count);
    let events = [login_failed(NOW, 1), login_failed(after(5), 1), login_failed(after(6), 40)];
    conn.record_events(&events).expect("a write");
    conn.record_events(&[event(Event::AdminLogin, after(7), 1)]).expect("a write");
    let count = |from| store.count_events(from).expect("a read");
    if count(NOW).is_empty() {
        return;
    }
    let named = |counts: [(&str, u64); 2]| counts.map(|(name, count)| (name.to_owned(), count)).into();
    assert_eq!(count(NOW), named([("admin_login", 1), ("login_failed", 42)]));
    assert_eq!(count(after(5)), named([("admin_login", 1), ("login_failed", 41)]));
    assert_eq!(count(after(7)), [("admin_login".to_owned(), 1)].into());
    assert!(count(after(8)).is_empty());
}

fn acts_without_effect(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let alice = add_user(conn, "alice");
    let new_events = |conn: &mut dyn Connection| {
        let filter = EventFilter { user: Some(alice), limit: 100, ..EventFilter::default() };
        conn.list_events(&filter).expect("a read").events.iter().map(|event| event.event.clone()).collect::<Vec<_>>()
    };
    let before = new_events(conn).len();
    log_in(conn, alice, 1);
    if new_events(conn).len() == before {
        return;
    }
    let change = |change, event| store.change_user(alice, &change, &audit(event));
    switch(store, alice, true);
    assert_eq!(change(UserChange::Staff(false), Event::StaffWithdrawn), Ok(UserChanged::Done));
    assert_eq!(change(UserChange::Admin(false, LastAdmin::MayGo), Event::AdminWithdrawn), Ok(UserChanged::Done));
    assert_eq!(change(UserChange::Username("alice".to_owned()), Event::UserRenamed), Ok(UserChanged::Done));
    let same = UserChange::Email("alice@example.com".to_owned(), SharedEmail::Refuse);
    assert_eq!(change(same, Event::EmailChanged), Ok(UserChanged::Done));
    let told = new_events(conn);
    let newest: Vec<_> = told.iter().take(told.len() - before).collect();
    assert_eq!(newest, ["email_changed", "user_renamed", "admin_withdrawn", "staff_withdrawn", "activated", "login"]);
    assert!(is_live(conn, 1));
    let nobody = UserId(4_711);
    assert_eq!(store.set_active(nobody, true, LastAdmin::MayGo, &audit(Event::Activated)), Ok(UserChanged::NoSuchUser));
    assert_eq!(new_events(conn), told);
}

fn sessions_are_listed(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_user(conn, "alice"), add_user(conn, "bob"));
    for (number, user) in [(1, alice), (2, alice), (3, bob), (4, alice)] {
        log_in(conn, user, number);
    }
    assert_eq!(conn.end_session(session_id(2), &audit(Event::Revoked)), Ok(true));
    let all = SessionFilter::live(SessionMatch::default(), NOW);
    let list = |filter: SessionFilter| {
        let sessions = store.list_sessions(&filter).expect("a read").sessions;
        sessions.into_iter().map(|entry| entry.session.id).collect::<Vec<_>>()
    };
    assert_eq!(list(all.clone()), [4, 3, 1].map(session_id));
    assert_eq!(list(SessionFilter { matching: SessionMatch::of_user(alice), ..all.clone() }), [4, 1].map(session_id));
    assert_eq!(list(SessionFilter { with_ended: true, ..all.clone() }), [4, 3, 2, 1].map(session_id));
    assert_eq!(list(SessionFilter { before: Some(session_id(4)), limit: 1, ..all.clone() }), [session_id(3)]);
    let idle_limits = IdleLimits { others: Some(Duration::from_secs(60)), ..IdleLimits::NONE };
    assert_eq!(list(SessionFilter { now: after(61), idle_limits, ..all.clone() }), []);
    let shown = store.list_sessions(&all).expect("a read").sessions.remove(0);
    assert_eq!((shown.user_id, shown.username.as_str(), shown.expires), (alice, "alice", None));
    assert_eq!((shown.address.as_deref(), shown.user_agent.as_deref()), (Some("127.0.0.1"), Some("conformance")));
    let with_ended = SessionFilter { with_ended: true, before: Some(session_id(3)), ..all };
    let ended = store.list_sessions(&with_ended).expect("a read").sessions.remove(0);
    assert_eq!((ended.session.ended, ended.end_reason), (Some(NOW), Some(Event::Revoked)));
    assert_eq!(ended.ended_by.as_deref(), Some("system"));
}

fn removed_user(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_and_log_in(conn, "alice", 1), add_and_log_in(conn, "bob", 2));
    let epoch = epoch_of(conn, alice);
    assert_eq!(store.delete_user(alice, LastAdmin::MayGo, &audit(Event::UserDeleted)), Ok(UserChanged::Done));
    assert_eq!(store.delete_user(alice, LastAdmin::MayGo, &audit(Event::UserDeleted)), Ok(UserChanged::NoSuchUser));
    assert_eq!((verdict(conn, 1), is_live(conn, 2)), (Some(Refusal::Unknown), true));
    assert_eq!(conn.open_session(&new_session(3, alice, epoch)), Ok(Opening::Denied));
    assert!(conn.find_account_by_id(alice).expect("a read").is_none());
    assert_eq!(store.delete_user(bob, LastAdmin::MayGo, &audit(Event::UserDeleted)), Ok(UserChanged::Done));
    assert!(add_user(conn, "alice") > bob, "not even the greatest number is used again");
}

fn keys(store: &dyn AdminStore) {
    if store.list_keys().is_err() {
        assert!(matches!(store.load_keys(None), Err(KeyError::Store(StoreError::Failed(_)))));
        return;
    }
    let signs = KeyPurpose::Sign(Algorithm::EdDsa);
    let made = store.ensure_keys(Algorithm::EdDsa, None, &SystemRandom, NOW).expect("keys");
    assert_eq!(store.ensure_keys(Algorithm::EdDsa, None, &SystemRandom, NOW).expect("keys").len(), made.len());
    let old = made.iter().find(|key| key.purpose == signs).expect("a key that signs").id;
    assert_eq!(store.retire_key(old, &audit(Event::KeyRetired)), Ok(Retiring::StillNeeded));
    store.rotate_key(Algorithm::EdDsa, None, &SystemRandom, &audit_at(Event::KeyRotated, after(1))).expect("a new key");
    let retired = audit_at(Event::KeyRetired, after(2));
    assert_eq!(
        (store.retire_key(old, &retired), store.retire_key(old, &retired)),
        (Ok(Retiring::Done), Ok(Retiring::Unknown))
    );
    let listed = store.list_keys().expect("a read");
    assert_eq!(listed.len(), made.len() + 1);
    assert!(listed.iter().any(|key| key.id == old && key.retired == Some(after(2))));
    let in_use = store.load_keys(None).expect("keys");
    assert!(in_use.iter().any(|key| key.purpose == signs) && in_use.iter().all(|key| key.id != old));
}

fn import(store: &dyn AdminStore) {
    let user = |id, name: &str, is_active| ImportUser {
        id: UserId(id),
        username: name.to_owned(),
        email: String::new(),
        password: PasswordHash::from_stored(format!("hash of {name}")),
        is_active,
        is_staff: false,
        is_admin: false,
        created: Some(NOW),
        last_login: None,
    };
    let token = |number, user| ImportToken { digest: digest(number), user: UserId(user), created: NOW, expires: None };
    let mut data = ImportData {
        users: vec![user(7, "alice", true), user(8, "bob", false)],
        tokens: vec![token(1, 7), token(2, 8)],
    };
    let report = match store.import(&data, &audit(Event::Imported)) {
        Err(ImportError::Store(StoreError::Failed(_))) => return,
        report => report.expect("an import"),
    };
    assert_eq!((report.users, report.tokens, report.ended), (2, 2, 1));
    let conn = &mut *connect(store);
    assert!(is_live(conn, 1) && !is_live(conn, 2));
    switch(store, UserId(8), true);
    assert!(!is_live(conn, 2));
    data.users.push(user(9, "carol", true));
    let Err(ImportError::Clashes(clashes)) = store.import(&data, &audit(Event::Imported)) else {
        panic!("the conflict was not found")
    };
    assert!(clashes.contains(&Clash::Username("alice".to_owned())), "{clashes:?}");
    assert!(conn.find_account_by_id(UserId(9)).expect("a read").is_none());
}

fn sweep(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let user = add_and_log_in(conn, "alice", 1);
    log_in_until(conn, user, 2, after(1));
    let much_later = after(90 * 24 * 3600);
    store.sweep_once(much_later, ClockTrust::Vouched, &SweepPolicy::default()).expect("a sweep");
    assert!(verdict_at(conn, 1, much_later).is_none());
    assert!(matches!(verdict_at(conn, 2, much_later), Some(Refusal::Expired | Refusal::Unknown)));
}
