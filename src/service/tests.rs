//! The real code of threads under a scheduler that tries different orders ([shuttle](https://docs.rs/shuttle)).
//!
//! [`DbPool`](super::workers::DbPool) and [`SharedCache`](super::cache) use only the types of their `sync` modules to
//! share data between threads. Their tests build the same files once more with [`sync`] in place of these, over
//! [`database`], which breaks, hangs and panics; [`history`] judges the answers.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, MaxSteps, Runner};

pub(in crate::service) mod database;
pub(in crate::service) mod history;
pub(in crate::service) mod sync;

/// A run that takes more steps than this is going round in circles.
const MOST_STEPS: usize = 50_000;

/// How many changes of priority the second scheduler tries in each run.
const DEPTH: usize = 3;

/// A mistake that is planted, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum Mistake {
    /// The cache is not cleared when the feed is a new one.
    MemoryOutlivesFeed,
    /// Invalidations are read, but not applied.
    NewsUnheeded,
    /// The invalidation of a poll is applied in the next one.
    NewsHeededLate,
    /// Rows are cached although the next invalidation will not report all changes.
    FleetingKept,
    /// The answer is as of the end of the previous poll or read.
    ReadAhead,
    /// The rows are read before the log, in another statement.
    RowsBeforeLog,
    /// A client is read before the poll under whose generation it is kept.
    ClientReadBeforePoll,
    /// A remembered client is trusted without a poll.
    ClientNotProved,
    /// A write is answered before its commit.
    AcknowledgedEarly,
    /// A group's writes have no effect, although it reports that they succeeded.
    GroupCameToNothing,
    /// A write whose answer was lost is said to have had no effect.
    CalledNotBegun,
}

thread_local! {
    // All threads of a run are one thread of the operating system.
    static PLANTED: Cell<Option<Mistake>> = const { Cell::new(None) };
}

/// Whether this mistake is planted.
pub(in crate::service) fn is_planted(mistake: Mistake) -> bool {
    PLANTED.get() == Some(mistake)
}

/// Runs `scenario` this many times in random orders, and as many times in orders that rarely change the running thread.
/// The orders are the same each time, unless `SHUTTLE_RANDOM_SEED` is set.
pub(in crate::service) fn explore(runs: usize, scenario: impl Fn() + Send + Sync + Clone + 'static) {
    let mut config = Config::new();
    config.stack_size = 0x4_0000;
    config.max_steps = MaxSteps::FailAfter(MOST_STEPS);
    let run = move || {
        sync::begin();
        scenario();
    };
    Runner::new(RandomScheduler::new_from_seed(1, runs), config.clone()).run(run.clone());
    Runner::new(PctScheduler::new_from_seed(1, DEPTH, runs), config).run(run);
}

/// Fails if an event that the orders should cause hardly ever happened.
pub(in crate::service) fn assert_seen(counts: &[(&str, &AtomicUsize)]) {
    for (what, count) in counts {
        assert!(count.load(Ordering::Relaxed) > 100, "hardly ever: {what}");
    }
}

/// Explores with a mistake planted, and fails unless that fails with these words.
pub(in crate::service) fn finds(
    mistake: Mistake,
    words: &str,
    runs: usize,
    scenario: impl Fn() + Send + Sync + Clone + 'static,
) {
    PLANTED.set(Some(mistake));
    let outcome = catch_unwind(AssertUnwindSafe(|| explore(runs, scenario)));
    PLANTED.set(None);
    let panic = outcome.expect_err("the mistake was not found");
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let said = said.unwrap_or_default();
    assert!(said.contains(words), "{mistake:?} led to: {said}");
}
