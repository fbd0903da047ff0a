//! The thread that makes the calls, so that a blocking handler of the application cannot delay the checks of others.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::answer;
use crate::connection::{CallError, Connection};
use crate::queue::{Batch, Queue};

/// The interval between two warnings of a connection. A server that is down would fill the log.
const COMPLAINS_EVERY: Duration = Duration::from_secs(1);

/// Starts the thread. It ends when the queue is closed.
pub(crate) fn start(queue: &Arc<Queue>, connection: Connection, manner: Manner) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let queue = Arc::clone(queue);
    let run = async move {
        let mut callers = JoinSet::new();
        let call = || Caller::new(&queue, connection.another(), manner).run();
        for _ in 0..manner.calls {
            callers.spawn(call());
        }
        while let Some(ended) = callers.join_next().await {
            // Its batch failed with it; later batches need another caller.
            if let Err(error) = ended {
                log::error!("a call ended by itself and is replaced: {error}");
                callers.spawn(call());
            }
        }
    };
    thread::Builder::new().name("knoxide-remote".to_owned()).spawn(move || runtime.block_on(run))?;
    Ok(())
}

/// How calls are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// How many at once.
    pub(crate) calls: usize,
    /// Whether checks count as use of the sessions.
    pub(crate) counts_as_use: bool,
    /// How long a call may take.
    pub(crate) limit: Duration,
}

/// Makes one call after the other.
struct Caller {
    queue: Arc<Queue>,
    connection: Connection,
    manner: Manner,
    complains_at: Instant,
}

impl Caller {
    fn new(queue: &Arc<Queue>, connection: Connection, manner: Manner) -> Self {
        Self { queue: Arc::clone(queue), connection, manner, complains_at: Instant::now() }
    }

    async fn run(mut self) {
        while let Some(batch) = self.queue.take().await {
            self.call(batch).await;
        }
    }

    /// Asks the server about a batch. Its checks fail if there is no complete answer.
    async fn call(&mut self, batch: Batch) {
        let body = batch.body(self.manner.counts_as_use);
        let called = tokio::time::timeout(self.manner.limit, self.connection.call(&body)).await;
        let outcomes = called.unwrap_or(Err(CallError::Slow)).and_then(|answer| {
            let outcomes = answer::read(&answer, batch.len());
            outcomes.ok_or(CallError::Meaningless)
        });
        match outcomes {
            Ok(outcomes) => batch.answer(outcomes),
            Err(error) => self.complain(&error, batch.len()),
        }
    }

    fn complain(&mut self, error: &CallError, checks: usize) {
        let now = Instant::now();
        if now >= self.complains_at {
            self.complains_at = now + COMPLAINS_EVERY;
            log::warn!("{checks} checks could not be made: {error}");
        } else {
            log::debug!("{checks} checks could not be made: {error}");
        }
    }
}
