//! What is known of a token, as of a moment after the question. Nothing is read from the database if the
//! token is remembered and nothing was revoked.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::workers::DbPool;
use super::{Unavailable, within};
use crate::domain::random::{Random, RandomError};
use crate::domain::session::{Refusal, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::Token;
use crate::store::{FeedKind, Store};

mod per_thread;
mod shared;
mod table;
mod tick;

use per_thread::PerThreadCache;
use shared::SharedCache;
use table::{Key, KeyMaker};

/// How a cache is set up.
#[derive(Clone)]
pub(super) struct CacheOptions {
    /// How many tokens it may remember; 0: none, so that every check reads.
    pub(super) capacity: usize,
    /// How long a check may wait.
    pub(super) timeout: Duration,
    /// How long a connection may be idle before it is probed.
    pub(super) probe_after: Duration,
    /// Reads where the cache itself cannot.
    pub(super) pool: DbPool,
}

/// Where checks look.
pub(super) enum TokenCache {
    /// Into the database, every time.
    DbPool(CacheOptions),
    /// Into a memory of the thread's own.
    PerThread(Arc<PerThreadCache>),
    /// Into a memory of all threads.
    Shared(Arc<SharedCache>),
}

/// A look that is under way. It stays on the thread on which it began.
pub(super) enum Find {
    DbPool(Reading),
    PerThread(per_thread::Find),
    Shared(shared::Find),
}

/// A read through the pool.
pub(super) type Reading = LocalBoxFuture<'static, Result<Found, Unavailable>>;

/// What was found.
pub(super) struct Found {
    /// The token that was asked about.
    pub(super) token: Token,
    /// What is known of the token, whatever its state.
    pub(super) record: Option<TokenRecord>,
    /// Set if it may come from memory, whose time of last use may be old.
    pub(super) remembered: Option<Key>,
}

impl Found {
    /// Whether this refusal must not be given without another look at the row.
    pub(super) fn is_in_doubt(&self, refusal: Refusal) -> bool {
        refusal == Refusal::Idle || self.remembered.is_some()
    }
}

impl TokenCache {
    pub(super) fn new(store: &Arc<dyn Store>, random: &dyn Random, options: CacheOptions) -> Result<Self, RandomError> {
        Ok(match store.feed_kind() {
            FeedKind::PerThread if options.capacity > 0 => {
                Self::PerThread(PerThreadCache::new(Arc::clone(store), KeyMaker::new(random)?, options))
            }
            FeedKind::Shared if options.capacity > 0 => {
                Self::Shared(SharedCache::new(Arc::clone(store), KeyMaker::new(random)?, options))
            }
            FeedKind::None | FeedKind::PerThread | FeedKind::Shared => Self::DbPool(options),
        })
    }

    /// What is known of `token`, as of a moment after this call.
    pub(super) fn find(&self, token: Token) -> Find {
        match self {
            Self::DbPool(options) => Find::DbPool(options.read(token)),
            Self::PerThread(cache) => Find::PerThread(cache.find(token)),
            Self::Shared(cache) => Find::Shared(cache.find(token)),
        }
    }

    /// Notes a use of the session of what was found.
    pub(super) fn note_use(&self, key: Key, at: Timestamp) {
        match self {
            Self::DbPool(_) => {}
            Self::PerThread(cache) => cache.note_use(key, at),
            Self::Shared(cache) => cache.note_use(key, at),
        }
    }

    /// Finishes what waits, and refuses the rest.
    pub(super) fn close(&self) {
        match self {
            Self::DbPool(_) | Self::PerThread(_) => {}
            Self::Shared(cache) => cache.close(),
        }
    }

    /// After [`TokenCache::close`]: waits until all is finished, but not for a database that hangs.
    pub(super) fn drain(&self, until: Instant) {
        match self {
            Self::DbPool(_) | Self::PerThread(_) => {}
            Self::Shared(cache) => cache.drain(until),
        }
    }
}

impl CacheOptions {
    fn read(&self, token: Token) -> Reading {
        let answer = within(self.timeout, "checks", self.pool.find(token.digest()));
        async move { Ok(Found { token, record: answer.await?, remembered: None }) }.boxed_local()
    }
}

impl Future for Find {
    type Output = Result<Found, Unavailable>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::DbPool(reading) => reading.as_mut().poll(context),
            Self::PerThread(find) => Pin::new(find).poll(context),
            Self::Shared(find) => Pin::new(find).poll(context),
        }
    }
}
