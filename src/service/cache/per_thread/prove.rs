//! A poll for no token: it brings the cache of this thread up to date.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::super::table::{Generation, Key};
use super::super::turn::Turn;
use super::PerThreadCache;

/// A running poll. The turn that it waits for belongs to a thread, so it must stay there.
pub(in crate::service) struct Prove {
    cache: Arc<PerThreadCache>,
    joined: Option<(Arc<Turn>, usize)>,
    stays: PhantomData<Rc<()>>,
}

impl Prove {
    pub(super) const fn new(cache: Arc<PerThreadCache>) -> Self {
        Self { cache, joined: None, stays: PhantomData }
    }
}

impl PerThreadCache {
    /// Whether a poll was made for this caller alone, since no check is likely to be ready now.
    fn has_polled_alone(&self) -> bool {
        let mut thread = self.thread().borrow_mut();
        if !thread.is_alone() {
            return false;
        }
        let _ = thread.poll(&*self.store, &[]);
        true
    }

    fn generation(&self) -> Option<Generation> {
        self.thread().borrow().cache.generation()
    }
}

/// The generation after the poll; `None` if there is none to rely on, for example because the poll failed.
impl Future for Prove {
    type Output = Option<Generation>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.joined.is_none() {
            if this.cache.has_polled_alone() {
                return Poll::Ready(this.cache.generation());
            }
            this.joined = Some(this.cache.join(Key::NO_TOKEN, context.waker()));
        }
        match &this.joined {
            Some((turn, slot)) if this.cache.had_poll(turn, *slot, context.waker()) => {
                Poll::Ready(this.cache.generation())
            }
            Some(_) | None => Poll::Pending,
        }
    }
}
