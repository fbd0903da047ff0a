//! A poll for no token: it brings the cache up to date. It joins the batch of its thread, as checks do.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::super::table::{Cache, Generation, Key};
use super::find::{SharedCache, Waiting};
use super::sync::Arc;
use crate::domain::client::{ClientId, ClientRecord};
use crate::service::Unavailable;

/// A running poll. Its batch belongs to a thread, so it must stay there.
pub(in crate::service) struct Prove {
    cache: Arc<SharedCache>,
    waiting: Option<Waiting>,
    stays: PhantomData<Rc<()>>,
}

impl SharedCache {
    /// A poll that is sent after this call.
    pub(in crate::service::cache) fn prove(self: &Arc<Self>) -> Prove {
        Prove { cache: Arc::clone(self), waiting: None, stays: PhantomData }
    }

    pub(in crate::service::cache) fn generation(&self) -> Option<Generation> {
        self.polls.remembered(Cache::generation)
    }

    pub(in crate::service::cache) fn client(
        &self,
        at: Generation,
        id: ClientId,
    ) -> Option<std::sync::Arc<ClientRecord>> {
        self.polls.remembered(|cache| cache.client(at, id))
    }

    pub(in crate::service::cache) fn keep_client(&self, at: Generation, record: std::sync::Arc<ClientRecord>) {
        self.polls.keep_client(at, record);
    }
}

/// The generation after the poll; `None` if there is none to rely on.
impl Future for Prove {
    type Output = Result<Option<Generation>, Unavailable>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let cache = &this.cache;
        let waiting = this.waiting.get_or_insert_with(|| cache.join(Key::NO_TOKEN, None, context.waker()));
        let answer = ready!(waiting.poll(cache, context));
        this.waiting = None;
        Poll::Ready(answer.map(|_| this.cache.generation()))
    }
}

impl Drop for Prove {
    fn drop(&mut self) {
        if let Some(waiting) = &self.waiting {
            waiting.leave();
        }
    }
}
