//! Concurrent steps that could wait for each other; `src/store/conformance/races.rs` has those of which one wins.

use super::super::any::{self, Ending};
use super::super::traces;
use super::*;
use crate::store::conformance::{Job, together};

#[test]
fn a_migration_that_waits_for_a_table_fails_no_check() {
    let Some(fixture) = Fixture::postgres() else { return };
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
    let Some(fixture) = Fixture::postgres() else { return };
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
    on_each_database(|fixture, c, user| {
        (0..30).for_each(|n| open(c, &login(user, 0, n)));
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
        together(&fixture.store, jobs);
        assert_eq!(fixture.count(&format!("sessions WHERE last_seen = {}", later(103).as_micros())), 30);
    });
}
