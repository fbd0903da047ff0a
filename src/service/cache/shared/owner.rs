//! The thread that owns the feed, and its polls.
//!
//! Waiting batches are taken all at once, for a poll that is sent after the last of them arrived.
//! Invalidations are applied before rows are cached, and both before a check is answered.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::super::table::{Cache, Generation};
use super::batch::{Batch, RowRequest, TakenBatches};
use super::connector::Connector;
use super::sync::{Arc, Instant, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use super::worker::{Duty, Next, Options, SILENT_AFTER, Worker};
use crate::domain::client::ClientRecord;
use crate::domain::session::TokenRecord;
use crate::domain::token::TokenDigest;
use crate::service::Unavailable;
use crate::store::{FeedUpdate, Invalidation, RevocationFeed, Store, StoreError, StoreResult};

/// How many checks may wait; more are refused.
const MAX_WAITING_CHECKS: usize = 16_384;

/// After a poll that served several checks, at least this time passes before the next one begins, counted
/// from start to start. More checks join the next poll meanwhile, and a check costs less.
const MIN_POLL_INTERVAL: Duration = Duration::from_micros(200);

/// Waiting batches, and the cache.
pub(super) struct Polls {
    worker: Worker<PollFeed>,
}

/// The duty of the owner.
struct PollFeed {
    store: Arc<dyn Store>,
    /// How long a feed may be idle before it is probed, so that no check finds its connection dead.
    probe_after: Duration,
    memory: RwLock<Memory>,
}

/// The cache, and which owner may change it.
struct Memory {
    cache: Cache,
    owner: Option<u64>,
}

/// What an owner keeps from poll to poll.
struct Owner {
    number: u64,
    /// Created when it is needed, and dropped when it fails.
    feed: Connector<Box<dyn RevocationFeed>>,
    /// The next poll does not begin before this moment.
    not_before: Option<Instant>,
}

/// What an owner does next.
enum Task {
    Serve(TakenBatches),
    Probe,
}

impl Polls {
    /// Starts the owner. It connects when the first check arrives.
    pub(super) fn start(store: Arc<dyn Store>, capacity: usize, probe_after: Duration) -> Self {
        let memory = RwLock::new(Memory { cache: Cache::new(capacity), owner: None });
        let duty = PollFeed { store, probe_after, memory };
        let worker = Worker::new(Options { name: "cache", threads: 1, supervised: true }, duty, VecDeque::new());
        worker.start_or_log();
        Self { worker }
    }

    /// The cache.
    pub(super) fn remembered<T>(&self, look: impl FnOnce(&Cache) -> T) -> T {
        let memory = &self.worker.duty().memory;
        let memory: RwLockReadGuard<'_, Memory> = memory.read().unwrap_or_else(PoisonError::into_inner);
        look(&memory.cache)
    }

    /// Keeps a client that was read after this generation had begun.
    pub(super) fn keep_client(&self, at: Generation, record: std::sync::Arc<ClientRecord>) {
        self.worker.duty().write().cache.keep_client(at, record);
    }

    /// Hands over a batch; a poll that begins after this call answers it.
    pub(super) fn enqueue(&self, batch: Arc<Batch>) {
        let refused = self.worker.put(batch, |batches, batch| {
            let mut checks = batch.waiting();
            // Batches for which no check waits any more need no slot.
            batches.retain(|batch: &Arc<Batch>| {
                let waiting = batch.waiting();
                checks += waiting;
                waiting > 0
            });
            if checks > MAX_WAITING_CHECKS {
                return Err(batch);
            }
            batches.push_back(batch);
            Ok(())
        });
        if let Err(batch) = refused {
            let error = StoreError::Busy("too many checks wait for the database".to_owned());
            batch.answer(Err(error.into()));
        }
    }

    /// Finishes waiting batches, then ends the owner.
    pub(super) fn close(&self) {
        self.worker.close();
    }

    /// After [`Polls::close`]: waits until all batches are finished, but not for an owner that hangs.
    pub(super) fn drain(&self, until: Instant) {
        self.worker.drain(until);
    }
}

impl Duty for PollFeed {
    type Queue = VecDeque<Arc<Batch>>;
    type Task = Task;
    type Own = Owner;

    fn begin(&self, number: u64) -> Owner {
        let mut memory = self.write();
        // An owner that was started later may have been faster.
        if memory.owner < Some(number) {
            memory.owner = Some(number);
            memory.cache.clear();
        }
        Owner { number, feed: Connector::new(), not_before: None }
    }

    /// Waiting batches, up to about 1,024 row requests, once other checks have had time to join; or a probe, when it is
    /// due.
    fn next(&self, owner: &mut Owner, batches: &mut Self::Queue, is_closed: bool) -> Next<Task> {
        if batches.is_empty() {
            if is_closed {
                return Next::End;
            }
            return match owner.feed.probe_in(self.probe_after) {
                Some(Duration::ZERO) => {
                    owner.feed.begin_use();
                    Next::Probe(Task::Probe)
                }
                limit => Next::Wait(limit),
            };
        }
        let early = owner.not_before.map(|moment| moment.saturating_duration_since(Instant::now()));
        if let Some(early) = early.filter(|early| !early.is_zero()) {
            return Next::Pause(early);
        }
        owner.feed.begin_use();
        Next::Do(Task::Serve(TakenBatches::from(batches)))
    }

    fn perform(&self, owner: &mut Owner, task: Task) {
        match task {
            Task::Serve(taken) => {
                owner.not_before = (taken.checks > 1).then(|| Instant::now() + MIN_POLL_INTERVAL);
                self.serve(owner, taken);
            }
            Task::Probe => self.probe(owner),
        }
    }
}

impl PollFeed {
    fn write(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the cache, if this owner still may.
    fn change(&self, number: u64, change: impl FnOnce(&mut Cache)) {
        let mut memory = self.write();
        if memory.owner == Some(number) {
            change(&mut memory.cache);
        }
    }

    fn serve(&self, owner: &mut Owner, taken: TakenBatches) {
        if taken.batches.is_empty() {
            return;
        }
        let deadline = taken.batches.iter().map(|(batch, _)| batch.deadline()).min();
        match self.look(owner, &taken.asks, deadline) {
            Ok(mut found) => {
                for (batch, asks) in taken.batches {
                    let rest = found.split_off(asks.min(found.len()));
                    batch.answer(Ok(found));
                    found = rest;
                }
            }
            Err(error) => taken.fail(&Unavailable::Store(error)),
        }
    }

    /// A poll without a check: it finds a broken connection before a check needs it, and leaves a feed
    /// that works.
    fn probe(&self, owner: &mut Owner) {
        // If this fails, the next check reports the error.
        let _ = self.look(owner, &[], Some(Instant::now() + SILENT_AFTER));
    }

    /// A poll. Its invalidations and rows are in the cache before a check is answered.
    fn look(
        &self,
        owner: &mut Owner,
        asks: &[RowRequest],
        deadline: Option<Instant>,
    ) -> StoreResult<Vec<Option<TokenRecord>>> {
        let digests: Vec<TokenDigest> = asks.iter().map(|(_, digest)| *digest).collect();
        let poll = catch_unwind(AssertUnwindSafe(|| {
            let poll = self.poll(owner, &digests, deadline)?;
            self.remember(owner.number, &poll, asks);
            Ok(poll.found)
        }));
        poll.unwrap_or_else(|_| {
            // A change of the cache may be incomplete.
            owner.feed.close();
            self.change(owner.number, Cache::restart);
            Err(StoreError::Failed("a poll was lost".to_owned()))
        })
    }

    /// Applies the invalidations of a poll, and caches its rows.
    fn remember(&self, number: u64, poll: &FeedUpdate, asks: &[RowRequest]) {
        let FeedUpdate { invalidation, found, cacheable } = poll;
        let nothing_new = matches!(invalidation, Invalidation::Revoked(revoked) if revoked.is_empty());
        let is_followed = || self.memory.read().unwrap_or_else(PoisonError::into_inner).cache.generation().is_some();
        if nothing_new && found.iter().all(Option::is_none) && *cacheable == is_followed() {
            return;
        }
        self.change(number, |cache| {
            cache.forget(invalidation);
            cache.follow(*cacheable);
            if *cacheable {
                let found = asks.iter().zip(found);
                found.for_each(|((key, _), record)| record.iter().for_each(|record| cache.keep(*key, record)));
            }
        });
    }

    /// A poll, and if the connection broke, another one on a new connection: it only reads.
    fn poll(&self, owner: &mut Owner, digests: &[TokenDigest], deadline: Option<Instant>) -> StoreResult<FeedUpdate> {
        let was_open = owner.feed.is_open();
        let first = self.try_poll(owner, digests);
        match &first {
            Err(error)
                if was_open && error.is_broken_connection() && deadline.is_some_and(|end| Instant::now() < end) =>
            {
                self.try_poll(owner, digests)
            }
            Ok(_) | Err(_) => first,
        }
    }

    fn try_poll(&self, owner: &mut Owner, digests: &[TokenDigest]) -> StoreResult<FeedUpdate> {
        // Taken, so that a feed that fails or panics is not used again.
        let mut feed = match owner.feed.take() {
            Some(feed) => feed,
            None => {
                // A new feed reports nothing from before its start.
                self.change(owner.number, Cache::clear);
                owner.feed.connect(|| self.store.feed())?
            }
        };
        let poll = feed.poll(digests).and_then(|poll| {
            let is_whole = poll.found.len() == digests.len();
            let failed = || StoreError::Failed("the store answered a different number of digests".to_owned());
            is_whole.then_some(poll).ok_or_else(failed)
        });
        match &poll {
            Ok(_) => {
                owner.feed.keep(feed);
            }
            Err(_) => self.change(owner.number, Cache::clear),
        }
        poll
    }
}
