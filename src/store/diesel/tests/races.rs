//! Concurrent steps, from threads with connections of their own.

use std::sync::Barrier;

use super::super::any::{self, Ending};
use super::super::traces;
use super::*;
use crate::store::{LimitPolicy, SharedEmail, UserCreation};

/// Runs the jobs at once, each on its own connection.
fn at_once<T: Send>(fixture: &Fixture, jobs: Vec<Job<'_, T>>) -> Vec<T> {
    let barrier = Barrier::new(jobs.len());
    std::thread::scope(|scope| {
        let running: Vec<_> = jobs
            .into_iter()
            .map(|job| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let mut connection = fixture.connect();
                    barrier.wait();
                    job(&mut *connection)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().expect("a thread")).collect()
    })
}

type Job<'a, T> = Box<dyn FnOnce(&mut dyn Connection) -> T + Send + 'a>;

#[test]
fn no_login_in_flight_survives_what_ends_all() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        for round in 0..20_u32 {
            let epoch = i64::from(round);
            let mut jobs: Vec<Job<'_, bool>> = (0..4)
                .map(|n| -> Job<'_, bool> {
                    Box::new(move |c| {
                        let new = login(user, epoch, round * 10 + n);
                        c.open_session(&new).expect("an answer") == Opening::Opened
                    })
                })
                .collect();
            jobs.push(Box::new(move |c| c.end_all_sessions(user, &audit(Event::LogoutAll)).expect("an answer")));
            at_once(&fixture, jobs);
            for n in 0..4 {
                assert!(verdict(&mut *c, round * 10 + n).is_err(), "round {round}, login {n} survived");
            }
        }
    }
}

#[test]
fn a_limit_holds_among_logins_at_once() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        for (round, policy) in [LimitPolicy::Reject, LimitPolicy::EvictOldest].into_iter().enumerate() {
            let limit = SessionLimit { max: 3, policy, idle_limit: None };
            let first = 100 * u32::try_from(round).expect("small");
            let jobs = (0..8)
                .map(|n| -> Job<'_, ()> {
                    Box::new(move |c| {
                        c.open_session(&limited(login(user, 0, first + n), limit)).expect("an answer");
                    })
                })
                .collect();
            at_once(&fixture, jobs);
            assert_eq!(fixture.count("sessions WHERE ended_at IS NULL"), 3, "{policy:?}");
        }
        assert_eq!(fixture.count("tokens"), 3);
    }
}

#[test]
fn one_of_several_logouts_wins() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        for n in 0..20 {
            open(&mut *c, &login(user, 0, n));
            let jobs = (0..4)
                .map(|_| -> Job<'_, bool> {
                    Box::new(move |c| c.end_session(session(n), &audit(Event::Logout)).expect("an answer"))
                })
                .collect();
            let won = at_once(&fixture, jobs).into_iter().filter(|won| *won).count();
            assert_eq!(won, 1);
        }
    }
}

#[test]
fn of_names_that_look_alike_one_is_created() {
    for fixture in Fixture::all() {
        let store = &fixture.store;
        for round in 0..10 {
            let names =
                [format!("Alice{round}"), format!("alice{round}"), format!("ALICE{round}"), format!("alicE{round}")];
            let jobs = names
                .iter()
                .map(|name| -> Job<'_, bool> {
                    Box::new(move |_| {
                        let created =
                            store.create_user(&new_user(name), SharedEmail::Allow, &audit(Event::UserCreated));
                        matches!(created.expect("an answer"), UserCreation::Created(_))
                    })
                })
                .collect();
            let created = at_once(&fixture, jobs).into_iter().filter(|created| *created).count();
            assert_eq!(created, 1, "round {round}");
        }
    }
}

#[test]
fn shadow_users_of_many_nodes_are_one() {
    for fixture in Fixture::all() {
        let user = NewUser { id: Some(UserId(5)), ..new_user("alice") };
        let user = &user;
        let jobs = (0..6)
            .map(|_| -> Job<'_, Epoch> {
                Box::new(move |c| c.put_shadow_user(user, &audit(Event::UserCreated)).expect("an answer"))
            })
            .collect();
        assert_eq!(at_once(&fixture, jobs), vec![Epoch(0); 6]);
        assert_eq!(fixture.count("users"), 1);
    }
}

#[test]
fn processes_that_migrate_at_once_all_succeed() {
    for fixture in Fixture::all_bare() {
        let barrier = Barrier::new(4);
        let ran: usize = std::thread::scope(|scope| {
            let running: Vec<_> = (0..4)
                .map(|_| {
                    let (barrier, url) = (&barrier, &fixture.url);
                    scope.spawn(move || {
                        barrier.wait();
                        let store = DieselStore::open(url, StoreOptions::default()).expect("a store");
                        store.migrate().expect("the schema").len()
                    })
                })
                .collect();
            running.into_iter().map(|thread| thread.join().expect("a thread")).sum()
        });
        let status = fixture.store.migration_status().expect("a status");
        assert_eq!((ran, status.pending), (status.applied.len(), Vec::new()));
    }
}

#[test]
fn a_migration_that_waits_for_a_table_fails_no_check() {
    let Some(fixture) = Fixture::bare_postgres() else { return };
    fixture.store.migrate().expect("the schema");
    let mut c = fixture.connect();
    let user = add_user(&mut *c, "alice");
    open(&mut *c, &login(user, 0, 1));
    let applied = || fixture.store.migration_status().expect("a status").applied;
    // This one changes the table, on its way back too.
    while applied().last().is_some_and(|last| !last.starts_with("00000000000012")) {
        fixture.store.revert_last_migration().expect("a way back");
    }
    let applied = applied();
    let mut reader = fixture.raw();
    let long_read = "SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE sessions IN ACCESS SHARE MODE";
    reader.batch_execute(long_read).expect("a lock");
    std::thread::scope(|scope| {
        let change = scope.spawn(|| fixture.store.revert_last_migration());
        let waiting = "pg_locks l JOIN pg_database d ON d.oid = l.database \
                       WHERE d.datname = current_database() AND l.relation IS NOT NULL AND NOT l.granted";
        while fixture.count(waiting) == 0 {
            assert!(!change.is_finished(), "the table was not in use");
        }
        // It waits behind the migration, which waits for the reader.
        let checked = c.find_many(&[digest(1)]);
        reader.batch_execute("COMMIT").expect("no lock");
        assert!(change.join().expect("no panic").is_ok());
        assert!(checked.is_ok_and(|found| found.iter().all(Option::is_some)));
    });
    let (_, before) = applied.split_last().expect("migrations");
    assert_eq!(fixture.store.migration_status().expect("a status").applied, before);
}

#[test]
fn a_token_that_gives_way_while_its_session_ends_is_no_deadlock() {
    let Some(fixture) = Fixture::bare_postgres() else { return };
    fixture.store.migrate().expect("the schema");
    let mut c = fixture.connect();
    let user = add_user(&mut *c, "alice");
    open(&mut *c, &login(user, 0, 1));
    // The end of the session deletes its tokens before it writes their traces.
    let mut ending = fixture.raw();
    ending.batch_execute("BEGIN; DELETE FROM tokens").expect("a deletion");
    std::thread::scope(|scope| {
        let evicted = scope.spawn(|| {
            let evict = |any: &mut AnyConnection| traces::evict(any, *digest(1).as_bytes(), NOW.as_micros());
            any::write(&mut fixture.raw(), |any| evict(any).map(Ending::Keep))
        });
        let waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while fixture.count(waiting) == 0 {
            assert!(!evicted.is_finished(), "the token was not locked");
        }
        let trace = "INSERT INTO token_traces (digest, session_id, kind) VALUES (decode('00000001' || repeat('00', 12), \
                     'hex'), decode(repeat('00', 16), 'hex'), 'access') ON CONFLICT DO NOTHING; COMMIT";
        let ended = ending.batch_execute(trace);
        assert!(evicted.join().expect("no panic").is_ok() && ended.is_ok());
    });
}

#[test]
fn touching_the_same_sessions_in_opposite_orders_is_no_deadlock() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        let user = add_user(&mut *c, "alice");
        (0..30).for_each(|n| open(&mut *c, &login(user, 0, n)));
        let jobs = (0..4_u64)
            .map(|job| -> Job<'_, ()> {
                Box::new(move |c| {
                    for round in 1..=10 {
                        let mut seen: Vec<_> = (0..30).map(|n| (session(n), later(round * 10 + job))).collect();
                        if job % 2 == 1 {
                            seen.reverse();
                        }
                        c.touch(&seen).expect("touched");
                    }
                })
            })
            .collect();
        at_once(&fixture, jobs);
        assert_eq!(fixture.count(&format!("sessions WHERE last_seen = {}", later(103).as_micros())), 30);
    }
}
