//! What was asked, answered and acknowledged in one run, and the judgement of it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The answer to a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum Answer {
    Yes,
    No,
    /// The check could not be made.
    Unknown,
}

#[derive(Debug, Clone, Copy)]
struct Check {
    token: usize,
    begun: u64,
    ended: u64,
    answer: Answer,
}

/// One run. Its own locks are no steps of the run.
#[derive(Default)]
pub(in crate::service) struct History {
    ticks: AtomicU64,
    begun: AtomicUsize,
    checks: Mutex<Vec<Check>>,
    /// Tokens and when their end was acknowledged.
    ends: Mutex<Vec<(usize, u64)>>,
}

impl History {
    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::Relaxed)
    }

    /// A check begins; the number is for [`History::checked`].
    pub(in crate::service) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.tick()
    }

    /// A check that began there has its answer.
    pub(in crate::service) fn checked(&self, token: usize, begun: u64, answer: Answer) {
        let check = Check { token, begun, ended: self.tick(), answer };
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).push(check);
    }

    /// A check's client has gone.
    pub(in crate::service) fn abandoned(&self) {
        self.begun.fetch_sub(1, Ordering::Relaxed);
    }

    /// The end of a token was acknowledged.
    pub(in crate::service) fn ended(&self, token: usize) {
        let tick = self.tick();
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).push((token, tick));
    }

    /// Fails if a promise was broken. Call it at the end of the run, when all checks have been answered.
    pub(in crate::service) fn judge(&self) {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(checks.len(), self.begun.load(Ordering::Relaxed), "a check was forgotten");
        for yes in checks.iter().filter(|check| check.answer == Answer::Yes) {
            let end = ends.iter().find(|(token, at)| *token == yes.token && *at < yes.begun);
            assert!(end.is_none(), "a promise was broken, not strict: {yes:?} after {end:?}");
            let no = checks
                .iter()
                .find(|check| check.answer == Answer::No && check.token == yes.token && check.ended < yes.begun);
            assert!(no.is_none(), "a promise was broken, not monotone: {yes:?} after {no:?}");
        }
    }
}
