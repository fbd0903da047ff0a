//! The thread that owns the follower, and what it does in a round.
//!
//! Batches that wait are taken all at once, for a round that is sent after the last of them came.
//! News are applied before what was found is kept, and both before anybody is answered.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::super::cache::Cache;
use super::batch::{Ask, Batch, Taken};
use super::sync::{
    Arc, Condvar, Instant, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, thread,
};
use crate::service::Unavailable;
use crate::session::TokenRecord;
use crate::store::{Follower, News, Round, Store, StoreError, StoreResult};
use crate::token::TokenDigest;

/// How many checks may wait; more are refused.
const QUEUE: usize = 16_384;

/// An owner that is busy with one round for longer than this is given up and replaced.
const SILENT_FOR: Duration = Duration::from_secs(2);

/// At most this many given-up owners may be waiting for their database at once.
const MAX_ABANDONED: usize = 8;

/// After a failed connect, checks fail at once for this long instead of trying again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// A round after one that served several checks begins at the earliest so long after its start:
/// meanwhile others join it, and all cost less.
const GATHER: Duration = Duration::from_micros(200);

/// Batches that wait for a round, and what is remembered of earlier ones.
pub(super) struct Rounds {
    store: Arc<dyn Store>,
    capacity: usize,
    /// A follower that was idle for so long is probed, lest a check find that its connection is dead.
    probe_after: Duration,
    state: Mutex<State>,
    wake: Condvar,
    memory: RwLock<Memory>,
}

/// What is remembered, and which owner may change it.
struct Memory {
    cache: Cache,
    owner: u64,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Arc<Batch>>,
    owner: Option<Owner>,
    /// Whether the owner waits for a batch, and is to be told.
    idle: bool,
    abandoned: usize,
    last_number: u64,
    closed: bool,
}

/// The owner, and since when it has been busy with one round.
struct Owner {
    number: u64,
    busy_since: Option<Instant>,
    /// Whether it is busy with a round that nobody asked for.
    is_probing: bool,
}

/// What an owner is to do.
enum Task {
    Serve(Taken),
    Probe,
}

impl Rounds {
    /// Starts the owner. It connects when the first check comes.
    pub(super) fn start(store: Arc<dyn Store>, capacity: usize, probe_after: Duration) -> Arc<Self> {
        let memory = RwLock::new(Memory { cache: Cache::new(capacity), owner: 0 });
        let (state, wake) = (Mutex::default(), Condvar::new());
        let rounds = Arc::new(Self { store, capacity, probe_after, state, wake, memory });
        rounds.replace_owner(&mut rounds.lock());
        rounds
    }

    /// What is remembered now.
    pub(super) fn remembered<T>(&self, look: impl FnOnce(&Cache) -> T) -> T {
        let memory: RwLockReadGuard<'_, Memory> = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        look(&memory.cache)
    }

    /// Has a batch answered by a round that begins after this call.
    pub(super) fn enqueue(self: &Arc<Self>, batch: Arc<Batch>) {
        let mut state = self.lock();
        self.look_after_owner(&mut state);
        let mut checks = batch.waiting();
        // What nobody waits for any more needs no place.
        state.batches.retain(|batch| {
            let waiting = batch.waiting();
            checks += waiting;
            waiting > 0
        });
        if state.closed || checks > QUEUE || state.owner.is_none() {
            drop(state);
            let error = StoreError::Busy("too many checks wait for the database".to_owned());
            batch.answer(Err(error.into()));
            return;
        }
        state.batches.push_back(batch);
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        if idle {
            self.wake.notify_one();
        }
    }

    /// Finishes what waits, then ends the owner.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    /// After [`Rounds::close`]: waits until all is finished, but not for an owner that hangs.
    pub(super) fn drain(&self, until: Instant) {
        let mut state = self.lock();
        while state.owner.is_some() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            (state, _) = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up an owner that has been silent for too long, and starts one where there is none.
    fn look_after_owner(self: &Arc<Self>, state: &mut State) {
        let busy_since = state.owner.as_ref().and_then(|owner| owner.busy_since);
        let is_silent = busy_since.is_some_and(|since| since.elapsed() > SILENT_FOR);
        // A probe may hang for as long as a dead connection is silent: no check waits for that.
        let is_probing = state.owner.as_ref().is_some_and(|owner| owner.is_probing);
        if (is_silent || is_probing) && state.abandoned < MAX_ABANDONED {
            if is_silent {
                log::warn!("the thread that follows the database is silent; it is replaced");
            }
            state.abandoned += 1;
            state.owner = None;
        }
        if state.owner.is_none() && !state.closed {
            self.replace_owner(state);
        }
    }

    fn replace_owner(self: &Arc<Self>, state: &mut State) {
        let number = state.last_number + 1;
        let rounds = Arc::clone(self);
        match thread::Builder::new().name(format!("view-{number}")).spawn(move || rounds.own(number)) {
            Ok(_) => {
                state.last_number = number;
                state.idle = false;
                state.owner = Some(Owner { number, busy_since: None, is_probing: false });
            }
            Err(error) => log::error!("no thread to follow the database: {error}"),
        }
    }

    /// The life of an owner.
    fn own(&self, number: u64) {
        let mut memory = self.write();
        // One that was started after this one may have been faster.
        if memory.owner < number {
            memory.owner = number;
            memory.cache.clear();
        }
        drop(memory);
        let mut link = Link { rounds: self, number, follower: None, failed: None };
        let mut not_before = None;
        while let Some(task) = self.take(number, not_before, link.follower.is_some()) {
            match task {
                Task::Serve(taken) => {
                    not_before = (taken.checks > 1).then(|| Instant::now() + GATHER);
                    link.serve(taken);
                }
                Task::Probe => link.probe(),
            }
            if !self.finish(number) {
                return;
            }
        }
    }

    /// Waits for batches and takes them, or for the time of a probe if there is a follower; `None`
    /// when all is closed and empty.
    fn take(&self, number: u64, not_before: Option<Instant>, is_following: bool) -> Option<Task> {
        let mut idle_since = None;
        let mut state = self.lock();
        while state.batches.is_empty() {
            if state.closed {
                state.owner = None;
                drop(state);
                self.wake.notify_all();
                return None;
            }
            state.idle = true;
            if !is_following {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let left = self.probe_after.saturating_sub(idle_since.get_or_insert_with(Instant::now).elapsed());
            if left.is_zero() {
                state.idle = false;
                state.begin(number, true);
                return Some(Task::Probe);
            }
            (state, _) = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle = false;
        let early = not_before.map(|moment| moment.saturating_duration_since(Instant::now()));
        if let Some(early) = early.filter(|early| !early.is_zero()) {
            drop(state);
            thread::sleep(early);
            state = self.lock();
        }
        state.begin(number, false);
        Some(Task::Serve(Taken::from(&mut state.batches)))
    }

    /// Notes that the round is done. `false` if the owner was given up meanwhile.
    fn finish(&self, number: u64) -> bool {
        let mut state = self.lock();
        if let Some(owner) = state.owner.as_mut().filter(|owner| owner.number == number) {
            owner.busy_since = None;
            owner.is_probing = false;
            true
        } else {
            state.abandoned = state.abandoned.saturating_sub(1);
            false
        }
    }

    /// Changes what is remembered, if it is still this owner who may.
    fn change(&self, number: u64, change: impl FnOnce(&mut Cache)) {
        let mut memory = self.write();
        if memory.owner == number {
            change(&mut memory.cache);
        }
    }
}

impl State {
    /// Notes that the owner has something to do.
    fn begin(&mut self, number: u64, is_probing: bool) {
        if let Some(owner) = self.owner.as_mut().filter(|owner| owner.number == number) {
            owner.busy_since = Some(Instant::now());
            owner.is_probing = is_probing;
        }
    }
}

/// An owner's follower, made when it is needed and given up when it fails.
struct Link<'a> {
    rounds: &'a Rounds,
    number: u64,
    follower: Option<Box<dyn Follower>>,
    failed: Option<(Instant, StoreError)>,
}

impl Link<'_> {
    fn serve(&mut self, taken: Taken) {
        if taken.batches.is_empty() {
            return;
        }
        let deadline = taken.batches.iter().map(|(batch, _)| batch.deadline()).min();
        match self.look(&taken.asks, deadline) {
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

    /// A round that nobody asked for: it fails in place of one that is needed, and leaves a follower
    /// that works.
    fn probe(&mut self) {
        // Whoever comes next is told what is wrong.
        let _ = self.look(&[], Some(Instant::now() + SILENT_FOR));
    }

    /// A round whose news and rows are heeded before anybody hears of it.
    fn look(&mut self, asks: &[Ask], deadline: Option<Instant>) -> StoreResult<Vec<Option<TokenRecord>>> {
        let digests: Vec<TokenDigest> = asks.iter().map(|(_, digest)| *digest).collect();
        let round = catch_unwind(AssertUnwindSafe(|| {
            let round = self.round(&digests, deadline)?;
            self.remember(&round, asks);
            Ok(round.found)
        }));
        round.unwrap_or_else(|_| {
            // What was under way in the memory may have been left half done.
            self.follower = None;
            self.rounds.change(self.number, |cache| *cache = Cache::new(self.rounds.capacity));
            Err(StoreError::Failed("a round was lost".to_owned()))
        })
    }

    /// Forgets and keeps what a round says.
    fn remember(&self, round: &Round, asks: &[Ask]) {
        let Round { news, found, lasting } = round;
        let nothing_new = matches!(news, News::Revoked(revoked) if revoked.is_empty());
        if nothing_new && (!lasting || found.iter().all(Option::is_none)) {
            return;
        }
        self.rounds.change(self.number, |cache| {
            cache.forget(news);
            if *lasting {
                let found = asks.iter().zip(found);
                found.for_each(|((key, _), record)| record.iter().for_each(|record| cache.keep(*key, record)));
            }
        });
    }

    /// A round, and if the connection broke, another one on a new connection: it only reads.
    fn round(&mut self, digests: &[TokenDigest], deadline: Option<Instant>) -> StoreResult<Round> {
        let was_open = self.follower.is_some();
        let first = self.try_round(digests);
        match &first {
            Err(error)
                if was_open && error.is_broken_connection() && deadline.is_some_and(|end| Instant::now() < end) =>
            {
                self.try_round(digests)
            }
            Ok(_) | Err(_) => first,
        }
    }

    fn try_round(&mut self, digests: &[TokenDigest]) -> StoreResult<Round> {
        // Taken out, so that nothing is left of one that fails or panics.
        let mut follower = match self.follower.take() {
            Some(follower) => follower,
            None => self.follow()?,
        };
        match follower.round(digests) {
            Ok(round) if round.found.len() == digests.len() => {
                self.follower = Some(follower);
                Ok(round)
            }
            Ok(_) => {
                self.forget_all();
                Err(StoreError::Failed("the store answered another number of digests".to_owned()))
            }
            Err(error) => {
                self.forget_all();
                Err(error)
            }
        }
    }

    fn follow(&mut self) -> StoreResult<Box<dyn Follower>> {
        // A new one knows nothing of what came before it.
        self.forget_all();
        if let Some((_, error)) = self.failed.as_ref().filter(|(at, _)| at.elapsed() < RECONNECT_PAUSE) {
            return Err(error.clone());
        }
        let followed = self.rounds.store.follow();
        self.failed = followed.as_ref().err().map(|error| (Instant::now(), error.clone()));
        followed
    }

    fn forget_all(&self) {
        self.rounds.change(self.number, Cache::clear);
    }
}
