//! Ending the sessions of all users at once, and those from before a moment; and the last administrator.

use super::*;
use crate::domain::session::SessionKind;
use crate::store::{Refreshed, SessionFilter, SessionMatch, UserChange};

pub(super) const ADMIN_CASES: &[AdminCase] = &[
    ("everybody's sessions end at once", everybody_ends),
    ("a login in flight does not outlive the end of everybody's sessions", in_flight_is_denied),
    ("sessions from before a moment end at once", old_sessions_end),
    ("sessions that ended with others say when and why", ends_are_told),
    ("a kept session ends with everybody's", kept_sessions_end),
    ("the last administrator stays", last_admin_stays),
    ("sessions for administration end with the flag, for good", administration_ends),
    ("of two administrators who act on each other one stays", two_admins),
];

fn opened_at(number: u64, user: UserId, epoch: Epoch, at: Timestamp) -> NewSession {
    let mut new = new_session(number, user, epoch);
    new.audit.at = at;
    new
}

fn everybody_ends(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_and_log_in(conn, "alice", 1), add_and_log_in(conn, "bob", 2));
    assert_eq!(store.end_everybody(&audit(Event::AllSessionsEnded)), Ok(()));
    assert_eq!([1, 2].map(|number| is_live(conn, number)), [false, false]);
    assert_eq!(conn.end_session(session_id(1), &audit(Event::Logout)), Ok(false));
    assert_eq!(conn.refresh(&refreshing(2, 10, false)), Ok(Refreshed::Gone));
    // Logins, and what ends them, go on as before, however often all ended.
    for round in 0..3 {
        let number = 20 + round;
        log_in(conn, alice, number);
        assert!(is_live(conn, number));
        if round == 1 {
            assert_eq!(conn.end_all_sessions(alice, &audit(Event::LogoutAll)), Ok(true));
        } else {
            assert_eq!(store.end_everybody(&audit(Event::AllSessionsEnded)), Ok(()));
        }
        assert!(!is_live(conn, number));
    }
    log_in(conn, bob, 30);
    assert_eq!(conn.end_session(session_id(30), &audit(Event::Logout)), Ok(true));
    assert!(!is_live(conn, 30));
}

fn in_flight_is_denied(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let alice = add_user(conn, "alice");
    let epoch = epoch_of(conn, alice);
    assert_eq!(store.end_everybody(&audit(Event::AllSessionsEnded)), Ok(()));
    assert_eq!(conn.open_session(&opened_at(1, alice, epoch, after(60))), Ok(Opening::Denied));
    assert!(!is_live(conn, 1));
    log_in(conn, alice, 2);
    assert!(is_live(conn, 2));
}

fn old_sessions_end(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let alice = add_user(conn, "alice");
    let epoch = epoch_of(conn, alice);
    for (number, seconds) in [(1, 0), (2, 9), (3, 10), (4, 20)] {
        assert_eq!(conn.open_session(&opened_at(number, alice, epoch, after(seconds))), Ok(Opening::Opened));
    }
    let live = |conn: &mut dyn Connection| [1, 2, 3, 4].map(|number| is_live(conn, number));
    assert_eq!(store.end_issued_before(after(10), &audit(Event::OldSessionsEnded)), Ok(()));
    assert_eq!(live(conn), [false, false, true, true]);
    assert_eq!(conn.end_session(session_id(1), &audit(Event::Logout)), Ok(false));
    // An earlier moment revives nothing.
    assert_eq!(store.end_issued_before(after(1), &audit(Event::OldSessionsEnded)), Ok(()));
    assert_eq!(live(conn), [false, false, true, true]);
    // A session from before the moment is never live, whenever it is stored.
    conn.open_session(&opened_at(5, alice, epoch, after(5))).expect("a write");
    assert!(!is_live(conn, 5));
    assert_eq!(conn.end_session(session_id(3), &audit(Event::Logout)), Ok(true));
    assert_eq!(live(conn), [false, false, false, true]);
}

fn ends_are_told(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_and_log_in(conn, "alice", 1), add_and_log_in(conn, "bob", 2));
    let at = |event, seconds| audit_at(event, after(seconds));
    assert_eq!(store.end_issued_before(after(1), &at(Event::OldSessionsEnded, 10)), Ok(()));
    let epoch = epoch_of(conn, alice);
    assert_eq!(conn.open_session(&opened_at(3, alice, epoch, after(20))), Ok(Opening::Opened));
    assert_eq!(store.end_everybody(&at(Event::AllSessionsEnded, 30)), Ok(()));
    let epoch = epoch_of(conn, bob);
    assert_eq!(conn.open_session(&opened_at(4, bob, epoch, after(40))), Ok(Opening::Opened));
    let list = |with_ended| {
        let filter = SessionFilter { with_ended, ..SessionFilter::live(SessionMatch::default(), after(50)) };
        let mut listed = store.list_sessions(&filter).expect("a read").sessions;
        listed.sort_by_key(|entry| entry.session.id);
        listed.into_iter().map(|entry| (entry.end_reason, entry.session.ended)).collect::<Vec<_>>()
    };
    assert_eq!(list(false), [(None, None)]);
    let old = (Some(Event::OldSessionsEnded), Some(after(10)));
    let all = (Some(Event::AllSessionsEnded), Some(after(30)));
    assert_eq!(list(true), [old, old, all, (None, None)]);
}

fn kept_sessions_end(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let alice = add_user(conn, "alice");
    assert_eq!(store.end_everybody(&audit(Event::AllSessionsEnded)), Ok(()));
    log_in(conn, alice, 1);
    let hash = PasswordHash::from_stored("another hash".to_owned());
    let changed = audit(Event::PasswordChanged);
    assert_eq!(store.set_password(alice, &hash, Some(session_id(1)), &changed), Ok(UserChanged::Done));
    assert!(is_live(conn, 1));
    assert_eq!(store.end_everybody(&audit(Event::AllSessionsEnded)), Ok(()));
    assert!(!is_live(conn, 1));
    assert_eq!(store.set_password(alice, &hash, Some(session_id(1)), &changed), Ok(UserChanged::Done));
    assert!(!is_live(conn, 1));
}

fn add_admin(store: &dyn AdminStore, name: &str) -> UserId {
    create(store, &NewUser { is_admin: true, ..new_user(name) })
}

fn last_admin_stays(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_admin(store, "alice"), add_admin(store, "bob"));
    let keep = LastAdmin::Keep;
    let withdraw = |user, last| {
        store.change_user(user, &UserChange::Admin(false, last), &audit(Event::AdminWithdrawn)).expect("a write")
    };
    assert_eq!(withdraw(alice, keep), UserChanged::Done);
    assert_eq!(withdraw(alice, keep), UserChanged::Done);
    assert_eq!(withdraw(bob, keep), UserChanged::LastAdmin);
    log_in(conn, bob, 1);
    assert_eq!(store.set_active(bob, false, keep, &audit(Event::Deactivated)), Ok(UserChanged::LastAdmin));
    assert_eq!(store.delete_user(bob, keep, &audit(Event::UserDeleted)), Ok(UserChanged::LastAdmin));
    let unusable = PasswordHash::unusable();
    let changed = audit(Event::PasswordChanged);
    assert_eq!(store.set_password(bob, &unusable, None, &changed), Ok(UserChanged::LastAdmin));
    assert!(is_live(conn, 1), "what is refused changes nothing");
    // An administrator who cannot log in does not count.
    let carol = add_admin(store, "carol");
    assert_eq!(store.set_active(carol, false, keep, &audit(Event::Deactivated)), Ok(UserChanged::Done));
    assert_eq!(withdraw(bob, keep), UserChanged::LastAdmin);
    assert_eq!(withdraw(carol, keep), UserChanged::Done);
    assert_eq!(store.delete_user(bob, LastAdmin::MayGo, &audit(Event::UserDeleted)), Ok(UserChanged::Done));
}

fn administration_ends(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_admin(store, "alice"), add_admin(store, "bob"));
    let epoch = epoch_of(conn, alice);
    let open = |conn: &mut dyn Connection, number, user, kind| {
        conn.open_session(&NewSession { kind, ..new_session(number, user, epoch) }).expect("a write")
    };
    let (admin, script, page) = (SessionKind::Admin, SessionKind::AdminScript, SessionKind::AdminPage);
    let of_users = [(9, alice, page), (10, alice, SessionKind::AccountPage)];
    for (number, user, kind) in
        [(1, alice, admin), (2, alice, script), (3, alice, admin), (4, bob, admin)].into_iter().chain(of_users)
    {
        assert_eq!(open(conn, number, user, kind), Opening::Opened);
    }
    log_in(conn, alice, 5);
    assert_eq!(conn.end_session(session_id(3), &audit(Event::Logout)), Ok(true));
    let set = |is_admin, event, at| {
        let changed = store.change_user(alice, &UserChange::Admin(is_admin, LastAdmin::Keep), &audit_at(event, at));
        assert_eq!(changed, Ok(UserChanged::Done));
    };
    set(false, Event::AdminWithdrawn, after(10));
    // A login that began before, and a token that is made meanwhile, are too late.
    assert_eq!([(6, admin), (7, script), (11, page)].map(|(n, kind)| open(conn, n, alice, kind)), [Opening::Denied; 3]);
    assert_eq!(open(conn, 12, alice, SessionKind::AccountPage), Opening::Opened);
    set(false, Event::AdminWithdrawn, after(20));
    set(true, Event::AdminGranted, after(30));
    let ends = [1, 2, 3, 4, 5, 9, 10].map(|number| {
        let entry = entry_of(conn, number);
        (entry.end_reason, entry.session.ended)
    });
    let withdrawn = (Some(Event::AdminWithdrawn), Some(after(10)));
    let logged_out = (Some(Event::Logout), Some(NOW));
    let goes_on = (None, None);
    assert_eq!(ends, [withdrawn, withdrawn, logged_out, goes_on, goes_on, withdrawn, goes_on]);
    let found = conn.find_many(&[digest(1), digest(2)]).expect("a read");
    assert!(found.iter().flatten().all(|record| record.session.ended.is_some()));
    let found = conn.find_many(&[digest(4), digest(5)]).expect("a read");
    assert!(found.iter().all(|record| record.as_ref().is_some_and(|record| record.session.ended.is_none())));
    assert_eq!(open(conn, 8, alice, admin), Opening::Opened);
}

fn two_admins(store: &dyn AdminStore) {
    for round in 0..20 {
        let admins = [format!("admin{round}x"), format!("admin{round}y")].map(|name| add_admin(store, &name));
        let acts = admins.map(|other| -> races::Job<'_, UserChanged> {
            Box::new(move |_| {
                races::until_done(|| {
                    let audit = audit(Event::AdminWithdrawn);
                    match round % 3 {
                        0 => store.change_user(other, &UserChange::Admin(false, LastAdmin::Keep), &audit),
                        1 => store.set_active(other, false, LastAdmin::Keep, &audit),
                        _ => store.delete_user(other, LastAdmin::Keep, &audit),
                    }
                })
            })
        });
        let mut outcomes = races::together(store, acts.into());
        outcomes.sort_by_key(|outcome| *outcome == UserChanged::LastAdmin);
        assert_eq!(outcomes, [UserChanged::Done, UserChanged::LastAdmin], "round {round}");
        for admin in admins {
            store.delete_user(admin, LastAdmin::MayGo, &audit(Event::UserDeleted)).expect("a write");
        }
    }
}
