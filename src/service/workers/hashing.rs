//! Threads that hash passwords.
//!
//! Most run at the lowest priority, so that they take only what checks leave. Where checks leave
//! nothing, one more thread of ordinary priority sees to it that logins go on: it computes, and then
//! rests until it has used no more than a fifth of one core. An unprivileged thread that has lowered
//! its priority can never raise it again, so these are two kinds of threads, and not one whose priority
//! changes.

mod schedule;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

use self::schedule::{Begun, Done, FLOOR_SHARE, Queued, Schedule, Spent};
use crate::service::throttle::Permit;
use crate::threads::{Duty, Next, Options, Worker};

/// What kind of work a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum Work {
    /// It computes, and may be computed twice at once.
    Hash,
    /// It computes and takes much memory: one at a time for each account.
    LargeHash,
    /// It asks another system, and must not be done twice.
    Ask,
}

/// How the pool is set up.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct HashPoolOptions {
    /// How many threads of the lowest priority.
    pub(in crate::service) threads: usize,
    /// How many jobs may wait.
    pub(in crate::service) queue: usize,
    /// A job that would have to wait for longer is refused at once.
    pub(in crate::service) patience: Duration,
}

/// The threads and their queue; clones share them.
#[derive(Clone)]
pub(in crate::service) struct HashPool {
    worker: Worker<Hashing>,
}

/// What the threads do. They are never given up: a hash on a thread of low priority may take minutes.
struct Hashing(HashPoolOptions);

/// A job, for whose answer a client may wait.
trait Task: Send + Sync {
    fn is_wanted(&self) -> bool;
    fn run(&self);
    /// Tells a client that waits that there will be no answer.
    fn abandon(&self);
}

struct Job<F, T> {
    work: F,
    begun: Arc<AtomicBool>,
    reply: Mutex<Option<oneshot::Sender<T>>>,
}

impl<F, T> Job<F, T> {
    fn reply(&self) -> MutexGuard<'_, Option<oneshot::Sender<T>>> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Fn() -> T + Send + Sync, T: Send> Task for Job<F, T> {
    fn is_wanted(&self) -> bool {
        self.reply().as_ref().is_some_and(|reply| !reply.is_closed())
    }

    fn run(&self) {
        self.begun.store(true, Ordering::Relaxed);
        let value = (self.work)();
        if let Some(reply) = self.reply().take() {
            let _ = reply.send(value);
        }
    }

    fn abandon(&self) {
        self.reply().take();
    }
}

/// What a thread keeps from job to job.
struct ThreadState {
    /// Whether it is the one of ordinary priority.
    is_floor: bool,
    /// The job that it has done.
    done: Option<Done>,
    /// That of ordinary priority begins nothing before.
    rests_until: Option<Instant>,
}

/// The thread with this number is the one of ordinary priority.
const FLOOR: u64 = 0;

impl HashPool {
    /// Starts the threads.
    pub(in crate::service) fn start(name: &'static str, options: HashPoolOptions) -> Self {
        let threads = Options { name, threads: options.threads + 1, supervised: false };
        let worker = Worker::new(threads, Hashing(options), Schedule::new(options));
        worker.start_or_log();
        Self { worker }
    }

    /// Runs `work` on a thread of the pool, unless no client waits for it any more; the answer is an error
    /// at once if it would come too late. Only who has a permit of the throttle may ask.
    pub(in crate::service) fn run<T: Send + 'static>(
        &self,
        permit: &Permit,
        kind: Work,
        work: impl Fn() -> T + Send + Sync + 'static,
    ) -> oneshot::Receiver<T> {
        let (reply, answer) = oneshot::channel();
        let share = permit.share();
        let job = Job { work, begun: permit.begun(), reply: Mutex::new(Some(reply)) };
        let queued = Queued { task: Arc::new(job), work: kind, account: share.account };
        let options = self.worker.duty().0;
        if let Err(refused) = self.worker.put(queued, |schedule, queued| schedule.put(queued, share, options)) {
            refused.task.abandon();
        }
        // Whichever thread takes the job, the one of ordinary priority has to watch over it.
        self.worker.wake_all();
        answer
    }

    /// Ends the threads once nothing waits.
    pub(in crate::service) fn close(&self) {
        self.worker.close();
    }
}

/// Does a job. A panic costs the job alone: a client that waits is told.
fn perform(queued: &Queued) -> Spent {
    let (begun, cpu) = (Instant::now(), thread_time());
    if catch_unwind(AssertUnwindSafe(|| queued.task.run())).is_err() {
        queued.task.abandon();
    }
    Spent { cpu: thread_time().saturating_sub(cpu), wall: begun.elapsed() }
}

/// What this thread has used of a processor so far.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

impl Duty for Hashing {
    type Queue = Schedule;
    type Task = Begun;
    type Own = ThreadState;

    fn begin(&self, number: u64) -> ThreadState {
        let is_floor = number == FLOOR;
        if !is_floor {
            lower_priority();
        }
        ThreadState { is_floor, done: None, rests_until: None }
    }

    fn next(&self, thread: &mut ThreadState, schedule: &mut Schedule, is_closed: bool) -> Next<Begun> {
        let now = Instant::now();
        let done = thread.done.take();
        if !thread.is_floor {
            done.iter().for_each(|done| schedule.end_low(done, now));
            return schedule.next_low(now, is_closed);
        }
        done.iter().for_each(|done| schedule.end_at_the_floor(done));
        let left = thread.rests_until.map(|until| until.saturating_duration_since(now));
        match left.filter(|left| !left.is_zero() && !is_closed) {
            Some(left) => Next::Pause(left),
            None => schedule.next_at_the_floor(now, is_closed),
        }
    }

    fn perform(&self, thread: &mut ThreadState, Begun { number, queued }: Begun) {
        let begun = Instant::now();
        let spent = perform(&queued);
        thread.done = Some(Done { number, work: queued.work, spent });
        thread.rests_until = thread.is_floor.then(|| begun + spent.cpu * FLOOR_SHARE);
    }
}

/// On Linux a nice value belongs to the thread, so only this one steps back.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        log::debug!("the priority of a hashing thread could not be lowered: {error}");
    }
}
