//! The pool's own code under a scheduler, which tries different orders.

mod bounds;
mod code;
mod hashing;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread::{spawn, yield_now};

use crate::domain::audit::{Actor, AuditContext, Event, Origin};
use crate::domain::time::Timestamp;
use crate::service::tests::database::{Database, TOKENS, USER, session, token, verdict};
use crate::service::tests::history::{Answer, History};
use crate::service::tests::sync::Instant;
use crate::service::tests::{Mistake, assert_seen, explore, finds};
use code::{DbPool, DbPoolOptions, OnDisconnect};

/// The results of all runs together.
#[derive(Default)]
struct Seen {
    yes: AtomicUsize,
    no: AtomicUsize,
    unknown: AtomicUsize,
    /// Acknowledged ends, and those that failed.
    ended: AtomicUsize,
    not_ended: AtomicUsize,
    /// Ends of one session that were committed twice, since the first answer was lost.
    repeated: AtomicUsize,
}

/// The parts of a run.
#[derive(Clone)]
struct Stage {
    checks: DbPool,
    writes: DbPool,
    database: Database,
    history: Arc<History>,
    seen: Arc<Seen>,
}

impl Stage {
    fn new(faults: u32, seen: &Arc<Seen>) -> Self {
        let database = Database::new(faults);
        let pool = |name, threads, groups| {
            // Never, or while no step asks for a moment.
            let probe_after = Duration::from_secs(if faults > 0 && thread_rng().gen_bool(0.5) { 1 } else { 86_400 });
            let options = DbPoolOptions { name, threads, batch: 4, queue: 16, groups, probe_after };
            DbPool::start(options, Arc::new(database.clone()))
        };
        Self {
            checks: pool("checks", 2, false),
            writes: pool("writes", 1, true),
            database: database.clone(),
            history: Arc::default(),
            seen: Arc::clone(seen),
        }
    }

    fn check(&self, number: usize) {
        let begun = self.history.begin();
        let answer = self.checks.find(token(number).digest());
        if thread_rng().gen_ratio(1, 8) {
            // The client hangs up.
            drop(answer);
            return self.history.abandoned();
        }
        let (answer, count) = match block_on(answer) {
            Ok(Ok(record)) => match verdict(record.as_ref()) {
                Answer::Yes => (Answer::Yes, &self.seen.yes),
                answer @ (Answer::No | Answer::Unknown) => (answer, &self.seen.no),
            },
            // The store failed, or its thread panicked.
            Ok(Err(_)) | Err(_) => (Answer::Unknown, &self.seen.unknown),
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.history.checked(number, begun, answer);
    }

    /// A step that only reads, and is skipped if no client waits for it.
    fn ping(&self) {
        let answer = self.checks.run(OnDisconnect::Cancel, |connection| connection.ping());
        if thread_rng().gen_bool(0.5) {
            // Good, failed, or lost in a panic: but answered.
            drop(block_on(answer));
        }
    }

    fn check_all(&self, numbers: &[usize]) {
        numbers.iter().for_each(|number| self.check(*number));
    }

    /// Ends one session or all of them, and checks at once.
    fn end(&self, number: Option<usize>) {
        // At any moment of the other threads' work.
        (0..thread_rng().gen_range(0..30_u32)).for_each(|_| yield_now());
        let audit = AuditContext {
            event: Event::Logout,
            actor: Actor::System,
            origin: Origin::default(),
            at: Timestamp::from_micros(0),
            detail: None,
        };
        let answer = self.writes.run(OnDisconnect::Finish, move |connection| match number {
            Some(number) => connection.end_session(session(number), &audit),
            None => connection.end_all_sessions(USER, &audit),
        });
        if let Ok(Ok(_)) = block_on(answer) {
            let ended = || number.map_or(0..TOKENS, |number| number..number + 1);
            ended().for_each(|number| self.history.ended(number));
            assert!(ended().all(|number| self.database.has_ended(number)), "acknowledged before its commit");
            if number.is_some() && self.database.was_repeated(session(number.unwrap_or(0))) {
                self.seen.repeated.fetch_add(1, Ordering::Relaxed);
            }
            self.seen.ended.fetch_add(1, Ordering::Relaxed);
        } else {
            self.seen.not_ended.fetch_add(1, Ordering::Relaxed);
        }
        self.check_all(&[number.unwrap_or(0)]);
    }
}

/// Two threads check while two others end sessions; then all is closed.
fn scenario(faults: u32, seen: &Arc<Seen>) {
    let stage = Stage::new(faults, seen);
    let on = |work: fn(&Stage)| {
        let stage = stage.clone();
        spawn(move || work(&stage))
    };
    let threads = [
        on(|stage| stage.check_all(&[0, 1, 0])),
        on(|stage| {
            stage.check(1);
            stage.ping();
            stage.check(0);
        }),
        on(|stage| stage.end(Some(0))),
        on(|stage| stage.end(if thread_rng().gen_bool(0.75) { Some(1) } else { None })),
    ];
    for thread in threads {
        thread.join().unwrap();
    }
    // The longer limit never expires: a waiting client must be answered.
    let until = Instant::now() + Duration::from_secs(if thread_rng().gen_bool(0.5) { 30 } else { 86_400 });
    for pool in [&stage.checks, &stage.writes] {
        pool.close();
        pool.drain(until);
    }
    stage.check(1);
    stage.history.judge();
    // One of the threads ends all at most once.
    assert!(stage.database.epoch() <= 1, "all sessions were ended twice for one request");
}

fn run(faults: u32) -> (Arc<Seen>, impl Fn() + Send + Sync + Clone + 'static) {
    let seen = Arc::<Seen>::default();
    (Arc::clone(&seen), move || scenario(faults, &seen))
}

#[test]
fn pools_keep_their_promises_while_the_database_works() {
    let (seen, scenario) = run(0);
    explore(2_000, scenario);
    assert_seen(&[("yes", &seen.yes), ("no", &seen.no), ("ended", &seen.ended)]);
}

#[test]
fn pools_keep_their_promises_while_the_database_breaks_hangs_and_panics() {
    let (seen, scenario) = run(5);
    explore(2_000, scenario);
    let Seen { yes, no, unknown, ended, not_ended, repeated } = &*seen;
    assert_seen(&[("yes", yes), ("no", no), ("unknown", unknown), ("ended", ended), ("not ended", not_ended)]);
    assert_seen(&[("repeated", repeated)]);
}

#[test]
fn a_repeated_write_that_may_have_happened_is_found() {
    finds(Mistake::CalledNotBegun, "ended twice for one request", 5_000, run(5).1);
}

#[test]
fn a_read_that_was_sent_before_the_check_is_found() {
    finds(Mistake::ReadAhead, "a promise was broken", 5_000, run(0).1);
}

#[test]
fn an_acknowledgement_before_the_commit_is_found() {
    finds(Mistake::AcknowledgedEarly, "acknowledged before its commit", 5_000, run(0).1);
}

#[test]
fn a_group_that_came_to_nothing_is_found() {
    finds(Mistake::GroupCameToNothing, "acknowledged before its commit", 5_000, run(0).1);
}
