//! Deleting what is over, off the request path.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::store::diesel::{DieselStore, SweepPolicy};
use crate::time::Clock;

/// A thread that sweeps now and then, and ends with this value.
pub(super) struct Sweeper {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    pub(super) fn start(
        store: Arc<DieselStore>,
        clock: Arc<dyn Clock>,
        interval: Duration,
        policy: SweepPolicy,
    ) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("sweeper".to_owned()).spawn(move || {
            while !wait(&stopped, interval) {
                match store.sweep(clock.now(), &policy) {
                    Ok(report) => log::info!(
                        expired_tokens = report.expired_tokens, dead_tokens = report.dead_tokens,
                        sessions = report.sessions, log_rows = report.log_rows;
                        "swept"
                    ),
                    Err(error) => log::warn!("the sweep did not finish: {error}"),
                }
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

/// Waits for `interval`; whether the end came first.
fn wait(stop: &(Mutex<bool>, Condvar), interval: Duration) -> bool {
    let until = Instant::now() + interval;
    let (flag, wake) = stop;
    let mut stopped = flag.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if *stopped || left.is_zero() {
            return *stopped;
        }
        (stopped, _) = wake.wait_timeout(stopped, left).unwrap_or_else(PoisonError::into_inner);
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic in there was a bug of its own; nothing is left to save.
            let _ = thread.join();
        }
    }
}
