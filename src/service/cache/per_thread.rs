//! The cache of a database that answers within microseconds (SQLite): each thread has its own
//! feed and its own cache, and polls by itself.
//!
//! A check that arrives joins the turn that is gathering. When all checks that are ready now have joined, the first of
//! them whose future runs polls the feed for all of them: this poll began after each of them arrived. Checks whose
//! tokens are not cached share one more poll, which reads their rows. It begins two turns later, after the checks that
//! have nothing to read: so a client that sends unknown tokens waits, and the others do not. While checks arrive one by
//! one, each makes a single poll at once, which also reads its row if that is needed.

mod many;

use std::cell::RefCell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use thread_local::ThreadLocal;

use super::table::{Cache, Generation, Key, KeyMaker};
use super::turn::Turn;
use super::{CacheOptions, Found, Reading};
use crate::domain::client::{ClientId, ClientRecord};
use crate::domain::session::TokenRecord;
use crate::domain::time::Timestamp;
use crate::domain::token::{Token, TokenDigest};
use crate::service::Unavailable;
use crate::service::workers::connector::RECONNECT_PAUSE;
use crate::store::{FeedUpdate, RevocationFeed, Store};

mod prove;

pub(in crate::service) use prove::Prove;

/// A check that arrives less than this after the one before it waits for the end of the turn: under load
/// several checks then share one poll.
const SHARING_GAP: Duration = Duration::from_micros(10);

/// After this many checks in a row that did not wait, one waits anyway: if requests take long,
/// several checks can be ready although they arrive far apart.
const MAX_SOLO_CHECKS: u32 = 16;

/// Rows are read this many turns after they were requested: in the first, checks that arrived meanwhile
/// join, and in the second they are answered. So they do not wait for the read.
const READ_DELAY_TURNS: u32 = 2;

/// See the [module](self).
pub(in crate::service) struct PerThreadCache {
    store: Arc<dyn Store>,
    keys: KeyMaker,
    options: CacheOptions,
    threads: ThreadLocal<RefCell<ThreadState>>,
}

/// What was found of a token, and its key if it was cached.
type Looked = (Option<TokenRecord>, Option<Key>);

/// A token whose row is requested.
type RowRequest = (Key, TokenDigest);

/// The state of one thread.
struct ThreadState {
    cache: Cache,
    feed: Option<Box<dyn RevocationFeed>>,
    failed: Option<Instant>,
    /// The turn that is gathering, if a check has joined one; all earlier ones have had their poll.
    gathering: Option<Arc<Turn>>,
    /// The keys that its checks will look up.
    wanted: Vec<Key>,
    /// The turn that is gathering row requests, if there is one.
    asking: Option<Arc<Turn>>,
    /// Its row requests.
    asks: Vec<RowRequest>,
    /// While checks arrive one by one: when the last one arrived, and how many did.
    alone: Option<(Instant, u32)>,
}

/// A running lookup. The turn that it waits for belongs to a thread, so it must stay there.
pub(in crate::service) struct Find {
    cache: Arc<PerThreadCache>,
    key: Key,
    token: Option<Token>,
    state: State,
    stays: PhantomData<Rc<()>>,
}

enum State {
    /// Not yet polled.
    New,
    /// It joined this turn.
    Joined { turn: Arc<Turn>, slot: usize },
    /// It requested its row in this turn.
    Asked { turn: Arc<Turn>, slot: usize, ask: usize },
    /// It does not wait for others.
    Alone,
    /// The cache cannot answer.
    Reading(Reading),
}

impl PerThreadCache {
    pub(super) fn new(store: Arc<dyn Store>, keys: KeyMaker, options: CacheOptions) -> Arc<Self> {
        Arc::new(Self { store, keys, options, threads: ThreadLocal::new() })
    }

    pub(super) fn find(self: &Arc<Self>, token: Token) -> Find {
        let key = self.keys.key(&token);
        Find { cache: Arc::clone(self), key, token: Some(token), state: State::New, stays: PhantomData }
    }

    pub(super) fn note_use(&self, key: Key, at: Timestamp) {
        self.thread().borrow().cache.note_use(key, at);
    }

    /// A poll for no token, which begins after this call.
    pub(super) fn prove(self: &Arc<Self>) -> Prove {
        Prove::new(Arc::clone(self))
    }

    pub(super) fn client(&self, at: Generation, id: ClientId) -> Option<Arc<ClientRecord>> {
        self.thread().borrow().cache.client(at, id)
    }

    pub(super) fn keep_client(&self, at: Generation, record: Arc<ClientRecord>) {
        self.thread().borrow_mut().cache.keep_client(at, record);
    }

    fn thread(&self) -> &RefCell<ThreadState> {
        self.threads.get_or(|| {
            let cache = Cache::new(self.options.capacity);
            let (wanted, asks) = (Vec::new(), Vec::new());
            let (gathering, asking) = (None, None);
            RefCell::new(ThreadState { cache, feed: None, failed: None, gathering, wanted, asking, asks, alone: None })
        })
    }

    /// Joins the turn that is gathering; returns it and the slot there.
    fn join(&self, key: Key, waker: &Waker) -> (Arc<Turn>, usize) {
        let mut thread = self.thread().borrow_mut();
        let turn = Arc::clone(thread.gathering.get_or_insert_with(Turn::begin));
        thread.wanted.push(key);
        let slot = turn.join(waker);
        (turn, slot)
    }

    /// Whether the poll of this turn is over. If all checks have joined, it is made now. If it fails, the cache is
    /// empty, and the checks read.
    fn had_poll(&self, turn: &Arc<Turn>, slot: usize, waker: &Waker) -> bool {
        let mut thread = self.thread().borrow_mut();
        if !thread.gathering.as_ref().is_some_and(|gathering| Arc::ptr_eq(gathering, turn)) {
            return true;
        }
        if !turn.is_over(slot, waker) {
            return false;
        }
        // Taken, so that keys do not accumulate if polls panic.
        let mut wanted = std::mem::take(&mut thread.wanted);
        let _ = thread.poll(&*self.store, &[]);
        // Only now: if the poll panics, the next check of this turn has to repeat it. Otherwise the others would use a
        // cache that was not brought up to date.
        thread.gathering = None;
        thread.cache.fetch(&wanted);
        thread.drop_abandoned_asks();
        thread.alone = (wanted.len() == 1 && thread.asking.is_none()).then(|| (Instant::now(), 0));
        wanted.clear();
        thread.wanted = wanted;
        true
    }

    /// Whether the rows of this turn were read; it keeps the answers.
    fn has_read(&self, turn: &Arc<Turn>, slot: usize, waker: &Waker) -> bool {
        let mut thread = self.thread().borrow_mut();
        if !thread.asking.as_ref().is_some_and(|asking| Arc::ptr_eq(asking, turn)) {
            return true;
        }
        if !turn.is_over(slot, waker) {
            return false;
        }
        thread.asking = None;
        let asks = std::mem::take(&mut thread.asks);
        if let Some(found) = thread.poll(&*self.store, &asks) {
            turn.answer(found);
        }
        true
    }

    /// Whether this check does not wait for others, since none is likely to be ready now. If its token is cached, the
    /// poll is made now; otherwise `read` polls and reads its row.
    fn goes_alone(&self, key: Key) -> bool {
        let mut thread = self.thread().borrow_mut();
        if !thread.is_alone() {
            return false;
        }
        if thread.cache.has(key) {
            let _ = thread.poll(&*self.store, &[]);
        }
        true
    }

    fn remembered(&self, key: Key) -> Option<Looked> {
        let record = self.thread().borrow().cache.get(key)?;
        Some((Some(record), Some(key)))
    }

    /// Reads one token by itself; `Err` if it cannot be read here.
    fn read(&self, key: Key, token: &Token) -> Result<Looked, ()> {
        let mut thread = self.thread().borrow_mut();
        let found = thread.poll(&*self.store, &[(key, token.digest())]).and_then(|mut found| found.pop());
        Ok((found.ok_or(())?, None))
    }
}

impl ThreadState {
    /// If all checks that requested rows are gone, drops their requests.
    fn drop_abandoned_asks(&mut self) {
        if self.asking.as_ref().is_some_and(|turn| Arc::strong_count(turn) == 1) {
            self.asking = None;
            self.asks.clear();
        }
    }

    fn is_alone(&mut self) -> bool {
        let Some((last, before)) = self.alone.take().filter(|(_, before)| *before < MAX_SOLO_CHECKS) else {
            return false;
        };
        let now = Instant::now();
        let alone = self.gathering.is_none() && now.duration_since(last) > SHARING_GAP;
        self.alone = alone.then_some((now, before + 1));
        alone
    }

    /// Makes a poll and returns the rows of the requests. If the feed does not work, the cache is emptied.
    fn poll(&mut self, store: &dyn Store, asks: &[RowRequest]) -> Option<Vec<Option<TokenRecord>>> {
        // Taken, so that a feed that panics is not used again.
        let mut feed = match self.feed.take() {
            Some(feed) => feed,
            None => self.follow(store)?,
        };
        let digests: Vec<TokenDigest> = asks.iter().map(|(_, digest)| *digest).collect();
        let Some(FeedUpdate { invalidation, found, cacheable }) =
            feed.poll(&digests).ok().filter(|poll| poll.found.len() == asks.len())
        else {
            self.give_up();
            return None;
        };
        self.cache.forget(&invalidation);
        self.cache.follow(cacheable);
        if cacheable {
            let found = asks.iter().zip(&found);
            found.for_each(|((key, _), record)| record.iter().for_each(|record| self.cache.keep(*key, record)));
        }
        self.feed = Some(feed);
        Some(found)
    }

    fn follow(&mut self, store: &dyn Store) -> Option<Box<dyn RevocationFeed>> {
        // Also after a panic.
        self.cache.clear();
        if self.failed.is_some_and(|at| at.elapsed() < RECONNECT_PAUSE) {
            return None;
        }
        let followed = store.feed();
        if followed.is_err() {
            self.give_up();
        }
        followed.ok()
    }

    fn give_up(&mut self) {
        self.cache.clear();
        self.failed = Some(Instant::now());
    }
}

impl Find {
    /// `Err` if the cache cannot answer.
    fn look(&mut self, waker: &Waker) -> Poll<Result<Looked, ()>> {
        if matches!(self.state, State::New) {
            if self.cache.goes_alone(self.key) {
                self.state = State::Alone;
            } else {
                let (turn, slot) = self.cache.join(self.key, waker);
                self.state = State::Joined { turn, slot };
            }
        }
        loop {
            let alone = match &self.state {
                State::Joined { turn, slot, .. } if !self.cache.had_poll(turn, *slot, waker) => return Poll::Pending,
                State::Asked { turn, slot, .. } if !self.cache.has_read(turn, *slot, waker) => return Poll::Pending,
                State::Asked { turn, ask, .. } => {
                    return Poll::Ready(turn.take_answer(*ask).map(|record| (record, None)).ok_or(()));
                }
                State::Joined { .. } | State::New => None,
                State::Alone | State::Reading(_) => self.token.as_ref(),
            };
            match (self.cache.remembered(self.key), alone) {
                (Some(looked), _) => return Poll::Ready(Ok(looked)),
                (None, Some(token)) => return Poll::Ready(self.cache.read(self.key, token)),
                // The turn may be over already.
                (None, None) => self.ask(waker),
            }
        }
    }

    /// Requests the row.
    fn ask(&mut self, waker: &Waker) {
        let Some(digest) = self.token.as_ref().map(Token::digest) else { return };
        let mut thread = self.cache.thread().borrow_mut();
        let turn = Arc::clone(thread.asking.get_or_insert_with(|| Turn::begin_after(READ_DELAY_TURNS)));
        thread.asks.push((self.key, digest));
        let (ask, slot) = (thread.asks.len() - 1, turn.join(waker));
        self.state = State::Asked { turn, slot, ask };
    }
}

impl Future for Find {
    type Output = Result<Found, Unavailable>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let State::Reading(reading) = &mut this.state {
            return reading.as_mut().poll(context);
        }
        // Polled once more after its answer.
        if this.token.is_none() {
            return Poll::Pending;
        }
        let looked = std::task::ready!(this.look(context.waker()));
        let Some(token) = this.token.take() else { return Poll::Pending };
        match looked {
            Ok((record, remembered)) => Poll::Ready(Ok(Found { token, record, remembered })),
            Err(()) => {
                let mut reading = this.cache.options.read(token);
                let answer = reading.as_mut().poll(context);
                this.state = State::Reading(reading);
                answer
            }
        }
    }
}
