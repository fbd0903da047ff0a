//! A pool of database threads: its queue, and the duty of its threads.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;

use super::link::Link;
use super::sync::{Arc, Instant};
use super::worker::{Duty, Next, Options, Worker};
use crate::domain::session::TokenRecord;
use crate::domain::token::TokenDigest;
use crate::store::{Connection, Store, StoreError, StoreResult};

/// The options of a pool.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct DbPoolOptions {
    /// For thread names and messages.
    pub(in crate::service) name: &'static str,
    /// How many threads work at once.
    pub(in crate::service) threads: usize,
    /// How many jobs one thread takes at most.
    pub(in crate::service) batch: usize,
    /// How many jobs may wait; further ones are refused.
    pub(in crate::service) queue: usize,
    /// Whether waiting steps share a group. Not in pools that only read: a group may
    /// begin by waiting for another writer, and checks would wait too.
    pub(in crate::service) groups: bool,
    /// How long a connection may be idle before it is probed, so that no job finds it dead.
    pub(in crate::service) probe_after: Duration,
}

/// Whether a step runs even if no client waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) enum OnDisconnect {
    /// It is skipped if it has not begun: no client could use the result.
    Cancel,
    /// It runs anyway: a session must end even if the client has hung up.
    Finish,
}

/// A queue of database work; clones share it.
#[derive(Clone)]
pub(in crate::service) struct DbPool {
    worker: Worker<DatabaseWork>,
}

/// The duty of the threads.
struct DatabaseWork {
    options: DbPoolOptions,
    store: Arc<dyn Store>,
}

/// What a thread does next.
enum Task {
    Serve(Vec<Job>),
    Probe,
}

enum Job {
    Find(TokenDigest, oneshot::Sender<StoreResult<Option<TokenRecord>>>),
    Step(Box<dyn QueuedStep>),
}

impl DbPool {
    /// Starts the pool's threads. They connect when the first job arrives.
    pub(in crate::service) fn start(options: DbPoolOptions, store: Arc<dyn Store>) -> Self {
        let DbPoolOptions { name, threads, .. } = options;
        let duty = DatabaseWork { options, store };
        let worker = Worker::new(Options { name, threads, supervised: true }, duty, VecDeque::new());
        worker.start_or_log();
        Self { worker }
    }

    /// Finds what is known of `digest`, in a read sent after this call.
    pub(in crate::service) fn find(&self, digest: TokenDigest) -> oneshot::Receiver<StoreResult<Option<TokenRecord>>> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::Find(digest, reply));
        answer
    }

    /// Runs `work` on a connection of the pool; the answer comes once its writes are durable.
    pub(in crate::service) fn run<T: Send + 'static>(
        &self,
        wanted: OnDisconnect,
        work: impl FnOnce(&mut dyn Connection) -> StoreResult<T> + Send + 'static,
    ) -> oneshot::Receiver<StoreResult<T>> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job::Step(Box::new(Work { wanted, work: Some(work), outcome: None, reply })));
        answer
    }

    fn enqueue(&self, job: Job) {
        let DbPoolOptions { name, queue: most, .. } = self.worker.duty().options;
        let refused = self.worker.put(job, |jobs, job| {
            if jobs.len() >= most {
                return Err(job);
            }
            jobs.push_back(job);
            Ok(())
        });
        if let Err(job) = refused {
            job.fail(&StoreError::Busy(format!("the {name} queue is full")));
        }
    }

    /// Finishes waiting jobs, then ends the threads.
    pub(in crate::service) fn close(&self) {
        self.worker.close();
    }

    /// After [`DbPool::close`]: waits until all jobs are finished, but not for threads that hang.
    pub(in crate::service) fn drain(&self, until: Instant) {
        self.worker.drain(until);
    }
}

impl Duty for DatabaseWork {
    type Queue = VecDeque<Job>;
    type Task = Task;
    type Own = Link;

    fn begin(&self, _: u64) -> Link {
        Link::new(Arc::clone(&self.store))
    }

    /// All waiting jobs, up to a batch; or a probe, when it is due.
    fn next(&self, link: &mut Link, jobs: &mut VecDeque<Job>, is_closed: bool) -> Next<Task> {
        if !jobs.is_empty() {
            link.connector.begin_use();
            let count = jobs.len().min(self.options.batch);
            return Next::Do(Task::Serve(jobs.drain(..count).collect()));
        }
        if is_closed {
            return Next::End;
        }
        match link.connector.probe_in(self.options.probe_after) {
            Some(Duration::ZERO) => {
                link.connector.begin_use();
                Next::Probe(Task::Probe)
            }
            limit => Next::Wait(limit),
        }
    }

    fn perform(&self, link: &mut Link, task: Task) {
        match task {
            Task::Serve(jobs) => serve(link, self.options.groups, jobs),
            Task::Probe => link.probe(),
        }
    }

    /// A panic in a job fails its batch and drops the connection.
    fn recover(&self, link: &mut Link) {
        link.close();
    }
}

/// Runs jobs, and answers them.
fn serve(link: &mut Link, groups: bool, jobs: Vec<Job>) {
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

fn find(link: &mut Link, digests: &[TokenDigest], replies: Vec<oneshot::Sender<StoreResult<Option<TokenRecord>>>>) {
    let is_wanted = || replies.iter().any(|reply| !reply.is_closed());
    let found = link.step(&is_wanted).find_many(digests);
    match found {
        Ok(records) if records.len() == replies.len() => {
            for (reply, record) in replies.into_iter().zip(records) {
                let _ = reply.send(Ok(record));
            }
        }
        Ok(_) => {
            let error = StoreError::Failed("the store answered a different number of digests".to_owned());
            replies.into_iter().for_each(|reply| drop(reply.send(Err(error.clone()))));
        }
        Err(error) => replies.into_iter().for_each(|reply| drop(reply.send(Err(error.clone())))),
    }
}

fn run(link: &mut Link, mut steps: Vec<Box<dyn QueuedStep>>) {
    // The time before this may have been long, such as an attempt to connect.
    steps.retain(|step| step.is_wanted());
    let outcome = match &mut *steps {
        [] => return,
        // A single step is atomic and durable by itself.
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
trait QueuedStep: Send {
    fn is_wanted(&self) -> bool;
    fn run(&mut self, connection: &mut dyn Connection);
    /// As [`QueuedStep::run`], but repeats what can be repeated if the connection breaks.
    fn run_alone(&mut self, link: &mut Link);
    fn broke_connection(&self) -> bool;
    fn deliver(self: Box<Self>, committed: StoreResult<()>);
}

struct Work<T, F> {
    wanted: OnDisconnect,
    work: Option<F>,
    outcome: Option<StoreResult<T>>,
    reply: oneshot::Sender<StoreResult<T>>,
}

impl<T, F> QueuedStep for Work<T, F>
where
    T: Send,
    F: FnOnce(&mut dyn Connection) -> StoreResult<T> + Send,
{
    fn is_wanted(&self) -> bool {
        self.wanted == OnDisconnect::Finish || !self.reply.is_closed()
    }

    fn run(&mut self, connection: &mut dyn Connection) {
        self.outcome = self.work.take().map(|work| work(connection));
    }

    fn run_alone(&mut self, link: &mut Link) {
        let Self { wanted, work, outcome, reply } = self;
        let is_wanted = || *wanted == OnDisconnect::Finish || !reply.is_closed();
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
