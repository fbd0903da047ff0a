//! The threads on which requests of administrators run: a bounded queue of their own, so that neither checks nor logins
//! wait for a search or for the end of many sessions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Admin, AdminError};
use crate::domain::audit::{Actor, Origin};
use crate::service::Unavailable;
use crate::threads::{Duty, Next, Options, Worker};

/// The name of the threads, in the log.
const NAME: &str = "administration";

/// How many requests are worked on at once.
const THREADS: usize = 4;

/// How many of them may take long, so that lists are still answered while many sessions are being ended.
const LONG_AT_ONCE: usize = 2;

/// How many of them may compute: the processor belongs to checks and logins.
const COMPUTING_AT_ONCE: usize = 1;

/// How many requests may wait; further ones are refused for now.
const QUEUE: usize = 64;

/// How long a request waits for its answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a request waits for its answer if its work has no bound.
const LONG_PATIENCE: Duration = Duration::from_secs(3600);

/// How long a piece of work may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// A page of a list, or a change of one row.
    Short,
    /// Work on any number of rows.
    Long,
    /// A password to hash, or a key to make.
    Computing,
}

/// Who makes a request, and from where.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The administrator.
    pub actor: Actor,
    /// Where the request came from.
    pub origin: Origin,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The use case was refused, or its store failed.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The outcome is unknown, or the work was not started.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Runs the use cases of administrators for asynchronous callers; clones share the threads.
#[derive(Clone)]
pub struct Desk(Arc<Threads>);

struct Threads(Worker<Administration>);

/// The threads end with the last handle.
impl Drop for Threads {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The duty of the threads. The actor and the origin in it are replaced by those of each request.
struct Administration(Admin);

type Job = Box<dyn FnOnce(&Admin) + Send>;

#[derive(Default)]
struct Waiting {
    short: VecDeque<Job>,
    long: VecDeque<Job>,
    computing: VecDeque<Job>,
    /// How many threads are busy with long work.
    long_running: usize,
    /// How many threads wait for a computation.
    computing_running: usize,
}

struct Task {
    job: Job,
    length: Length,
}

impl Desk {
    /// Starts the threads. Each request is worked on by a copy of `admin` with its own actor and origin.
    pub fn new(admin: Admin) -> Self {
        let options = Options { name: NAME, threads: THREADS, supervised: false };
        let worker = Worker::new(options, Administration(admin), Waiting::default());
        worker.start_or_log();
        Self(Arc::new(Threads(worker)))
    }

    /// Runs `work` on one of the threads. It runs to its end even if the caller does not wait for the answer.
    ///
    /// # Errors
    /// The error of `work`; or that there was no room, or no answer in time.
    pub async fn run<T: Send + 'static>(
        &self,
        caller: Caller,
        length: Length,
        work: impl FnOnce(&Admin) -> Result<T, AdminError> + Send + 'static,
    ) -> Result<T, DeskError> {
        let (reply, answer) = oneshot::channel();
        let job = move |admin: &Admin| {
            let Caller { actor, origin } = caller;
            // The caller may be gone, but work that was started is finished.
            let _ = reply.send(work(&Admin { actor, origin, ..admin.clone() }));
        };
        let refused = self.worker().put(Box::new(job) as Job, |waiting, job| waiting.push(job, length));
        if refused.is_err() {
            return Err(Unavailable::Busy.into());
        }
        let patience = match length {
            Length::Short => PATIENCE,
            // At the lowest priority, it may have to wait for the processor.
            Length::Long | Length::Computing => LONG_PATIENCE,
        };
        match tokio::time::timeout(patience, answer).await {
            Ok(Ok(outcome)) => Ok(outcome?),
            // The sender is gone only if the work panicked.
            Ok(Err(_)) => Err(Unavailable::Lost.into()),
            Err(_) => Err(Unavailable::TimedOut(NAME).into()),
        }
    }

    /// Finishes waiting requests within `limit`, then ends the threads. Further requests are refused.
    pub fn close(&self, limit: Duration) {
        self.worker().close();
        self.worker().drain(Instant::now() + limit);
    }

    fn worker(&self) -> &Worker<Administration> {
        &self.0.0
    }
}

impl Waiting {
    fn push(&mut self, job: Job, length: Length) -> Result<(), Job> {
        if self.short.len() + self.long.len() + self.computing.len() >= QUEUE {
            return Err(job);
        }
        match length {
            Length::Short => self.short.push_back(job),
            Length::Long => self.long.push_back(job),
            Length::Computing => self.computing.push_back(job),
        }
        Ok(())
    }

    fn pop(&mut self) -> Option<Task> {
        if self.long_running < LONG_AT_ONCE
            && let Some(job) = self.long.pop_front()
        {
            self.long_running += 1;
            return Some(Task { job, length: Length::Long });
        }
        if self.computing_running < COMPUTING_AT_ONCE
            && let Some(job) = self.computing.pop_front()
        {
            self.computing_running += 1;
            return Some(Task { job, length: Length::Computing });
        }
        self.short.pop_front().map(|job| Task { job, length: Length::Short })
    }
}

impl Duty for Administration {
    type Queue = Waiting;
    type Task = Task;
    /// The length of the work that the thread has just done.
    type Own = Option<Length>;

    fn begin(&self, _: u64) -> Self::Own {
        None
    }

    fn next(&self, done: &mut Self::Own, waiting: &mut Waiting, is_closed: bool) -> Next<Task> {
        match done.take() {
            Some(Length::Long) => waiting.long_running = waiting.long_running.saturating_sub(1),
            Some(Length::Computing) => waiting.computing_running = waiting.computing_running.saturating_sub(1),
            Some(Length::Short) | None => {}
        }
        match waiting.pop() {
            Some(task) => {
                *done = Some(task.length);
                Next::Do(task)
            }
            // Long work and computations that still wait are left to the threads that are busy with such work.
            None if is_closed => Next::End,
            None => Next::Wait(None),
        }
    }

    fn perform(&self, _: &mut Self::Own, task: Task) {
        (task.job)(&self.0);
    }
}
