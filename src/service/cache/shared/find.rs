//! The lookups, from the arrival of a check to its answer.

use std::cell::RefCell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::super::table::{Key, KeyMaker};
use super::super::{CacheOptions, Found};
use super::batch::{Batch, Membership, NewCheck, Polled};
use super::owner::Polls;
use super::sync::{Arc, Instant, Sleep, ThreadLocal, TurnOver, sleep_until, turn_over};
use crate::domain::session::TokenRecord;
use crate::domain::time::Timestamp;
use crate::domain::token::{Token, TokenDigest};
use crate::service::Unavailable;
use crate::store::Store;

/// See the [module](super).
pub(in crate::service) struct SharedCache {
    pub(super) polls: Polls,
    pub(super) keys: KeyMaker,
    options: CacheOptions,
    /// The last batch that each thread began; others join it while it is open (`Batch::join`).
    open: ThreadLocal<RefCell<Option<Arc<Batch>>>>,
}

/// A running lookup. Its batch belongs to a thread, so it must stay there.
pub(in crate::service) struct Find {
    cache: Arc<SharedCache>,
    key: Key,
    token: Option<Token>,
    waiting: Option<Waiting>,
    stays: PhantomData<Rc<()>>,
}

/// A check in its batch.
pub(super) struct Waiting {
    batch: Arc<Batch>,
    membership: Membership,
    /// Set while it leads a batch that is gathering.
    turn: Option<TurnOver>,
    /// Set while it leads one that was handed over.
    timer: Option<Pin<Box<Sleep>>>,
}

impl SharedCache {
    pub(in crate::service::cache) fn new(store: Arc<dyn Store>, keys: KeyMaker, options: CacheOptions) -> Arc<Self> {
        let polls = Polls::start(store, options.capacity, options.probe_after);
        Arc::new(Self { polls, keys, options, open: ThreadLocal::new() })
    }

    pub(in crate::service::cache) fn find(self: &Arc<Self>, token: Token) -> Find {
        let key = self.keys.key(&token);
        Find { cache: Arc::clone(self), key, token: Some(token), waiting: None, stays: PhantomData }
    }

    pub(in crate::service::cache) fn note_use(&self, key: Key, at: Timestamp) {
        self.polls.remembered(|cache| cache.note_use(key, at));
    }

    /// Joins the batch of this thread, with a row request if there is a digest.
    pub(super) fn join(&self, key: Key, ask: Option<TokenDigest>, waker: &Waker) -> Waiting {
        let joining = NewCheck { key, waker, ask };
        let timeout = self.options.timeout;
        let mut open = self.open.get_or_default().borrow_mut();
        let joined = open.take().and_then(|batch| batch.join(joining, timeout).map(|membership| (batch, membership)));
        let (batch, membership) = joined.unwrap_or_else(|| Batch::begin(joining, timeout));
        *open = Some(Arc::clone(&batch));
        Waiting { batch, membership, turn: None, timer: None }
    }

    pub(in crate::service::cache) fn close(&self) {
        self.polls.close();
    }

    pub(in crate::service::cache) fn drain(&self, until: Instant) {
        self.polls.drain(until);
    }
}

impl Find {
    /// Joins the batch of this thread; `again` if an earlier poll did not answer.
    fn join(&mut self, context: &Context<'_>, again: bool) {
        let Some(token) = &self.token else { return };
        let is_remembered = !again && self.cache.polls.remembered(|cache| cache.has(self.key));
        let ask = (!is_remembered).then(|| token.digest());
        self.waiting = Some(self.cache.join(self.key, ask, context.waker()));
    }

    fn remembered(&self) -> Option<TokenRecord> {
        self.cache.polls.remembered(|cache| cache.get(self.key))
    }
}

impl Waiting {
    /// Waits for the poll. Returns the answer to the row request, if there was one.
    pub(super) fn poll(
        &mut self,
        cache: &SharedCache,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Option<TokenRecord>>, Unavailable>> {
        loop {
            match self.batch.poll(self.membership, context.waker()) {
                Polled::Gather => {
                    if self.gather(context).is_pending() {
                        return Poll::Pending;
                    }
                    self.batch.hand_over();
                    cache.polls.enqueue(Arc::clone(&self.batch));
                }
                Polled::Lead(deadline) => {
                    if self.lead(deadline, context).is_pending() {
                        return Poll::Pending;
                    }
                    self.batch.answer(Err(Unavailable::TimedOut("checks")));
                }
                Polled::Follow => return Poll::Pending,
                Polled::Done(answer, others) => {
                    if !others.is_empty() {
                        let keys = others.keys();
                        cache.polls.remembered(|cache| cache.fetch(&keys));
                        others.wake_but(self.membership);
                    }
                    return Poll::Ready(answer);
                }
            }
        }
    }

    /// Called if the caller is gone before the answer.
    pub(super) fn leave(&self) {
        self.batch.leave(self.membership);
    }

    /// Waits for all checks that are ready now.
    fn gather(&mut self, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(self.turn.get_or_insert_with(turn_over)).poll(context)
    }

    /// Watches the deadline for all of the batch.
    fn lead(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        timer.as_mut().poll(context)
    }
}

impl Future for Find {
    type Output = Result<Found, Unavailable>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            let Some(waiting) = &mut this.waiting else {
                // This also handles a poll after the end: then there is no token left.
                this.join(context, false);
                if this.waiting.is_none() {
                    return Poll::Pending;
                }
                continue;
            };
            let answer = std::task::ready!(waiting.poll(&this.cache, context));
            this.waiting = None;
            let (record, remembered) = match answer {
                Err(error) => return Poll::Ready(Err(error)),
                Ok(Some(record)) => (record, None),
                Ok(None) => match this.remembered() {
                    Some(record) => (Some(record), Some(this.key)),
                    None => {
                        // Its own poll removed it, and did not request its row.
                        this.join(context, true);
                        continue;
                    }
                },
            };
            let Some(token) = this.token.take() else { return Poll::Pending };
            return Poll::Ready(Ok(Found { token, record, remembered }));
        }
    }
}

impl Drop for Find {
    fn drop(&mut self) {
        if let Some(waiting) = &self.waiting {
            waiting.leave();
        }
    }
}
