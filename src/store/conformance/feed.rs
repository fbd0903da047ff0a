//! Revocation feeds, for stores that have one.

use std::sync::Arc;

use super::*;
use crate::store::{FeedKind, FeedUpdate, Invalidation, Refreshed, RevocationFeed, Revoked, UserChange};

pub(super) const CASES: &[Case] = &[
    ("a feed reports a logout", reports_logout),
    ("a feed reports an idle session's end", reports_idle_end),
    ("a feed reports the end of all sessions", reports_end_all),
    ("a feed reports the end of all sessions but one", reports_end_others),
    ("a feed reports a consumed token", reports_rotation),
    ("a feed reports a changed user", reports_changed_user),
    ("a feed reports sessions that a login evicted", reports_eviction),
    ("logins and uses are not reported", logins_and_uses_are_not_reported),
    ("a poll finds what was acknowledged before it", finds_what_was_acknowledged),
    ("each feed reports everything", each_feed_reports_everything),
    ("many revocations are reported", many_revocations_are_reported),
];

pub(super) const ADMIN_CASES: &[AdminCase] = &[
    ("a feed reports a password change that keeps a session", reports_password_change),
    ("a feed reports deactivation and activation", reports_activation),
    ("a feed reports a change by an administrator", reports_changes),
];

/// A feed that has had its first poll, and user 1 with the sessions 1 to 3.
struct Scene<'a> {
    store: &'a dyn Store,
    conn: Box<dyn Connection>,
    feed: Box<dyn RevocationFeed>,
    user: UserId,
}

impl<'a> Scene<'a> {
    fn set(store: &'a dyn Store) -> Option<Self> {
        if store.feed_kind() == FeedKind::None {
            return None;
        }
        let mut conn = connect(store);
        let user = add_user(&mut *conn, "alice");
        (1..=3).for_each(|number| log_in(&mut *conn, user, number));
        let mut feed = store.feed().expect("a feed");
        assert_eq!(poll(&mut *feed, &[1, 2, 3]).found.iter().flatten().count(), 3);
        Some(Self { store, conn, feed, user })
    }

    /// The next poll reports `one`, and the poll after that nothing.
    fn reports(&mut self, one: Revoked) {
        let FeedUpdate { invalidation, cacheable, .. } = poll(&mut *self.feed, &[]);
        assert!(names(&invalidation, one), "{one:?} in {invalidation:?}");
        assert!(cacheable);
        self.reports_nothing();
    }

    fn reports_nothing(&mut self) {
        let FeedUpdate { invalidation, cacheable, .. } = poll(&mut *self.feed, &[]);
        assert_eq!((invalidation, cacheable), (Invalidation::Revoked(Vec::new()), true));
    }
}

fn poll(feed: &mut dyn RevocationFeed, numbers: &[u64]) -> FeedUpdate {
    let digests: Vec<_> = numbers.iter().map(|number| digest(*number)).collect();
    let poll = feed.poll(&digests).expect("a poll");
    assert_eq!(poll.found.len(), numbers.len(), "one answer for each digest");
    poll
}

fn names(invalidation: &Invalidation, one: Revoked) -> bool {
    match invalidation {
        Invalidation::Everything => true,
        Invalidation::Revoked(revoked) => revoked.contains(&one),
    }
}

fn reports_logout(store: &dyn Store) {
    let Some(mut scene) = Scene::set(store) else { return };
    assert_eq!(scene.conn.end_session(session_id(2), &audit(Event::Logout)), Ok(true));
    scene.reports(Revoked::Session(session_id(2)));
    assert_eq!(scene.conn.end_session(session_id(2), &audit(Event::Logout)), Ok(false));
    scene.reports_nothing();
}

fn reports_idle_end(store: &dyn Store) {
    let Some(mut scene) = Scene::set(store) else { return };
    assert_eq!(scene.conn.end_idle_session(session_id(2), NOW, &audit(Event::Idle)), Ok(true));
    scene.reports(Revoked::Session(session_id(2)));
}

fn reports_end_all(store: &dyn Store) {
    let Some(mut scene) = Scene::set(store) else { return };
    assert_eq!(scene.conn.end_all_sessions(scene.user, &audit(Event::LogoutAll)), Ok(true));
    scene.reports(Revoked::User(scene.user));
}

fn reports_end_others(store: &dyn Store) {
    let Some(mut scene) = Scene::set(store) else { return };
    let others = audit(Event::OthersRevoked);
    assert_eq!(scene.conn.end_other_sessions(scene.user, session_id(1), &others), Ok(true));
    scene.reports(Revoked::User(scene.user));
}

fn reports_password_change(store: &dyn AdminStore) {
    let Some(mut scene) = Scene::set(store) else { return };
    let hash = PasswordHash::from_stored("another".to_owned());
    let kept = Some(session_id(1));
    assert_eq!(store.set_password(scene.user, &hash, kept, &audit(Event::PasswordChanged)), Ok(UserChanged::Done));
    scene.reports(Revoked::User(scene.user));
}

fn reports_activation(store: &dyn AdminStore) {
    let Some(mut scene) = Scene::set(store) else { return };
    for active in [false, true] {
        switch(store, scene.user, active);
        scene.reports(Revoked::User(scene.user));
    }
}

fn reports_changes(store: &dyn AdminStore) {
    let Some(mut scene) = Scene::set(store) else { return };
    let changes = [
        UserChange::Username("anna".to_owned()),
        UserChange::Email("anna@example.com".to_owned(), SharedEmail::Refuse),
        UserChange::Staff(true),
    ];
    for change in changes {
        let write = || store.change_user(scene.user, &change, &audit(Event::UserRenamed));
        assert_eq!(write(), Ok(UserChanged::Done));
        scene.reports(Revoked::User(scene.user));
        let write = || store.change_user(scene.user, &change, &audit(Event::UserRenamed));
        assert_eq!(write(), Ok(UserChanged::Done), "it is so already");
        scene.reports_nothing();
    }
}

fn reports_rotation(store: &dyn Store) {
    let Some(mut scene) = Scene::set(store) else { return };
    assert_eq!(scene.conn.refresh(&refreshing(1, 11, false)), Ok(Refreshed::Done));
    scene.reports_nothing();
    assert_eq!(scene.conn.refresh(&refreshing(1, 12, true)), Ok(Refreshed::Done));
    scene.reports(Revoked::Session(session_id(1)));
}

fn reports_changed_user(store: &dyn Store) {
    let Some(mut scene) = Scene::set(store) else { return };
    let known = NewUser { id: Some(scene.user), ..new_user("alice") };
    put_user(&mut *scene.conn, &known);
    scene.reports_nothing();
    let staff = NewUser { is_staff: true, ..known };
    for changed in [staff.clone(), NewUser { username: "alicia".to_owned(), ..staff }] {
        put_user(&mut *scene.conn, &changed);
        scene.reports(Revoked::User(scene.user));
    }
}

fn reports_eviction(store: &dyn Store) {
    let Some(mut scene) = Scene::set(store) else { return };
    let limit = SessionLimit { max: 3, policy: crate::store::LimitPolicy::EvictOldest, idle_limit: None };
    assert_eq!(log_in_limited(&mut *scene.conn, scene.user, 4, limit), Opening::Opened);
    scene.reports(Revoked::Session(session_id(1)));
}

fn logins_and_uses_are_not_reported(store: &dyn Store) {
    let Some(mut scene) = Scene::set(store) else { return };
    log_in(&mut *scene.conn, scene.user, 4);
    scene.reports_nothing();
    assert_eq!(scene.conn.touch(&[(session_id(1), after(60))]), Ok(()));
    scene.reports_nothing();
    add_user(&mut *scene.conn, "bob");
    scene.reports_nothing();
    let hashes = ["hash of alice", "better"].map(|text| PasswordHash::from_stored(text.to_owned()));
    assert_eq!(scene.conn.upgrade_password_hash(scene.user, &hashes[0], &hashes[1]), Ok(true));
    scene.reports_nothing();
}

fn finds_what_was_acknowledged(store: &dyn Store) {
    let Some(mut scene) = Scene::set(store) else { return };
    for number in 4..24 {
        log_in(&mut *scene.conn, scene.user, number);
        let FeedUpdate { found, invalidation, .. } = poll(&mut *scene.feed, &[number + 1_000, number, number]);
        assert_eq!(invalidation, Invalidation::Revoked(Vec::new()));
        let [None, Some(one), Some(other)] = &*found else { panic!("{found:?}") };
        assert_eq!(one, other);
        assert_eq!((one.session.id, &one.user.username), (session_id(number), &"alice".to_owned()));
        assert_eq!(Some(one), scene.conn.find_many(&[digest(number)]).expect("a read").pop().flatten().as_ref());
        assert_eq!(scene.conn.end_session(session_id(number), &audit(Event::Logout)), Ok(true));
        let FeedUpdate { found, invalidation, .. } = poll(&mut *scene.feed, &[number, 1]);
        assert!(names(&invalidation, Revoked::Session(session_id(number))), "{invalidation:?}");
        let verdicts = found.iter().map(|record| judge(record.as_ref(), Some(TokenKind::Access), NOW, None).is_ok());
        assert_eq!(verdicts.collect::<Vec<_>>(), [false, true]);
    }
}

fn each_feed_reports_everything(store: &dyn Store) {
    let Some(mut scene) = Scene::set(store) else { return };
    let mut other = scene.store.feed().expect("a feed");
    poll(&mut *other, &[]);
    for number in 1..=3 {
        assert_eq!(scene.conn.end_session(session_id(number), &audit(Event::Logout)), Ok(true));
        if number != 2 {
            scene.reports(Revoked::Session(session_id(number)));
        }
    }
    let FeedUpdate { invalidation, .. } = poll(&mut *other, &[]);
    assert!((1..=3).all(|number| names(&invalidation, Revoked::Session(session_id(number)))), "{invalidation:?}");
}

fn many_revocations_are_reported(store: &dyn Store) {
    let Some(mut scene) = Scene::set(store) else { return };
    for number in 10..200 {
        log_in(&mut *scene.conn, scene.user, number);
        assert_eq!(scene.conn.end_session(session_id(number), &audit(Event::Logout)), Ok(true));
    }
    let FeedUpdate { invalidation, found, .. } = poll(&mut *scene.feed, &[1, 2, 150]);
    assert!((10..200).all(|number| names(&invalidation, Revoked::Session(session_id(number)))), "{invalidation:?}");
    let users: Vec<_> = found.iter().flatten().map(|record| Arc::clone(&record.user)).collect();
    assert_eq!(users.len(), 2);
    scene.reports_nothing();
}
