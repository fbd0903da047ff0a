//! The revocation feed: it reports what was revoked, so that tokens can be cached.
//!
//! A record that a [`RevocationFeed`] found stays true until an [`Invalidation`] of a later poll
//! names it. A caller may cache it and say yes from the cache, if it polls once more after
//! the check arrived.

use super::{StoreError, StoreResult};
use crate::domain::session::{SessionId, TokenRecord};
use crate::domain::token::TokenDigest;
use crate::domain::user::UserId;

/// The kind of a store's revocation feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedKind {
    /// None: every check reads the database.
    None,
    /// A poll takes microseconds and waits for no lock: each thread has its own feed.
    PerThread,
    /// A poll goes over a network: all threads share one feed, which has its own thread.
    Shared,
}

/// A revocation feed on one connection.
///
/// After an error, drop it and everything that it found.
pub trait RevocationFeed: Send {
    /// One poll: what was revoked since the poll before, and the record of each digest. Both reflect every
    /// write that was acknowledged before the call. A caller with an empty cache can ignore the invalidation of the
    /// first poll.
    ///
    /// The caller applies the invalidation to its cache *before* it caches what was found.
    ///
    /// # Errors
    /// When the database cannot be read; also when a lock is held, because a poll must not wait for long.
    fn poll(&mut self, digests: &[TokenDigest]) -> StoreResult<FeedUpdate>;
}

/// The result of a poll.
#[derive(Debug)]
pub struct FeedUpdate {
    /// What has to leave the cache.
    pub invalidation: Invalidation,
    /// The record of each digest, in the order of `digests`, whatever its state.
    pub found: Vec<Option<TokenRecord>>,
    /// Whether `found` may be cached. If not, the next polls do not report all changes.
    pub cacheable: bool,
}

/// What has to leave the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalidation {
    /// Only these.
    Revoked(Vec<Revoked>),
    /// The whole cache.
    Everything,
}

/// Something that was revoked or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// A user and all sessions of that user.
    User(UserId),
    /// A session and its tokens.
    Session(SessionId),
}

/// The answer of a store without a revocation feed.
pub(super) fn cannot() -> StoreError {
    StoreError::Failed("this store has no revocation feed".to_owned())
}
