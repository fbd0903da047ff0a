//! Work that is done now and then, off the request path.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A thread that works, waits, and ends with this value.
pub(super) struct Repeating {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Repeating {
    /// Does `work` each time that `interval` has passed since the last.
    pub(super) fn start(name: &str, interval: Duration, mut work: impl FnMut() + Send + 'static) -> io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            while !wait(&stopped, interval) {
                work();
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

impl Drop for Repeating {
    fn drop(&mut self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic in there was a bug of its own; nothing is left to save.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn work_is_repeated_until_the_end() {
        let (done, seen) = mpsc::channel();
        let repeating = Repeating::start("test", Duration::from_millis(1), move || done.send(()).expect("a receiver"));
        let repeating = repeating.expect("a thread");
        for _ in 0..3 {
            seen.recv().expect("work");
        }
        drop(repeating);
        // Ends only because the thread is gone, and its sender with it.
        seen.iter().for_each(drop);
    }

    #[test]
    fn the_end_does_not_wait_for_the_interval() {
        let began = Instant::now();
        drop(Repeating::start("test", Duration::from_secs(3600), || {}).expect("a thread"));
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
