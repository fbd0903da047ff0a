//! The lane of a database: its queue and the life of its threads.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::sync::oneshot;

use super::link::Link;
use super::sync::{Arc, Condvar, Instant, Mutex, MutexGuard, PoisonError, thread};
use crate::session::TokenRecord;
use crate::store::{Connection, Store, StoreError, StoreResult};
use crate::token::TokenDigest;

/// A thread that works on one batch for longer than this is given up and replaced.
const SILENT_FOR: Duration = Duration::from_secs(2);

/// At most this many given-up threads may be waiting for their database at once.
const MAX_ABANDONED: usize = 8;

/// How a lane is set up.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct LaneOptions {
    /// For thread names and messages.
    pub(in crate::service) name: &'static str,
    /// How many threads work at once.
    pub(in crate::service) threads: usize,
    /// How many jobs one thread takes at most.
    pub(in crate::service) batch: usize,
    /// How many jobs may wait; one more is refused.
    pub(in crate::service) queue: usize,
    /// Whether steps that wait together share a group. Not where they only read: a group may
    /// begin by waiting for another writer, and checks would wait with it.
    pub(in crate::service) groups: bool,
    /// A connection that was idle for so long is probed, lest a job find that it is dead.
    pub(in crate::service) probe_after: Duration,
}

/// Whether a step is still wanted once nobody waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum Wanted {
    /// Skipped if it has not begun: nobody could use what it makes.
    WhileAwaited,
    /// Done all the same: ending a session is wanted even if the client has hung up.
    Always,
}

/// A queue of database work; clones share it.
#[derive(Clone)]
pub(in crate::service) struct Lane {
    shared: Arc<Shared>,
}

struct Shared {
    options: LaneOptions,
    store: Arc<dyn Store>,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    workers: Vec<Worker>,
    abandoned: usize,
    next_worker: u64,
    closed: bool,
}

/// A thread of the lane, and since when it has been busy with one batch.
struct Worker {
    number: u64,
    busy_since: Option<Instant>,
    /// Whether it is busy with a probe of its connection.
    is_probing: bool,
}

/// What a thread is to do.
enum Task {
    Serve(Vec<Job>),
    Probe,
}

enum Job {
    Find(TokenDigest, oneshot::Sender<StoreResult<Option<TokenRecord>>>),
    Step(Box<dyn Step>),
}

impl Lane {
    /// Starts the lane's threads. They connect when the first job comes.
    pub(in crate::service) fn start(options: LaneOptions, store: Arc<dyn Store>) -> Self {
        let lane = Self { shared: Arc::new(Shared { options, store, state: Mutex::default(), wake: Condvar::new() }) };
        let mut state = lane.shared.lock();
        for _ in 0..options.threads {
            lane.shared.spawn_worker(&mut state);
        }
        drop(state);
        lane
    }

    /// Finds what is known of `digest`, in a read sent after this call.
    pub(in crate::service) fn find(&self, digest: TokenDigest) -> oneshot::Receiver<StoreResult<Option<TokenRecord>>> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::Find(digest, reply));
        answer
    }

    /// Runs `work` on a connection of the lane; the answer comes once its writes are durable.
    pub(in crate::service) fn run<T: Send + 'static>(
        &self,
        wanted: Wanted,
        work: impl FnOnce(&mut dyn Connection) -> StoreResult<T> + Send + 'static,
    ) -> oneshot::Receiver<StoreResult<T>> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::Step(Box::new(Work { wanted, work: Some(work), outcome: None, reply })));
        answer
    }

    fn enqueue(&self, job: Job) {
        let mut state = self.shared.lock();
        if state.closed || state.jobs.len() >= self.shared.options.queue {
            drop(state);
            job.fail(&StoreError::Busy(format!("the {} queue is full", self.shared.options.name)));
            return;
        }
        state.jobs.push_back(job);
        self.shared.replace_silent(&mut state);
        drop(state);
        self.shared.wake.notify_one();
    }

    /// Finishes what waits, then ends the threads.
    pub(in crate::service) fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }

    /// After [`Lane::close`]: waits until all is finished, but not for threads that hang.
    pub(in crate::service) fn drain(&self, until: Instant) {
        let mut state = self.shared.lock();
        while !state.workers.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            (state, _) = self.shared.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn_worker(self: &Arc<Self>, state: &mut State) {
        let number = state.next_worker;
        let shared = Arc::clone(self);
        let spawned =
            thread::Builder::new().name(format!("{}-{number}", self.options.name)).spawn(move || shared.work(number));
        match spawned {
            Ok(_) => {
                state.next_worker += 1;
                state.workers.push(Worker { number, busy_since: None, is_probing: false });
            }
            Err(error) => log::error!("no thread for the {} lane: {error}", self.options.name),
        }
    }

    /// Gives up threads that have been silent for too long, and starts others in their place.
    fn replace_silent(self: &Arc<Self>, state: &mut State) {
        let silent = |worker: &Worker| worker.busy_since.is_some_and(|since| since.elapsed() > SILENT_FOR);
        while state.abandoned < MAX_ABANDONED {
            let Some(index) = state.workers.iter().position(silent) else { break };
            state.workers.swap_remove(index);
            state.abandoned += 1;
            log::warn!("a thread of the {} lane is silent; it is replaced", self.options.name);
            self.spawn_worker(state);
        }
        // A probe may hang for as long as a dead connection is silent: no job waits for that.
        while state.abandoned < MAX_ABANDONED && state.workers.iter().all(|worker| worker.busy_since.is_some()) {
            let Some(index) = state.workers.iter().position(|worker| worker.is_probing) else { break };
            state.workers.swap_remove(index);
            state.abandoned += 1;
            self.spawn_worker(state);
        }
        // A lane whose threads could not be started gets them when there is work.
        while state.workers.len() < self.options.threads && state.abandoned < MAX_ABANDONED {
            let before = state.workers.len();
            self.spawn_worker(state);
            if state.workers.len() == before {
                break;
            }
        }
    }

    /// The life of one thread.
    fn work(&self, number: u64) {
        let mut link = Link::new(&*self.store);
        while let Some(task) = self.take(number, link.is_open()) {
            let work = || match task {
                Task::Serve(jobs) => serve(&mut link, self.options.groups, jobs),
                Task::Probe => link.probe(),
            };
            // A panic in a job costs its batch and the connection, never the thread.
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                link.close();
            }
            if !self.finish(number) {
                return;
            }
        }
        self.lock().workers.retain(|worker| worker.number != number);
        self.wake.notify_all();
    }

    /// Waits for jobs and takes them, or for the time of a probe if there is a connection; `None`
    /// when the lane is closed and empty.
    fn take(&self, number: u64, is_connected: bool) -> Option<Task> {
        let mut idle_since = None;
        let mut state = self.lock();
        loop {
            if !state.jobs.is_empty() {
                let count = state.jobs.len().min(self.options.batch);
                let jobs = state.jobs.drain(..count).collect();
                state.begin(number, false);
                return Some(Task::Serve(jobs));
            }
            if state.closed {
                return None;
            }
            if !is_connected {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let idle_for = idle_since.get_or_insert_with(Instant::now).elapsed();
            let left = self.options.probe_after.saturating_sub(idle_for);
            if left.is_zero() {
                state.begin(number, true);
                return Some(Task::Probe);
            }
            (state, _) = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that the batch is done. `false` if the thread was given up meanwhile.
    fn finish(&self, number: u64) -> bool {
        let mut state = self.lock();
        if let Some(worker) = state.workers.iter_mut().find(|worker| worker.number == number) {
            worker.busy_since = None;
            worker.is_probing = false;
            true
        } else {
            state.abandoned = state.abandoned.saturating_sub(1);
            false
        }
    }
}

impl State {
    /// Notes that a thread has something to do.
    fn begin(&mut self, number: u64, is_probing: bool) {
        if let Some(worker) = self.workers.iter_mut().find(|worker| worker.number == number) {
            worker.busy_since = Some(Instant::now());
            worker.is_probing = is_probing;
        }
    }
}

/// Does jobs, and answers them.
fn serve(link: &mut Link<'_>, groups: bool, jobs: Vec<Job>) {
    let mut digests = Vec::new();
    let mut replies = Vec::new();
    let mut steps = Vec::new();
    for job in jobs {
        match job {
            Job::Find(_, reply) if reply.is_closed() => {}
            Job::Find(digest, reply) => {
                digests.push(digest);
                replies.push(reply);
            }
            Job::Step(step) => steps.push(step),
        }
    }
    if !digests.is_empty() {
        find(link, &digests, replies);
    }
    if groups {
        run(link, steps);
    } else {
        steps.into_iter().for_each(|step| run(link, vec![step]));
    }
}

fn find(link: &mut Link<'_>, digests: &[TokenDigest], replies: Vec<oneshot::Sender<StoreResult<Option<TokenRecord>>>>) {
    let is_wanted = || replies.iter().any(|reply| !reply.is_closed());
    let found = link.step(&is_wanted).find_many(digests);
    match found {
        Ok(records) if records.len() == replies.len() => {
            for (reply, record) in replies.into_iter().zip(records) {
                let _ = reply.send(Ok(record));
            }
        }
        Ok(_) => {
            let error = StoreError::Failed("the store answered another number of digests".to_owned());
            replies.into_iter().for_each(|reply| drop(reply.send(Err(error.clone()))));
        }
        Err(error) => replies.into_iter().for_each(|reply| drop(reply.send(Err(error.clone())))),
    }
}

fn run(link: &mut Link<'_>, mut steps: Vec<Box<dyn Step>>) {
    // What came before may have taken long, such as a try to connect.
    steps.retain(|step| step.is_wanted());
    let outcome = match &mut *steps {
        [] => return,
        // A lone step is atomic and durable by itself.
        [lone] => {
            lone.run_alone(link);
            Ok(())
        }
        many => {
            let outcome =
                link.step(&|| true).group(&mut |connection| many.iter_mut().for_each(|step| step.run(connection)));
            if many.iter().any(|step| step.broke_connection()) {
                link.close();
            }
            outcome
        }
    };
    for step in steps {
        step.deliver(outcome.clone());
    }
}

impl Job {
    fn fail(self, error: &StoreError) {
        match self {
            Self::Find(_, reply) => drop(reply.send(Err(error.clone()))),
            Self::Step(step) => step.deliver(Err(error.clone())),
        }
    }
}

/// A piece of work whose answer waits until its writes are durable.
trait Step: Send {
    fn is_wanted(&self) -> bool;
    fn run(&mut self, connection: &mut dyn Connection);
    /// As [`Step::run`], and what can be repeated is repeated if the connection breaks.
    fn run_alone(&mut self, link: &mut Link<'_>);
    fn broke_connection(&self) -> bool;
    fn deliver(self: Box<Self>, committed: StoreResult<()>);
}

struct Work<T, F> {
    wanted: Wanted,
    work: Option<F>,
    outcome: Option<StoreResult<T>>,
    reply: oneshot::Sender<StoreResult<T>>,
}

impl<T, F> Step for Work<T, F>
where
    T: Send,
    F: FnOnce(&mut dyn Connection) -> StoreResult<T> + Send,
{
    fn is_wanted(&self) -> bool {
        self.wanted == Wanted::Always || !self.reply.is_closed()
    }

    fn run(&mut self, connection: &mut dyn Connection) {
        self.outcome = self.work.take().map(|work| work(connection));
    }

    fn run_alone(&mut self, link: &mut Link<'_>) {
        let Self { wanted, work, outcome, reply } = self;
        let is_wanted = || *wanted == Wanted::Always || !reply.is_closed();
        *outcome = work.take().map(|work| work(&mut link.step(&is_wanted)));
    }

    fn broke_connection(&self) -> bool {
        matches!(&self.outcome, Some(Err(error)) if error.is_broken_connection())
    }

    fn deliver(self: Box<Self>, committed: StoreResult<()>) {
        let never_ran = || Err(StoreError::Unavailable("the step was not run".to_owned()));
        let Self { outcome, reply, .. } = *self;
        let _ = reply.send(committed.and_then(|()| outcome.unwrap_or_else(never_ran)));
    }
}
