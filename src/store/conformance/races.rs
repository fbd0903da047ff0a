//! Real threads, each on a connection of its own, started together at a barrier.

use std::sync::Barrier;
use std::thread;

use super::self_service::change_of;
use super::*;
use crate::store::{KeptSessions, LimitPolicy, PasswordChange, Refreshed, StoreError, UserChange};

pub(super) const CASES: &[Case] = &[
    ("parallel logins keep to the limit", logins_keep_the_limit),
    ("parallel logins evict down to the limit", logins_evict),
    ("of two logouts one ends the session", one_logout_wins),
    ("of many rotations one wins", one_rotation_wins),
    ("a shadow user of many nodes is one", one_shadow_user),
    ("no login survives ending all", login_against_end_all),
    ("no login survives ending all others", login_against_end_others),
    ("an acknowledged logout is seen by every connection", logout_is_seen_at_once),
];

pub(super) const ADMIN_CASES: &[AdminCase] = &[
    ("no login survives a password change", login_against_password_change),
    ("no login survives deactivation", login_against_deactivation),
    ("no login survives the end of all sessions", login_against_end_of_everybody),
    ("no login survives a password change by its user", login_against_own_password_change),
    ("of several password changes by one password one wins", one_password_change_wins),
    ("a new password stands against a hash upgrade", password_change_against_upgrade),
    ("a name is taken once", name_is_taken_once),
    ("an e-mail address that may not be shared is taken once", email_is_taken_once),
];

/// Enough rounds to reach the interleavings in a test of a second or two; the binary of the
/// integration tests repeats the most important races more often.
const ROUNDS: u64 = 40;

/// Runs `jobs` at once, each with a connection of its own, and returns what they return.
pub(in crate::store) fn together<T: Send>(store: &dyn Store, jobs: Vec<Job<'_, T>>) -> Vec<T> {
    let barrier = Barrier::new(jobs.len());
    thread::scope(|scope| {
        let spawned: Vec<_> = (jobs.into_iter())
            .map(|job| {
                let (mut conn, barrier) = (connect(store), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    job(&mut *conn)
                })
            })
            .collect();
        spawned.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

pub(in crate::store) type Job<'a, T> = Box<dyn FnOnce(&mut dyn Connection) -> T + Send + 'a>;

/// A busy database is not an answer: this asks again, as a client would after a 503.
pub(super) fn until_done<T>(mut step: impl FnMut() -> Result<T, StoreError>) -> T {
    for _ in 0..200 {
        match step() {
            Ok(done) => return done,
            Err(StoreError::Busy(_)) => thread::yield_now(),
            Err(other) => panic!("{other}"),
        }
    }
    panic!("busy for ever")
}

fn parallel_logins(store: &dyn Store, policy: LimitPolicy) -> (Vec<Opening>, usize) {
    let user = add_user(&mut *connect(store), "alice");
    let limit = SessionLimit { max: 10, policy, idle_limit: None };
    let jobs = (0..8_u64)
        .map(|thread| -> Job<'_, Vec<Opening>> {
            Box::new(move |conn| {
                let epoch = epoch_of(conn, user);
                (0..5)
                    .map(|n| {
                        let new = NewSession { limit: Some(limit), ..new_session(thread * 100 + n, user, epoch) };
                        until_done(|| conn.open_session(&new))
                    })
                    .collect()
            })
        })
        .collect();
    let openings: Vec<Opening> = together(store, jobs).into_iter().flatten().collect();
    let conn = &mut *connect(store);
    let numbers = (0..8).flat_map(|thread| (0..5).map(move |n| thread * 100 + n));
    let live = numbers.filter(|number| is_live(conn, *number)).count();
    (openings, live)
}

fn logins_keep_the_limit(store: &dyn Store) {
    let (openings, live) = parallel_logins(store, LimitPolicy::Reject);
    assert_eq!(openings.iter().filter(|o| **o == Opening::Opened).count(), 10);
    assert_eq!(openings.iter().filter(|o| **o == Opening::LimitReached).count(), 30);
    assert_eq!(live, 10);
}

fn logins_evict(store: &dyn Store) {
    let (openings, live) = parallel_logins(store, LimitPolicy::EvictOldest);
    assert!(openings.iter().all(|o| *o == Opening::Opened));
    assert_eq!(live, 10);
}

fn one_logout_wins(store: &dyn Store) {
    let user = add_user(&mut *connect(store), "alice");
    for number in 0..ROUNDS {
        log_in(&mut *connect(store), user, number);
        let jobs = (0..3)
            .map(|_| -> Job<'_, bool> {
                Box::new(move |conn| until_done(|| conn.end_session(session_id(number), &audit(Event::Logout))))
            })
            .collect();
        assert_eq!(together(store, jobs).into_iter().filter(|won| *won).count(), 1);
    }
}

fn one_rotation_wins(store: &dyn Store) {
    let conn = &mut *connect(store);
    let user = add_user(conn, "alice");
    for round in 0..ROUNDS {
        let number = round * 10;
        log_in(conn, user, number);
        let jobs = (1..=4)
            .map(|n| -> Job<'_, Refreshed> {
                let refresh = refreshing(number, number + n, true);
                Box::new(move |conn| until_done(|| conn.refresh(&refresh)))
            })
            .collect();
        let outcomes = together(store, jobs);
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Refreshed::Done).count(), 1, "{outcomes:?}");
        assert!(outcomes.iter().all(|outcome| *outcome != Refreshed::Gone), "{outcomes:?}");
        assert_eq!((1..=4).filter(|n| is_live(conn, number + n)).count(), 1);
    }
}

fn one_shadow_user(store: &dyn Store) {
    let user = NewUser { id: Some(UserId(5)), ..new_user("alice") };
    let put = || -> Job<'_, Epoch> {
        Box::new(|conn| until_done(|| conn.put_shadow_user(&user, &audit(Event::UserCreated))))
    };
    let epochs = together(store, (0..6).map(|_| put()).collect());
    assert_eq!(epochs, [epoch_of(&mut *connect(store), UserId(5)); 6]);
}

type Change<'a> = dyn Fn(&mut dyn Connection, UserId) -> Result<bool, StoreError> + Sync + 'a;

/// A login whose password was checked before `change` must not outlive it: whichever is
/// first, no token of the old epoch is live once both have returned.
fn no_survivor(store: &dyn Store, change: &Change<'_>) {
    let conn = &mut *connect(store);
    for round in 0..ROUNDS {
        let user = add_user(conn, &format!("user{round}x"));
        let seen = epoch_of(conn, user);
        let mut jobs: Vec<Job<'_, bool>> = vec![Box::new(move |conn| until_done(|| change(conn, user)))];
        for n in 0..3 {
            let new = new_session(round * 10 + n, user, seen);
            jobs.push(Box::new(move |conn| until_done(|| conn.open_session(&new)) == Opening::Opened));
        }
        together(store, jobs);
        for n in 0..3 {
            assert!(!is_live(conn, round * 10 + n), "a login survived in round {round}");
        }
    }
}

fn login_against_password_change(store: &dyn AdminStore) {
    no_survivor(store, &|_, user| {
        store
            .set_password(user, &PasswordHash::unusable(), None, &audit(Event::PasswordChanged))
            .map(|changed| changed == UserChanged::Done)
    });
}

fn login_against_end_all(store: &dyn Store) {
    no_survivor(store, &|conn, user| conn.end_all_sessions(user, &audit(Event::LogoutAll)));
}

fn login_against_end_others(store: &dyn Store) {
    no_survivor(store, &|conn, user| conn.end_other_sessions(user, session_id(4711), &audit(Event::OthersRevoked)));
}

fn login_against_own_password_change(store: &dyn AdminStore) {
    no_survivor(store, &|conn, user| {
        let change = change_of(conn, user, KeptSessions::None);
        conn.change_password(&change, &audit(Event::PasswordChanged))
    });
}

fn one_password_change_wins(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    for round in 0..ROUNDS {
        let user = add_user(conn, &format!("user{round}x"));
        for keep in [KeptSessions::All, KeptSessions::None] {
            let change = change_of(conn, user, keep);
            let jobs = ["one", "two", "three"].map(|new| -> Job<'_, bool> {
                let new = PasswordHash::from_stored(format!("{new} {keep:?}"));
                let change = PasswordChange { new, ..change.clone() };
                Box::new(move |conn| until_done(|| conn.change_password(&change, &audit(Event::PasswordChanged))))
            });
            assert_eq!(together(store, jobs.into()).into_iter().filter(|won| *won).count(), 1);
        }
    }
}

fn login_against_deactivation(store: &dyn AdminStore) {
    no_survivor(store, &|_, user| {
        store
            .set_active(user, false, LastAdmin::MayGo, &audit(Event::Deactivated))
            .map(|changed| changed == UserChanged::Done)
    });
}

fn login_against_end_of_everybody(store: &dyn AdminStore) {
    no_survivor(store, &|_, _| store.end_everybody(&audit(Event::AllSessionsEnded)).map(|()| true));
}

fn password_change_against_upgrade(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let hash = |text: &str| PasswordHash::from_stored(text.to_owned());
    for round in 0..ROUNDS {
        let name = format!("user{round}x");
        let user = add_user(conn, &name);
        let old = hash(&format!("hash of {name}"));
        let (changed, upgraded) = (hash("changed"), hash("upgraded"));
        together(
            store,
            vec![
                Box::new(move |_: &mut dyn Connection| {
                    until_done(|| {
                        store
                            .set_password(user, &changed, None, &audit(Event::PasswordChanged))
                            .map(|changed| changed == UserChanged::Done)
                    })
                }),
                Box::new(move |conn: &mut dyn Connection| {
                    until_done(|| conn.upgrade_password_hash(user, &old, &upgraded))
                }),
            ],
        );
        let stored = account_of(conn, user).password;
        assert_eq!(stored.expose(), "changed");
    }
}

fn name_is_taken_once(store: &dyn AdminStore) {
    for round in 0..ROUNDS {
        let jobs = ["casey", "Casey", "CASEY", "casey"]
            .map(|name| -> Job<'_, bool> {
                let new = new_user(&format!("{name}{round}x"));
                Box::new(move |_| {
                    let creation =
                        until_done(|| store.create_user(&new, SharedEmail::Allow, &audit(Event::UserCreated)));
                    matches!(creation, UserCreation::Created(_))
                })
            })
            .into();
        assert_eq!(together(store, jobs).into_iter().filter(|won| *won).count(), 1);
    }
}

/// By new users and by others who change theirs.
fn email_is_taken_once(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    for round in 0..ROUNDS {
        let email = |spelling: &str| format!("{spelling}{round}@example.com");
        let creations = ["casey", "Casey"].map(|spelling| -> Job<'_, bool> {
            let new = NewUser { email: email(spelling), ..new_user(&format!("new {spelling} {round}x")) };
            Box::new(move |_| {
                let created = until_done(|| store.create_user(&new, SharedEmail::Refuse, &audit(Event::UserCreated)));
                matches!(created, UserCreation::Created(_))
            })
        });
        let changes = ["casey", "CASEY"].map(|spelling| -> Job<'_, bool> {
            let user = add_user(conn, &format!("old {spelling} {round}x"));
            let change = UserChange::Email(email(spelling), SharedEmail::Refuse);
            Box::new(move |_| {
                let changed = until_done(|| store.change_user(user, &change, &audit(Event::EmailChanged)));
                changed == UserChanged::Done
            })
        });
        let outcomes = together(store, creations.into_iter().chain(changes).collect());
        assert_eq!(outcomes.iter().filter(|took| **took).count(), 1, "round {round}: {outcomes:?}");
    }
}

fn logout_is_seen_at_once(store: &dyn Store) {
    let (writer, reader) = (&mut *connect(store), &mut *connect(store));
    let user = add_user(writer, "alice");
    for number in 0..ROUNDS {
        log_in(writer, user, number);
        assert!(is_live(reader, number));
        writer.end_session(session_id(number), &audit(Event::Logout)).expect("a write");
        assert!(!is_live(reader, number));
    }
}
