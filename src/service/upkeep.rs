//! Writing down, now and then, when sessions were last used: a check itself never writes.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::lanes::{Lane, Wanted};
use crate::session::SessionId;
use crate::time::Timestamp;

/// More uses than this are written down before the interval is over.
const FULL: usize = 50_000;

/// Sessions written in one step.
const BATCH: usize = 1000;

/// The uses that are still to be written down, and the thread that does it.
pub(super) struct Upkeep {
    shared: Arc<Shared>,
    /// A use within this time of the last known one is not worth a write.
    grain: Duration,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    seen: HashMap<SessionId, Timestamp>,
    closed: bool,
}

impl Upkeep {
    pub(super) fn start(interval: Duration, writes: Lane) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() });
        let thread_shared = Arc::clone(&shared);
        let spawned = thread::Builder::new().name("last-seen".to_owned()).spawn(move || {
            while !thread_shared.wait(interval) {
                thread_shared.write_down(&writes);
            }
        });
        if let Err(error) = spawned {
            log::error!("no thread for times of last use: {error}");
        }
        Self { shared, grain: interval / 2 }
    }

    /// Notes a use of a session whose last known use was `before`.
    pub(super) fn touch(&self, session: SessionId, before: Timestamp, now: Timestamp) {
        if now.since(before) < self.grain {
            return;
        }
        let mut state = self.shared.lock();
        let seen = state.seen.entry(session).or_insert(now);
        *seen = now.max(*seen);
        if state.seen.len() >= FULL {
            drop(state);
            self.shared.wake.notify_all();
        }
    }

    /// A use that is not written down yet.
    pub(super) fn pending(&self, session: SessionId) -> Option<Timestamp> {
        self.shared.lock().seen.get(&session).copied()
    }

    /// Hands everything that is still to be written down to the lane, and ends the thread.
    pub(super) fn close(&self, writes: &Lane) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
        self.shared.write_down(writes);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the interval to pass or the map to fill; whether the end has come.
    fn wait(&self, interval: Duration) -> bool {
        let until = Instant::now() + interval;
        let mut state = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() || state.seen.len() >= FULL {
                return state.closed;
            }
            (state, _) = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write_down(&self, writes: &Lane) {
        let seen: Vec<_> = self.lock().seen.drain().collect();
        for batch in seen.chunks(BATCH) {
            let batch = batch.to_vec();
            // A use that could not be written down is noted again with the next one.
            drop(writes.run(Wanted::Always, move |connection| connection.touch(&batch)));
        }
    }
}
