//! Threads that hash passwords.
//!
//! Most run at the lowest priority, so that they use only the time that checks leave. If checks leave
//! none, one more thread of ordinary priority ensures that logins go on: it computes, and then
//! rests until it has used no more than a fifth of one core. An unprivileged thread that has lowered
//! its priority can never raise it again, so there are two kinds of threads instead of one whose priority
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
use crate::threads::{Duty, Next, Options, Worker, lower_priority};

/// The kind of work of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum Work {
    /// It computes, and may be computed twice at once.
    Hash,
    /// It computes and takes much memory: one at a time for each account.
    LargeHash,
    /// It asks another system, and must not be done twice.
    Ask,
}

/// The options of the pool.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct HashPoolOptions {
    /// The number of threads of the lowest priority.
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

/// The duty of the threads. They are never given up: a hash on a thread of low priority may take minutes.
struct Hashing(HashPoolOptions);

/// A job with an answer, for which a client may wait.
trait Task: Send + Sync {
    fn is_wanted(&self) -> bool;
    fn run(&self);
    /// Tells a waiting client that there will be no answer.
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
    /// Whether it is the thread of ordinary priority.
    is_floor: bool,
    /// The job that it has finished.
    done: Option<Done>,
    /// The thread of ordinary priority begins no job before this moment.
    rests_until: Option<Instant>,
}

/// The number of the thread of ordinary priority.
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
    /// at once if it would come too late. Callers need a permit of the throttle.
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
        // Whichever thread takes the job, the thread of ordinary priority has to supervise it.
        self.worker.wake_all();
        answer
    }

    /// Ends the threads once no job waits.
    pub(in crate::service) fn close(&self) {
        self.worker.close();
    }
}

/// Runs a job. A panic fails this job only: a waiting client gets an error.
fn perform(queued: &Queued) -> Spent {
    let (begun, cpu) = (Instant::now(), thread_time());
    if catch_unwind(AssertUnwindSafe(|| queued.task.run())).is_err() {
        queued.task.abandon();
    }
    Spent { cpu: thread_time().saturating_sub(cpu), wall: begun.elapsed() }
}

/// The processor time that this thread has used so far.
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
