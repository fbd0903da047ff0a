//! The audit events of logins: a bounded number of rows, counts of the others, and what a user sees of them. Requests of
//! clients are only counted. Counts, and the times when clients were last used, are written at intervals and at the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

mod limit;
mod of_user;

pub(super) use self::limit::Subject;
use self::limit::{Count, EventLimiter};
pub use self::of_user::{OwnEvent, OwnEvents};
use super::clients::ClientUses;
use super::workers::{DbPool, OnDisconnect};
use crate::domain::time::Clock;
pub use crate::store::EventCursor;
use crate::store::NewEvent;
use crate::threads::{Duty, Next, Options, Worker};

/// How often they are written. A crash loses the counts of at most this time.
pub(super) const INTERVAL: Duration = Duration::from_secs(300);

/// How long the last counts may take if the service is dropped and was not closed.
pub(super) const LAST_WRITE: Duration = Duration::from_secs(1);

/// The bounds of events, and the thread that writes counts.
pub(super) struct EventCounts {
    worker: Worker<WriteCounts>,
}

/// How far the thread is.
#[derive(Default)]
struct Progress {
    /// When it writes next.
    due: Option<Instant>,
    /// It has been closed, and writes for the last time.
    is_last: bool,
}

struct WriteCounts {
    interval: Duration,
    limiter: Arc<EventLimiter>,
    client_uses: ClientUses,
    writes: DbPool,
    clock: Arc<dyn Clock>,
}

impl EventCounts {
    pub(super) fn start(interval: Duration, writes: DbPool, clock: Arc<dyn Clock>) -> Self {
        let (limiter, client_uses) = (Arc::default(), ClientUses::default());
        let duty = WriteCounts { interval, limiter, client_uses, writes, clock };
        let worker = Worker::new(Options { name: "event-counts", threads: 1, supervised: false }, duty, ());
        worker.start_or_log();
        Self { worker }
    }

    /// The bounds.
    pub(super) fn limiter(&self) -> &Arc<EventLimiter> {
        &self.worker.duty().limiter
    }

    /// When clients were last used.
    pub(super) fn client_uses(&self) -> &ClientUses {
        &self.worker.duty().client_uses
    }

    /// Has the thread write what was counted, and waits for it, but not beyond this moment. The pool for writes has to
    /// be open still.
    pub(super) fn close(&self, until: Instant) {
        self.worker.close();
        self.worker.drain(until);
        if self.worker.has_threads() {
            log::warn!("the last counts of audit events may be lost: the database has not answered yet");
        }
        let lost = self.worker.duty().take().1.iter().fold(0_u64, |sum, event| sum.saturating_add(event.count));
        if lost > 0 {
            log::warn!("{lost} audit events were counted and not written: they are lost");
        }
        let unwritten = self.worker.duty().client_uses.take().len();
        if unwritten > 0 {
            log::warn!("the times when {unwritten} clients were last used were not written: they are lost");
        }
    }
}

#[cfg(all(test, feature = "conformance"))]
mod tests;

impl WriteCounts {
    fn take(&self) -> (Vec<Count>, Vec<NewEvent>) {
        let now = self.clock.now();
        let counts = self.limiter.take(now);
        let events = counts.iter().map(|count| count.row(now)).collect();
        (counts, events)
    }
}

impl Duty for WriteCounts {
    type Queue = ();
    type Task = ();
    type Own = Progress;

    fn begin(&self, _: u64) -> Progress {
        Progress::default()
    }

    fn next(&self, progress: &mut Progress, (): &mut (), is_closed: bool) -> Next<()> {
        let Progress { due, is_last } = progress;
        if is_closed {
            return if std::mem::replace(is_last, true) { Next::End } else { Next::Do(()) };
        }
        let now = Instant::now();
        let left = due.get_or_insert_with(|| now + self.interval).saturating_duration_since(now);
        if !left.is_zero() {
            return Next::Wait(Some(left));
        }
        *due = None;
        Next::Do(())
    }

    fn perform(&self, _: &mut Progress, (): ()) {
        self.write_counts();
        self.write_client_uses();
    }
}

impl WriteCounts {
    /// What could not be written is counted again.
    fn write_counts(&self) {
        let (counts, events) = self.take();
        if events.is_empty() {
            return;
        }
        let answer = self.writes.run(OnDisconnect::Finish, move |connection| connection.record_events(&events));
        let problem = match answer.blocking_recv() {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.summary(),
            Err(_) => "the job was lost",
        };
        log::warn!("counts of audit events were not written: {problem}");
        let now = self.clock.now();
        counts.into_iter().for_each(|count| self.limiter.put_back(count, now));
    }

    /// What could not be written stays noted.
    fn write_client_uses(&self) {
        let uses = self.client_uses.take();
        if uses.is_empty() {
            return;
        }
        let written = uses.clone();
        let answer = self.writes.run(OnDisconnect::Finish, move |connection| connection.touch_clients(&written));
        let problem = match answer.blocking_recv() {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.summary(),
            Err(_) => "the job was lost",
        };
        log::warn!("the times when clients were last used were not written: {problem}");
        self.client_uses.put_back(&uses);
    }
}
