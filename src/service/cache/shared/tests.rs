//! The cache's own code under a scheduler, which tries different orders.

mod clients;
mod code;
mod table;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread::{spawn, yield_now};

use super::super::Found;
use crate::domain::random::{Random, RandomError};
use crate::domain::time::Timestamp;
use crate::service::Unavailable;
use crate::service::tests::database::{Database, TOKENS, token, verdict};
use crate::service::tests::history::{Answer, History};
use crate::service::tests::sync::Instant;
use crate::service::tests::{Mistake, assert_seen, explore, finds};
use code::SharedCache;
use table::KeyMaker;

/// The options of the cache that it needs here.
struct CacheOptions {
    capacity: usize,
    timeout: Duration,
    probe_after: Duration,
}

/// The results of all runs together.
#[derive(Default)]
struct Seen {
    remembered: AtomicUsize,
    read: AtomicUsize,
    no: AtomicUsize,
    unknown: AtomicUsize,
}

/// The parts of a run.
#[derive(Clone)]
struct Stage {
    cache: Arc<SharedCache>,
    database: Database,
    history: Arc<History>,
    seen: Arc<Seen>,
}

struct Zeros;

impl Random for Zeros {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        bytes.fill(0);
        Ok(())
    }
}

/// A check whose client may hang up after this many polls.
struct Patience<F> {
    check: Pin<Box<F>>,
    polls: u32,
}

impl<F: Future> Future for Patience<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.check.as_mut().poll(context).map(Some)
    }
}

impl Stage {
    fn new(faults: u32, seen: &Arc<Seen>) -> Self {
        let database = Database::new(faults);
        // One expires while the database hangs, the other does not.
        let timeout = Duration::from_secs(if thread_rng().gen_bool(0.5) { 1 } else { 20 });
        // Probes begin as soon as no check has arrived for a moment, or never.
        let probe_after = Duration::from_secs(if faults > 0 && thread_rng().gen_bool(0.5) { 1 } else { 86_400 });
        let options = CacheOptions { capacity: TOKENS, timeout, probe_after };
        let cache = SharedCache::new(Arc::new(database.clone()), KeyMaker::new(&Zeros).unwrap(), options);
        Self { cache, database, history: Arc::default(), seen: Arc::clone(seen) }
    }

    async fn check(&self, number: usize, polls: u32) {
        let begun = self.history.begin();
        let check = Patience { check: Box::pin(self.cache.find(token(number))), polls };
        match check.await {
            None => self.history.abandoned(),
            Some(found) => self.history.checked(number, begun, self.answer_of(found)),
        }
    }

    /// Checks these tokens in one lookup.
    async fn check_together(&self, numbers: &[usize], polls: u32) {
        let begun: Vec<u64> = numbers.iter().map(|_| self.history.begin()).collect();
        let tokens = numbers.iter().map(|number| token(*number)).collect();
        let check = Patience { check: Box::pin(self.cache.find_many(tokens)), polls };
        let asked = numbers.iter().zip(begun);
        match check.await {
            None => numbers.iter().for_each(|_| self.history.abandoned()),
            Some(Err(error)) => {
                asked.for_each(|(number, begun)| {
                    self.history.checked(*number, begun, self.answer_of(Err(error.clone())));
                });
            }
            Some(Ok(found)) => {
                assert_eq!(found.len(), numbers.len());
                asked.zip(found).for_each(|((number, begun), found)| {
                    assert_eq!(found.token.expose(), token(*number).expose(), "a promise was broken: mixed up");
                    self.history.checked(*number, begun, self.answer_of(Ok(found)));
                });
            }
        }
    }

    fn answer_of(&self, found: Result<Found, Unavailable>) -> Answer {
        match found {
            Ok(Found { record, remembered, .. }) => {
                let answer = verdict(record.as_ref());
                remembered.iter().for_each(|key| self.cache.note_use(*key, Timestamp::from_micros(1)));
                match (answer, remembered.is_some()) {
                    (Answer::Yes, true) => self.seen.remembered.fetch_add(1, Ordering::Relaxed),
                    (Answer::Yes, false) => self.seen.read.fetch_add(1, Ordering::Relaxed),
                    (Answer::No | Answer::Unknown, _) => self.seen.no.fetch_add(1, Ordering::Relaxed),
                };
                answer
            }
            Err(_) => {
                self.seen.unknown.fetch_add(1, Ordering::Relaxed);
                Answer::Unknown
            }
        }
    }

    /// Checks these tokens one group after the other, and those of a group at once, as a thread
    /// of the server does, or in one lookup.
    fn check_all(&self, groups: &[&[usize]]) {
        for group in groups {
            // One client in eight hangs up early.
            let polls = || if thread_rng().gen_ratio(1, 8) { thread_rng().gen_range(1..4) } else { u32::MAX };
            if thread_rng().gen_ratio(1, 3) {
                shuttle::future::block_on(self.check_together(group, polls()));
                continue;
            }
            let checks: FuturesUnordered<_> = group.iter().map(|number| self.check(*number, polls())).collect();
            shuttle::future::block_on(checks.collect::<Vec<()>>());
        }
    }

    /// Ends one session or all, and checks at once.
    fn end(&self) {
        // At any moment of the other threads' work.
        (0..thread_rng().gen_range(0..60_u32)).for_each(|_| yield_now());
        if thread_rng().gen_bool(0.75) {
            self.database.end_session(0);
            self.history.ended(0);
        } else {
            self.database.end_user();
            (0..TOKENS).for_each(|number| self.history.ended(number));
        }
        self.check_all(&[&[0], &[0, 1]]);
    }
}

/// Two threads check while a third one ends a session, or all; then all is closed.
fn scenario(faults: u32, seen: &Arc<Seen>) {
    let stage = Stage::new(faults, seen);
    // A token must be cached before it can be invalidated.
    stage.check_all(&[&[0, 1]]);
    let on = |work: fn(&Stage)| {
        let stage = stage.clone();
        spawn(move || work(&stage))
    };
    let threads = [
        on(|stage| stage.check_all(&[&[0, 1], &[0], &[0, 0]])),
        on(|stage| stage.check_all(&[&[0], &[1], &[0]])),
        on(Stage::end),
    ];
    for thread in threads {
        thread.join().unwrap();
    }
    // The longer limit never expires: a waiting check must be answered.
    let until = Instant::now() + Duration::from_secs(if thread_rng().gen_bool(0.5) { 30 } else { 86_400 });
    stage.cache.close();
    stage.cache.drain(until);
    stage.check_all(&[&[1]]);
    stage.history.judge();
}

fn run(faults: u32) -> (Arc<Seen>, impl Fn() + Send + Sync + Clone + 'static) {
    let seen = Arc::<Seen>::default();
    (Arc::clone(&seen), move || scenario(faults, &seen))
}

#[test]
fn checks_are_strict_while_the_database_works() {
    let (seen, scenario) = run(0);
    explore(2_000, scenario);
    assert_seen(&[("remembered", &seen.remembered), ("read", &seen.read), ("refused", &seen.no)]);
}

#[test]
fn checks_are_strict_while_the_database_breaks_hangs_and_panics() {
    let (seen, scenario) = run(5);
    explore(2_000, scenario);
    let Seen { remembered, read, no, unknown } = &*seen;
    assert_seen(&[("remembered", remembered), ("read", read), ("refused", no), ("unknown", unknown)]);
}

fn is_found(mistake: Mistake, faults: u32) {
    finds(mistake, "a promise was broken", 5_000, run(faults).1);
}

#[test]
fn a_cache_that_outlives_its_feed_is_found() {
    is_found(Mistake::MemoryOutlivesFeed, 5);
}

#[test]
fn invalidations_that_are_ignored_are_found() {
    is_found(Mistake::NewsUnheeded, 0);
}

#[test]
fn invalidations_that_are_applied_a_poll_late_are_found() {
    is_found(Mistake::NewsHeededLate, 0);
}

#[test]
fn keeping_what_does_not_last_is_found() {
    is_found(Mistake::FleetingKept, 0);
}

#[test]
fn a_poll_that_was_sent_before_the_check_is_found() {
    is_found(Mistake::ReadAhead, 0);
}

#[test]
fn rows_that_are_older_than_the_log_are_found() {
    is_found(Mistake::RowsBeforeLog, 0);
}
