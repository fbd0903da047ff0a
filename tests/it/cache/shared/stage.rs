//! A database that stops, breaks and panics when a test says so.

use std::sync::{Condvar, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::*;

/// A store in memory whose one feed stops, breaks or panics when a test says so.
#[derive(Clone, Default)]
pub(super) struct Followed {
    pub(super) behind: MemoryStore,
    pub(super) stage: Arc<Stage>,
}

#[derive(Default)]
pub(super) struct Stage {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    /// The number of row requests in each poll.
    pub(super) polls: Vec<usize>,
    pub(super) feeds: usize,
    pub(super) invalidation: Vec<Revoked>,
    /// The next polls stop after they have read, until they are released.
    pub(super) stops: bool,
    held: bool,
    pub(super) stopped: usize,
    /// How many of the next polls fail, or cannot connect.
    pub(super) breaks: usize,
    pub(super) refuses: bool,
    pub(super) panics: bool,
    pub(super) reads_only: bool,
}

impl Stage {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A feed that panics on purpose does so while it holds this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn go_on(&self) {
        let mut state = self.state();
        (state.stops, state.held) = (false, false);
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn wait_until(&self, what: impl Fn(&State) -> bool) {
        let (state, waited) = self
            .changed
            .wait_timeout_while(self.state(), Duration::from_secs(20), |state| !what(state))
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "in time");
        drop(state);
    }
}

struct Staged {
    behind: Box<dyn Connection>,
    stage: Arc<Stage>,
}

impl Store for Followed {
    fn connect(&self) -> StoreResult<Box<dyn Connection>> {
        self.behind.connect()
    }

    fn writers(&self) -> usize {
        1
    }

    fn feed_kind(&self) -> FeedKind {
        FeedKind::Shared
    }

    fn feed(&self) -> StoreResult<Box<dyn RevocationFeed>> {
        let mut state = self.stage.state();
        state.feeds += 1;
        if state.refuses {
            return Err(StoreError::Unavailable("as planned".to_owned()));
        }
        Ok(Box::new(Staged { behind: self.behind.connect()?, stage: Arc::clone(&self.stage) }))
    }
}

impl RevocationFeed for Staged {
    fn poll(&mut self, digests: &[TokenDigest]) -> StoreResult<FeedUpdate> {
        let mut state = self.stage.state();
        assert!(!std::mem::take(&mut state.panics), "as planned");
        if state.breaks > 0 {
            state.breaks -= 1;
            return Err(StoreError::Unavailable("as planned".to_owned()));
        }
        state.polls.push(digests.len());
        let invalidation = Invalidation::Revoked(std::mem::take(&mut state.invalidation));
        let poll = FeedUpdate { invalidation, found: self.behind.find_many(digests)?, cacheable: !state.reads_only };
        if std::mem::take(&mut state.stops) {
            state.held = true;
            state.stopped += 1;
            self.stage.changed.notify_all();
            drop(self.stage.changed.wait_while(state, |state| state.held).expect("a lock"));
        }
        Ok(poll)
    }
}
