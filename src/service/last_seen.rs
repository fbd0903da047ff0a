//! Writes the times of last use of sessions, at intervals: a check itself never writes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::workers::{DbPool, OnDisconnect};
use crate::domain::session::{Session, SessionId};
use crate::domain::time::Timestamp;
use crate::threads::{Duty, Next, Options, Worker};

/// If this many uses are pending, they are written before the interval is over.
const MAX_PENDING_USES: usize = 50_000;

/// How many sessions are written in one step.
const USES_PER_WRITE: usize = 1000;

/// The pending uses, and the thread that writes them.
pub(super) struct LastSeenWriter {
    worker: Worker<WriteDown>,
    /// A use within this time of the last known one is not written.
    grain: Duration,
}

type Uses = HashMap<SessionId, Timestamp>;
type Batch = Vec<(SessionId, Timestamp)>;

/// The duty of the thread.
struct WriteDown {
    interval: Duration,
    writes: DbPool,
}

/// The progress of the thread.
struct Progress {
    /// When the interval is over.
    due: Option<Instant>,
    /// The uses left to write, and those that were written but are not yet removed.
    todo: Batch,
    written: Batch,
    /// A write failed, so a full map is no reason to try again before the interval is over.
    has_failed: bool,
    /// The thread ends after the uses left to write.
    is_last: bool,
    /// The pool, which is closed with this even if the thread panics.
    writes: DbPool,
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.writes.close();
    }
}

impl LastSeenWriter {
    pub(super) fn start(interval: Duration, writes: DbPool) -> Self {
        let options = Options { name: "last-seen", threads: 1, supervised: false };
        let worker = Worker::new(options, WriteDown { interval, writes }, Uses::new());
        worker.start_or_log();
        Self { worker, grain: interval / 2 }
    }

    /// Notes a use of a session, unless a recent one is known; returns whether it did.
    pub(super) fn touch(&self, session: &Session, now: Timestamp) -> bool {
        if now.since(session.last_seen) < self.grain {
            return false;
        }
        let noted = self.worker.with_queue(|seen| {
            // If the database accepts no writes for long, the pending uses must not fill the memory.
            if seen.len() >= 2 * MAX_PENDING_USES && !seen.contains_key(&session.id) {
                return None;
            }
            let last = seen.entry(session.id).or_insert(now);
            *last = now.max(*last);
            Some(seen.len())
        });
        if noted == Some(MAX_PENDING_USES) {
            self.worker.wake_all();
        }
        noted.is_some()
    }

    /// A use that is not written yet.
    pub(super) fn pending(&self, session: SessionId) -> Option<Timestamp> {
        self.worker.with_queue(|seen| seen.get(&session).copied())
    }

    /// Tells the thread to write all pending uses, close the pool, and end.
    pub(super) fn close(&self) {
        self.worker.close();
        if !self.worker.has_threads() {
            // The thread could not be started, or has closed the pool already.
            self.worker.duty().writes.close();
        }
    }
}

impl Duty for WriteDown {
    type Queue = Uses;
    type Task = Batch;
    type Own = Progress;

    fn begin(&self, _: u64) -> Progress {
        let writes = self.writes.clone();
        Progress { due: None, todo: Vec::new(), written: Vec::new(), has_failed: false, is_last: false, writes }
    }

    /// Waits for the interval to pass or the map to fill, and then writes batch by batch.
    fn next(&self, progress: &mut Progress, seen: &mut Uses, is_closed: bool) -> Next<Batch> {
        // A newer use, which arrived while the last batch was written, stays pending.
        for (session, at) in progress.written.drain(..) {
            if seen.get(&session) == Some(&at) {
                seen.remove(&session);
            }
        }
        if progress.todo.is_empty() && !progress.is_last {
            let now = Instant::now();
            let left = progress.due.get_or_insert_with(|| now + self.interval).saturating_duration_since(now);
            let is_full = seen.len() >= MAX_PENDING_USES && !progress.has_failed;
            if !is_closed && !left.is_zero() && !is_full {
                return Next::Wait(Some(left));
            }
            progress.due = None;
            progress.has_failed = false;
            progress.is_last = is_closed;
            progress.todo = seen.iter().map(|(session, at)| (*session, *at)).collect();
        }
        let rest = progress.todo.len().saturating_sub(USES_PER_WRITE);
        match progress.todo.split_off(rest) {
            batch if !batch.is_empty() => Next::Do(batch),
            _ if progress.is_last => Next::End,
            // No session was used: the next interval begins.
            _ => Next::Pause(Duration::ZERO),
        }
    }

    /// Uses that could not be written stay pending, so that no session becomes idle because a use was lost.
    fn perform(&self, progress: &mut Progress, batch: Batch) {
        let touched = batch.clone();
        let answer = self.writes.run(OnDisconnect::Finish, move |connection| connection.touch(&touched));
        match answer.blocking_recv() {
            Ok(Ok(())) => progress.written = batch,
            Ok(Err(error)) => {
                progress.has_failed = true;
                log::warn!("times of last use could not be written: {}", error.summary());
            }
            Err(_) => {
                progress.has_failed = true;
                log::warn!("times of last use could not be written");
            }
        }
    }
}
