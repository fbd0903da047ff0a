//! Threads that hash passwords.
//!
//! Most run at the lowest priority, so that they take only what checks leave. Where checks leave
//! nothing, one more thread of ordinary priority sees to it that logins go on: it computes, and then
//! rests until it has used no more than a fifth of one core. An unprivileged thread that has lowered
//! its priority can never raise it again, so these are two kinds of threads, and not one whose priority
//! changes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

use super::fair::FairQueue;
use crate::service::throttle::Permit;

/// The thread of ordinary priority rests until its own computing is one part in so many.
const FLOOR_SHARE: u32 = 5;
/// It steps in for a job that has waited for this long.
const FLOOR_PATIENCE: Duration = Duration::from_millis(100);
/// How often it looks whether it is needed while there is work.
const FLOOR_LOOKS: Duration = Duration::from_millis(25);
/// What a hash is thought to take before any was computed.
const FIRST_GUESS: Duration = Duration::from_millis(250);
/// For how long the other threads begin nothing after one of them was found starving: what they
/// begin, they may hold on to for minutes.
const HOLD_BACK: Duration = Duration::from_secs(2);

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

/// How the lane is set up.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct ComputeOptions {
    /// How many threads of the lowest priority.
    pub(in crate::service) threads: usize,
    /// How many jobs may wait.
    pub(in crate::service) queue: usize,
    /// A job that would have to wait for longer is refused at once.
    pub(in crate::service) patience: Duration,
}

/// The threads and their queue; clones share them.
#[derive(Clone)]
pub(in crate::service) struct ComputeLane {
    shared: Arc<Shared>,
}

/// A job whose answer somebody may wait for.
trait Task: Send + Sync {
    fn is_wanted(&self) -> bool;
    fn run(&self);
    /// Tells whoever waits that there will be no answer.
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

/// A job with what the queue has to know about it.
#[derive(Clone)]
struct Queued {
    task: Arc<dyn Task>,
    work: Work,
    account: u64,
}

/// A job that a thread of the lowest priority is at.
struct Running {
    number: u64,
    queued: Queued,
    since: Instant,
    /// Whether the other kind of thread computes it too, since this one gets no processor.
    helped: bool,
}

struct State {
    queue: FairQueue<Queued>,
    running: Vec<Running>,
    next_number: u64,
    /// What a hash takes of a processor, about.
    cost: Duration,
    /// What a job takes from its begin to its end, about.
    pace: Duration,
    hold_back_until: Option<Instant>,
    closed: bool,
}

struct Shared {
    options: ComputeOptions,
    state: Mutex<State>,
    wake: Condvar,
    wake_floor: Condvar,
}

impl ComputeLane {
    /// Starts the threads.
    pub(in crate::service) fn start(name: &'static str, options: ComputeOptions) -> Self {
        let state = State {
            queue: FairQueue::new(options.queue),
            running: Vec::new(),
            next_number: 0,
            cost: FIRST_GUESS,
            pace: Duration::ZERO,
            hold_back_until: None,
            closed: false,
        };
        let shared = Shared { options, state: Mutex::new(state), wake: Condvar::new(), wake_floor: Condvar::new() };
        let lane = Self { shared: Arc::new(shared) };
        for number in 0..options.threads {
            lane.spawn(&format!("{name}-{number}"), |shared| {
                lower_priority();
                shared.work();
            });
        }
        lane.spawn(&format!("{name}-floor"), Shared::work_at_the_floor);
        lane
    }

    fn spawn(&self, name: &str, life: fn(&Shared)) {
        let shared = Arc::clone(&self.shared);
        if let Err(error) = thread::Builder::new().name(name.to_owned()).spawn(move || life(&shared)) {
            log::error!("no thread {name}: {error}");
        }
    }

    /// Runs `work` on a thread of the lane, unless nobody waits for it any more; the answer is an error
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
        let mut state = self.shared.lock();
        let refused = if state.closed || state.wait_for(share, self.shared.options) > self.shared.options.patience {
            Some(queued)
        } else {
            state.queue.push(queued, share, Instant::now())
        };
        drop(state);
        if let Some(refused) = refused {
            refused.task.abandon();
        }
        self.shared.wake.notify_one();
        self.shared.wake_floor.notify_one();
        answer
    }

    /// Ends the threads once nothing waits.
    pub(in crate::service) fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
        self.shared.wake_floor.notify_all();
    }
}

impl State {
    /// How long a new job would wait, about.
    fn wait_for(&self, share: crate::service::throttle::Share, options: ComputeOptions) -> Duration {
        let ahead = u32::try_from(self.queue.ahead(share)).unwrap_or(u32::MAX);
        let each = if self.is_holding_back(Instant::now()) {
            self.cost.saturating_mul(FLOOR_SHARE)
        } else {
            self.pace / u32::try_from(options.threads.max(1)).unwrap_or(u32::MAX)
        };
        each.saturating_mul(ahead)
    }

    fn is_holding_back(&self, now: Instant) -> bool {
        self.hold_back_until.is_some_and(|until| until > now)
    }

    /// The next job; large ones of one account take turns.
    fn take(&mut self) -> Option<(Queued, Instant)> {
        loop {
            let running = &self.running;
            let may = |queued: &Queued| {
                let same =
                    |other: &Running| other.queued.work == Work::LargeHash && other.queued.account == queued.account;
                queued.work != Work::LargeHash || !running.iter().any(same)
            };
            let taken = self.queue.pop(may)?;
            if taken.job.task.is_wanted() {
                return Some((taken.job, taken.since));
            }
        }
    }

    /// Notes that a job is computed; `helped`, where it needs no help.
    fn begin(&mut self, queued: Queued, now: Instant, helped: bool) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.running.push(Running { number, queued, since: now, helped });
        number
    }

    /// Notes the end of a job, and says whether the other kind of thread had to help.
    fn end(&mut self, number: u64) -> bool {
        let helped = self.running.iter().any(|running| running.number == number && running.helped);
        self.running.retain(|running| running.number != number);
        helped
    }

    /// A job that has been computed for much longer than it takes, because its thread gets no processor.
    fn take_starving(&mut self, now: Instant) -> Option<Queued> {
        let patience = self.cost * 2 + FLOOR_PATIENCE;
        let starving = self.running.iter_mut().find(|running| {
            !running.helped
                && running.queued.work != Work::Ask
                && now.saturating_duration_since(running.since) > patience
                && running.queued.task.is_wanted()
        })?;
        starving.helped = true;
        Some(starving.queued.clone())
    }

    /// Learns from a job how long such jobs take. One that had to be `helped` says nothing of the pace.
    fn learn(&mut self, spent: Spent, work: Work, helped: bool) {
        let blend = |old: Duration, new: Duration| if old.is_zero() { new } else { (old * 3 + new) / 4 };
        if !helped {
            self.pace = blend(self.pace, spent.wall);
        }
        if work != Work::Ask {
            self.cost = blend(self.cost, spent.cpu);
        }
    }
}

/// What a job took.
#[derive(Clone, Copy)]
struct Spent {
    cpu: Duration,
    wall: Duration,
}

/// Does a job. A panic costs the job alone: whoever waits is told.
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

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a thread of the lowest priority.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let holding_back = !state.closed && state.is_holding_back(now);
            let taken = if holding_back { None } else { state.take() };
            if let Some((queued, _)) = taken {
                let number = state.begin(queued.clone(), now, false);
                drop(state);
                let spent = perform(&queued);
                state = self.lock();
                let helped = state.end(number);
                if helped && spent.wall > spent.cpu * 3 {
                    state.hold_back_until = Some(Instant::now() + HOLD_BACK);
                }
                state.learn(spent, queued.work, helped);
            } else if state.closed && state.queue.is_empty() {
                return;
            } else if holding_back || !state.queue.is_empty() {
                (state, _) = self.wake.wait_timeout(state, FLOOR_PATIENCE).unwrap_or_else(PoisonError::into_inner);
            } else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// The life of the thread of ordinary priority.
    fn work_at_the_floor(&self) {
        let mut state = self.lock();
        loop {
            if state.closed && state.queue.is_empty() {
                return;
            }
            let now = Instant::now();
            let Some(queued) = Self::needed(&mut state, now) else {
                state = if state.queue.is_empty() && state.running.is_empty() {
                    self.wake_floor.wait(state).unwrap_or_else(PoisonError::into_inner)
                } else {
                    self.wake_floor.wait_timeout(state, FLOOR_LOOKS).unwrap_or_else(PoisonError::into_inner).0
                };
                continue;
            };
            let number = state.begin(queued.clone(), now, true);
            drop(state);
            let spent = perform(&queued);
            state = self.lock();
            state.end(number);
            state.learn(spent, queued.work, false);
            state = self.rest(state, now + spent.cpu * FLOOR_SHARE);
        }
    }

    /// The job that the thread of ordinary priority should do now, if any.
    fn needed(state: &mut State, now: Instant) -> Option<Queued> {
        if let Some(starving) = state.take_starving(now) {
            state.hold_back_until = Some(now + HOLD_BACK);
            return Some(starving);
        }
        let waited_for_long =
            state.queue.iter().any(|waiting| now.saturating_duration_since(waiting.since) > FLOOR_PATIENCE);
        if !waited_for_long {
            return None;
        }
        if state.is_holding_back(now) && !state.running.is_empty() {
            // They still starve: what they hold on to has not come to an end.
            state.hold_back_until = Some(now + HOLD_BACK);
        }
        state.take().map(|(queued, _)| queued)
    }

    /// Waits until then, or for the end.
    fn rest<'a>(&'a self, mut state: MutexGuard<'a, State>, until: Instant) -> MutexGuard<'a, State> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || state.closed {
                return state;
            }
            (state, _) = self.wake_floor.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
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
