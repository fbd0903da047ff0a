//! Periodic work, off the request path.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::threads::{Duty, Next, Options, Worker};

/// Shutting down waits for running work, however long it takes.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

type Work = Box<dyn FnMut(&dyn Fn() -> bool) + Send>;

/// A thread that runs a task periodically. It ends when this value is dropped.
pub(super) struct PeriodicTask {
    worker: Worker<Job>,
}

/// The duty of the thread.
struct Job {
    interval: Duration,
    /// `None` once the thread has taken it.
    work: Mutex<Option<Work>>,
    is_over: AtomicBool,
}

/// The work, and when it is due next.
struct Pending {
    work: Option<Work>,
    due: Option<Instant>,
}

impl PeriodicTask {
    /// Runs `work` once per `interval`. The work gets a function that says whether to go on, so that long work does not
    /// delay shutting down.
    pub(super) fn start(
        name: &'static str,
        interval: Duration,
        work: impl FnMut(&dyn Fn() -> bool) + Send + 'static,
    ) -> io::Result<Self> {
        let job = Job { interval, work: Mutex::new(Some(Box::new(work))), is_over: AtomicBool::new(false) };
        let worker = Worker::new(Options { name, threads: 1, supervised: false }, job, ());
        worker.start()?;
        Ok(Self { worker })
    }
}

impl Duty for Job {
    type Queue = ();
    type Task = ();
    type Own = Pending;

    fn begin(&self, _: u64) -> Pending {
        Pending { work: self.work.lock().unwrap_or_else(PoisonError::into_inner).take(), due: None }
    }

    fn next(&self, pending: &mut Pending, (): &mut (), is_closed: bool) -> Next<()> {
        if is_closed {
            return Next::End;
        }
        let now = Instant::now();
        let left = pending.due.get_or_insert_with(|| now + self.interval).saturating_duration_since(now);
        if left.is_zero() {
            pending.due = None;
            return Next::Do(());
        }
        Next::Wait(Some(left))
    }

    fn perform(&self, pending: &mut Pending, (): ()) {
        if let Some(work) = &mut pending.work {
            work(&|| !self.is_over.load(Ordering::Relaxed));
        }
    }
}

impl Drop for PeriodicTask {
    fn drop(&mut self) {
        self.worker.duty().is_over.store(true, Ordering::Relaxed);
        self.worker.close();
        self.worker.drain(Instant::now() + FOR_EVER);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn work_is_repeated_until_the_end() {
        let (done, seen) = mpsc::channel();
        let repeating =
            PeriodicTask::start("test", Duration::from_millis(1), move |_| done.send(()).expect("a receiver"));
        let repeating = repeating.expect("a thread");
        for _ in 0..3 {
            seen.recv().expect("work");
        }
        drop(repeating);
        // This ends only when the thread is gone, and its sender with it.
        seen.iter().for_each(drop);
    }

    #[test]
    fn the_end_does_not_wait_for_the_interval() {
        let began = Instant::now();
        drop(PeriodicTask::start("test", Duration::from_secs(3600), |_| {}).expect("a thread"));
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
