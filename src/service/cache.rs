//! The cache: what is known of a token, as of a moment after the check arrived. It always polls, and reads
//! no row if the token is cached and nothing was revoked since the last poll.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::workers::{DbPool, OnDisconnect};
use super::{Unavailable, within};
use crate::domain::client::{ClientId, ClientRecord};
use crate::domain::random::{Random, RandomError};
use crate::domain::session::{Refusal, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::{Token, TokenDigest};
use crate::store::{FeedKind, Store, StoreError};

mod per_thread;
mod shared;
mod table;
mod turn;

use per_thread::PerThreadCache;
use shared::SharedCache;
use table::{Generation, Key, KeyMaker};

/// The options of a cache.
#[derive(Clone)]
pub(super) struct CacheOptions {
    /// How many tokens it may hold; 0: none, so that every check reads.
    pub(super) capacity: usize,
    /// How long a check may wait.
    pub(super) timeout: Duration,
    /// How long a connection may be idle before it is probed.
    pub(super) probe_after: Duration,
    /// The pool that reads when the cache cannot answer.
    pub(super) pool: DbPool,
}

/// Where checks look tokens up.
pub(super) enum TokenCache {
    /// In the database, every time.
    DbPool(CacheOptions),
    /// In a cache of the thread.
    PerThread(Arc<PerThreadCache>),
    /// In a cache of all threads.
    Shared(Arc<SharedCache>),
}

/// A running lookup. It stays on the thread on which it began.
pub(super) enum Find {
    DbPool(Reading),
    PerThread(per_thread::Find),
    Shared(shared::Find),
}

/// A running poll for no token. It stays on the thread on which it began.
pub(super) enum Prove {
    /// There is nothing to poll.
    DbPool,
    PerThread(per_thread::Prove),
    Shared(shared::Prove),
}

/// A read through the pool.
pub(super) type Reading = LocalBoxFuture<'static, Result<Found, Unavailable>>;

/// The result of a lookup.
pub(super) struct Found {
    /// The token that was looked up.
    pub(super) token: Token,
    /// What is known of the token, whatever its state.
    pub(super) record: Option<TokenRecord>,
    /// Set if the record may come from the cache, whose time of last use may be old.
    pub(super) remembered: Option<Key>,
}

impl Found {
    /// Whether this refusal must not be returned before the row is read again.
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

    /// What is known of each of these tokens, in their order, as of a moment after this call was first polled.
    pub(super) async fn find_many(&self, tokens: Vec<Token>) -> Result<Vec<Found>, Unavailable> {
        match self {
            Self::DbPool(options) => options.read_many(tokens).await,
            Self::PerThread(cache) => cache.find_many(tokens).await,
            Self::Shared(cache) => cache.find_many(tokens).await,
        }
    }

    /// Brings the cache up to date, as of a moment after this call. Nothing that was kept in the returned generation,
    /// or is read after this call, has been invalidated since. `None`: there is no such generation, so the caller has
    /// to read.
    pub(super) fn prove(&self) -> Prove {
        match self {
            Self::DbPool(_) => Prove::DbPool,
            Self::PerThread(cache) => Prove::PerThread(cache.prove()),
            Self::Shared(cache) => Prove::Shared(cache.prove()),
        }
    }

    /// A client that was kept in this generation, if that is still the current one.
    pub(super) fn client(&self, at: Generation, id: ClientId) -> Option<Arc<ClientRecord>> {
        match self {
            Self::DbPool(_) => None,
            Self::PerThread(cache) => cache.client(at, id),
            Self::Shared(cache) => cache.client(at, id),
        }
    }

    /// Keeps a client that was read after [`TokenCache::prove`] had returned this generation.
    pub(super) fn keep_client(&self, at: Generation, record: Arc<ClientRecord>) {
        match self {
            Self::DbPool(_) => {}
            Self::PerThread(cache) => cache.keep_client(at, record),
            Self::Shared(cache) => cache.keep_client(at, record),
        }
    }

    /// Notes a use of the session that was found.
    pub(super) fn note_use(&self, key: Key, at: Timestamp) {
        match self {
            Self::DbPool(_) => {}
            Self::PerThread(cache) => cache.note_use(key, at),
            Self::Shared(cache) => cache.note_use(key, at),
        }
    }

    /// Finishes waiting checks, and refuses new ones.
    pub(super) fn close(&self) {
        match self {
            Self::DbPool(_) | Self::PerThread(_) => {}
            Self::Shared(cache) => cache.close(),
        }
    }

    /// After [`TokenCache::close`]: waits until all checks are finished, but not for a database that hangs.
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

    /// Reads the rows of many tokens in one step.
    async fn read_many(&self, tokens: Vec<Token>) -> Result<Vec<Found>, Unavailable> {
        let digests: Vec<TokenDigest> = tokens.iter().map(Token::digest).collect();
        let read = self.pool.run(OnDisconnect::Cancel, move |connection| connection.find_many(&digests));
        let records = within(self.timeout, "checks", read).await?;
        if records.len() != tokens.len() {
            return Err(StoreError::Failed("the store answered a different number of digests".to_owned()).into());
        }
        let found = tokens.into_iter().zip(records);
        Ok(found.map(|(token, record)| Found { token, record, remembered: None }).collect())
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

impl Future for Prove {
    type Output = Result<Option<Generation>, Unavailable>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::DbPool => Poll::Ready(Ok(None)),
            Self::PerThread(prove) => Pin::new(prove).poll(context).map(Ok),
            Self::Shared(prove) => Pin::new(prove).poll(context),
        }
    }
}
