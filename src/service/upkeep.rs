//! Writing down, now and then, when sessions were last used: a check itself never writes.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::lanes::{Lane, Wanted};
use crate::session::{Session, SessionId};
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
    /// The lane that nobody else would close, if the thread could not be started.
    orphan: Option<Lane>,
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
        let (thread_shared, thread_writes) = (Arc::clone(&shared), writes.clone());
        let spawned = thread::Builder::new().name("last-seen".to_owned()).spawn(move || {
            while !thread_shared.wait(interval) {
                thread_shared.write_down(&thread_writes);
            }
            thread_shared.write_down(&thread_writes);
            thread_writes.close();
        });
        let orphan = spawned.err().map(|error| {
            log::error!("no thread for times of last use: {error}");
            writes
        });
        Self { shared, grain: interval / 2, orphan }
    }

    /// Notes a use of a session, unless one not long before is known; whether it did.
    pub(super) fn touch(&self, session: &Session, now: Timestamp) -> bool {
        if now.since(session.last_seen) < self.grain {
            return false;
        }
        let mut state = self.shared.lock();
        // A database that takes no writes for long must not fill the memory.
        if state.seen.len() >= 2 * FULL && !state.seen.contains_key(&session.id) {
            return false;
        }
        let seen = state.seen.entry(session.id).or_insert(now);
        *seen = now.max(*seen);
        if state.seen.len() == FULL {
            drop(state);
            self.shared.wake.notify_all();
        }
        true
    }

    /// A use that is not written down yet.
    pub(super) fn pending(&self, session: SessionId) -> Option<Timestamp> {
        self.shared.lock().seen.get(&session).copied()
    }

    /// Has the thread write down what is still to be written down, close the lane, and end.
    pub(super) fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
        if let Some(writes) = &self.orphan {
            writes.close();
        }
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
            if state.closed || left.is_zero() {
                return state.closed;
            }
            let timed_out;
            (state, timed_out) = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            if !timed_out.timed_out() && state.seen.len() >= FULL {
                return state.closed;
            }
        }
    }

    /// What cannot be written down now stays for the next time: a session must not die of a
    /// use that was lost.
    fn write_down(&self, writes: &Lane) {
        let seen: Vec<_> = self.lock().seen.iter().map(|(session, at)| (*session, *at)).collect();
        for batch in seen.chunks(BATCH) {
            let written = batch.to_vec();
            let answer = writes.run(Wanted::Always, move |connection| connection.touch(&written));
            match answer.blocking_recv() {
                Ok(Ok(())) => self.forget(batch),
                Ok(Err(error)) => log::warn!("times of last use were not written down: {}", error.summary()),
                Err(_) => log::warn!("times of last use were not written down"),
            }
        }
    }

    /// Forgets what is written down, but not a use that came meanwhile.
    fn forget(&self, written: &[(SessionId, Timestamp)]) {
        let mut state = self.lock();
        for (session, at) in written {
            if state.seen.get(session) == Some(at) {
                state.seen.remove(session);
            }
        }
    }
}
