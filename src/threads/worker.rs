//! One or more threads that do one kind of work.
//!
//! Waiting work is in a queue behind one lock. A thread asks its [`Duty`] what to do next, does it without the lock,
//! and asks again. A panic ends the task, not the thread. If the worker is supervised, a thread that is busy with one
//! task for too long is given up and replaced: each call that puts something into the queue looks for such threads. A
//! thread that was given up ends when its task does.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::sync::{Arc, Condvar, Instant, Mutex, MutexGuard, PoisonError, thread};

/// A thread of a supervised worker that is busy with one task for longer than this is given up.
pub(crate) const SILENT_AFTER: Duration = Duration::from_secs(2);

/// At most this many given-up threads of one worker may exist at once.
const MAX_ABANDONED: usize = 8;

/// How a worker is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// For the names of its threads and for messages.
    pub(crate) name: &'static str,
    /// How many threads work at once.
    pub(crate) threads: usize,
    /// Whether silent threads are given up and replaced.
    pub(crate) supervised: bool,
}

/// What the threads of a worker do.
pub(crate) trait Duty: Send + Sync + 'static {
    /// The work that waits for the threads.
    type Queue: Send;
    /// What a thread takes from the queue at once.
    type Task;
    /// What one thread keeps from task to task, such as a connection.
    type Own;

    /// Called when a thread starts. Threads that start later have greater numbers.
    fn begin(&self, number: u64) -> Self::Own;

    /// Decides what a thread does next. Called with the lock held.
    fn next(&self, own: &mut Self::Own, queue: &mut Self::Queue, is_closed: bool) -> Next<Self::Task>;

    /// Performs the task that [`Duty::next`] returned, without the lock.
    fn perform(&self, own: &mut Self::Own, task: Self::Task);

    /// Called after a task has panicked.
    fn recover(&self, _own: &mut Self::Own) {}
}

/// What a thread does next.
pub(crate) enum Next<T> {
    /// This task.
    Do(T),
    /// This task, for which no caller waits. If all threads are busy, one with such a task is given up
    /// at once.
    Probe(T),
    /// Wait until something is put into the queue, but not for longer than this.
    Wait(Option<Duration>),
    /// Wait for this time, whatever is put into the queue. The end of the worker cuts it short.
    Pause(Duration),
    /// End: the worker is closed and nothing is left to do.
    End,
}

/// A handle to the threads; clones share them. They end after [`Worker::close`].
pub(crate) struct Worker<D: Duty> {
    shared: Arc<Shared<D>>,
}

struct Shared<D: Duty> {
    options: Options,
    duty: D,
    state: Mutex<State<D::Queue>>,
    /// Something was put into the queue, or the worker was closed.
    arrived: Condvar,
    /// A task or a thread ended, or the worker was closed. Not the same as `arrived`: a call that
    /// wakes one thread must not wake a caller that waits for the end instead.
    ended: Condvar,
}

struct State<Q> {
    queue: Q,
    threads: Vec<Thread>,
    next_number: u64,
    /// How many threads were given up and have not ended yet.
    abandoned: usize,
    /// How many threads wait for `arrived`.
    asleep: usize,
    /// How many of these were woken but are not running yet.
    woken: usize,
    /// How many callers wait for `ended`.
    watching: usize,
    is_closed: bool,
}

/// A thread that was not given up.
struct Thread {
    number: u64,
    /// Since when it has been busy with its task.
    busy_since: Option<Instant>,
    is_probing: bool,
}

type Guard<'a, D> = MutexGuard<'a, State<<D as Duty>::Queue>>;

impl<D: Duty> Clone for Worker<D> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<D: Duty> Worker<D> {
    /// A worker without threads.
    pub(crate) fn new(options: Options, duty: D, queue: D::Queue) -> Self {
        let state = State {
            queue,
            threads: Vec::new(),
            next_number: 0,
            abandoned: 0,
            asleep: 0,
            woken: 0,
            watching: 0,
            is_closed: false,
        };
        let (state, arrived, ended) = (Mutex::new(state), Condvar::new(), Condvar::new());
        Self { shared: Arc::new(Shared { options, duty, state, arrived, ended }) }
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// When one of them could not be started. Those started before it keep running.
    #[cfg(feature = "server")]
    pub(crate) fn start(&self) -> io::Result<()> {
        self.shared.start_missing(&mut self.shared.lock())
    }

    /// As [`Worker::start`], and logs the error. A supervised worker tries again when something is
    /// put into its queue.
    pub(crate) fn start_or_log(&self) {
        self.shared.start_missing_or_log(&mut self.shared.lock());
    }

    /// What the threads do.
    pub(crate) fn duty(&self) -> &D {
        &self.shared.duty
    }

    /// Puts `item` into the queue by calling `push`, and wakes a thread.
    ///
    /// # Errors
    /// The item, if the worker is closed or has no threads; or what `push` refused.
    pub(crate) fn put<T>(&self, item: T, push: impl FnOnce(&mut D::Queue, T) -> Result<(), T>) -> Result<(), T> {
        let mut state = self.shared.lock();
        if state.is_closed {
            return Err(item);
        }
        self.shared.look_after_threads(&mut state);
        if state.threads.is_empty() {
            return Err(item);
        }
        let outcome = push(&mut state.queue, item);
        // Waking a thread costs a system call, which is not needed if a thread was woken already.
        let wakes = state.woken < state.asleep;
        if wakes {
            state.woken += 1;
        }
        drop(state);
        if wakes {
            self.shared.arrived.notify_one();
        }
        outcome
    }

    /// Reads or changes the queue without waking a thread.
    pub(crate) fn with_queue<T>(&self, change: impl FnOnce(&mut D::Queue) -> T) -> T {
        change(&mut self.shared.lock().queue)
    }

    /// Wakes all waiting threads, so that each asks its duty again.
    pub(crate) fn wake_all(&self) {
        let mut state = self.shared.lock();
        state.woken = state.asleep;
        drop(state);
        self.shared.arrived.notify_all();
    }

    /// Whether there is a thread left.
    pub(crate) fn has_threads(&self) -> bool {
        !self.shared.lock().threads.is_empty()
    }

    /// Lets the threads finish what is in the queue and end. Nothing more can be put into it.
    pub(crate) fn close(&self) {
        self.shared.lock().is_closed = true;
        self.wake_all();
        self.shared.ended.notify_all();
    }

    /// After [`Worker::close`]: waits until the threads have ended, but not beyond this moment.
    pub(crate) fn drain(&self, until: Instant) {
        self.shared.wait_until(until, |state| state.threads.is_empty());
    }

    /// Waits until the queue `is_empty` and no thread is busy; `false` if that takes longer.
    #[cfg(feature = "server")]
    pub(crate) fn settle(&self, until: Instant, is_empty: impl Fn(&D::Queue) -> bool) -> bool {
        let is_idle = |thread: &Thread| thread.busy_since.is_none();
        self.shared.wait_until(until, |state| is_empty(&state.queue) && state.threads.iter().all(is_idle))
    }
}

impl<D: Duty> Shared<D> {
    fn lock(&self) -> Guard<'_, D> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_missing(self: &Arc<Self>, state: &mut State<D::Queue>) -> io::Result<()> {
        while state.threads.len() < self.options.threads {
            self.spawn(state)?;
        }
        Ok(())
    }

    fn start_missing_or_log(self: &Arc<Self>, state: &mut State<D::Queue>) {
        if let Err(error) = self.start_missing(state) {
            log::error!("no thread for {}: {error}", self.options.name);
        }
    }

    fn spawn(self: &Arc<Self>, state: &mut State<D::Queue>) -> io::Result<()> {
        let (number, shared) = (state.next_number, Arc::clone(self));
        let name = format!("{}-{number}", self.options.name);
        thread::Builder::new().name(name).spawn(move || shared.live(number))?;
        state.next_number += 1;
        state.threads.push(Thread { number, busy_since: None, is_probing: false });
        Ok(())
    }

    /// Gives up threads of a supervised worker that have been silent for too long, and starts others.
    fn look_after_threads(self: &Arc<Self>, state: &mut State<D::Queue>) {
        if !self.options.supervised {
            return;
        }
        while let Some(index) = state.to_give_up() {
            let given_up = state.threads.swap_remove(index);
            state.abandoned += 1;
            if given_up.is_silent() {
                log::warn!("a {} thread is silent; it is replaced", self.options.name);
            }
            self.start_missing_or_log(state);
        }
        if state.abandoned < MAX_ABANDONED {
            self.start_missing_or_log(state);
        }
    }

    /// The life of one thread.
    fn live(&self, number: u64) {
        // Dropped after what the thread owns: a caller that waits for the end also waits for its connection to be
        // closed.
        let _end = ThreadEnd { shared: self, number };
        let mut own = self.duty.begin(number);
        while let Some(task) = self.take(number, &mut own) {
            if catch_unwind(AssertUnwindSafe(|| self.duty.perform(&mut own, task))).is_err() {
                self.duty.recover(&mut own);
            }
        }
    }

    /// Waits for a task and takes it; `None` at the end, or if the thread was given up.
    fn take(&self, number: u64, own: &mut D::Own) -> Option<D::Task> {
        let mut state = self.lock();
        if !state.finish(number) {
            return None;
        }
        if state.watching > 0 {
            self.ended.notify_all();
        }
        loop {
            let is_closed = state.is_closed;
            let (task, is_probing) = match self.duty.next(own, &mut state.queue, is_closed) {
                Next::Do(task) => (task, false),
                Next::Probe(task) => (task, true),
                Next::Wait(limit) => {
                    state = self.sleep(state, limit);
                    continue;
                }
                Next::Pause(limit) => {
                    state = self.watch(state, limit);
                    continue;
                }
                Next::End => return None,
            };
            state.begin(number, is_probing);
            return Some(task);
        }
    }

    /// Waits for something to arrive.
    fn sleep<'a>(&'a self, mut state: Guard<'a, D>, limit: Option<Duration>) -> Guard<'a, D> {
        state.asleep += 1;
        state = match limit {
            Some(limit) => self.arrived.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0,
            None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
        state.asleep -= 1;
        state.woken = state.woken.saturating_sub(1);
        state
    }

    /// Waits until a task or a thread ends.
    fn watch<'a>(&'a self, mut state: Guard<'a, D>, limit: Duration) -> Guard<'a, D> {
        state.watching += 1;
        state = self.ended.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0;
        state.watching -= 1;
        state
    }

    fn wait_until(&self, until: Instant, is_done: impl Fn(&State<D::Queue>) -> bool) -> bool {
        let mut state = self.lock();
        while !is_done(&state) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.watch(state, left);
        }
        true
    }
}

/// Takes a thread off the list when it ends, also by a panic outside of its tasks.
struct ThreadEnd<'a, D: Duty> {
    shared: &'a Shared<D>,
    number: u64,
}

impl<D: Duty> Drop for ThreadEnd<'_, D> {
    fn drop(&mut self) {
        self.shared.lock().threads.retain(|thread| thread.number != self.number);
        self.shared.ended.notify_all();
    }
}

impl<Q> State<Q> {
    /// A thread to be replaced: a silent one, or, if all are busy, one that only probes. The probe of a dead connection
    /// may take long, and no job should wait for it.
    fn to_give_up(&self) -> Option<usize> {
        if self.abandoned >= MAX_ABANDONED {
            return None;
        }
        let all_busy = self.threads.iter().all(|thread| thread.busy_since.is_some());
        let silent = self.threads.iter().position(Thread::is_silent);
        silent.or_else(|| self.threads.iter().position(|thread| all_busy && thread.is_probing))
    }

    /// Notes that a thread has something to do.
    fn begin(&mut self, number: u64, is_probing: bool) {
        if let Some(thread) = self.threads.iter_mut().find(|thread| thread.number == number) {
            thread.busy_since = Some(Instant::now());
            thread.is_probing = is_probing;
        }
    }

    /// Notes that a thread has nothing to do. `false` if it was given up.
    fn finish(&mut self, number: u64) -> bool {
        if let Some(thread) = self.threads.iter_mut().find(|thread| thread.number == number) {
            thread.busy_since = None;
            thread.is_probing = false;
            true
        } else {
            self.abandoned = self.abandoned.saturating_sub(1);
            false
        }
    }
}

impl Thread {
    fn is_silent(&self) -> bool {
        self.busy_since.is_some_and(|since| since.elapsed() > SILENT_AFTER)
    }
}
