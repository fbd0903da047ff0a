//! Threads for work that only computes.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// A few threads for work that only computes: password hashing. They run at the lowest
/// priority, so that a flood of logins does not slow checks.
#[derive(Clone)]
pub(in crate::service) struct ComputeLane {
    shared: Arc<ComputeShared>,
}

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct ComputeShared {
    queue: usize,
    state: Mutex<State>,
    wake: Condvar,
}

impl ComputeLane {
    /// Starts `threads` threads behind a queue of at most `queue` jobs.
    pub(in crate::service) fn start(name: &'static str, threads: usize, queue: usize) -> Self {
        let shared = Arc::new(ComputeShared { queue, state: Mutex::default(), wake: Condvar::new() });
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            let spawned = thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
                lower_priority();
                shared.work();
            });
            if let Err(error) = spawned {
                log::error!("no thread for the {name} lane: {error}");
            }
        }
        Self { shared }
    }

    /// Runs `work` on a thread of the lane unless nobody waits for it any more; the answer is
    /// an error at once if too many wait already.
    pub(in crate::service) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
        let (reply, answer) = oneshot::channel();
        let mut state = self.shared.lock();
        if state.jobs.len() < self.shared.queue && !state.closed {
            state.jobs.push_back(Box::new(move || {
                if !reply.is_closed() {
                    let _ = reply.send(work());
                }
            }));
        }
        drop(state);
        self.shared.wake.notify_one();
        answer
    }

    /// Ends the threads once nothing waits.
    pub(in crate::service) fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl ComputeShared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // A panic costs its job: the sender is dropped, and the caller told.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.lock();
            } else if state.closed {
                return;
            } else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

/// On Linux a nice value belongs to the thread, so only this one steps back.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        log::debug!("the priority of a hashing thread could not be lowered: {error}");
    }
}
