//! The revocation feed: it tells what was revoked, so that a token that was read once can be cached.
//!
//! A [`Follower`] is polled in rounds. A record that a round found stays true until the [`News`] of a later
//! round invalidate it. A caller may cache it and say yes from the cache, if it asks for one more round after
//! the question arrived.

use super::{StoreError, StoreResult};
use crate::session::{SessionId, TokenRecord};
use crate::token::TokenDigest;
use crate::user::UserId;

/// What kind of revocation feed a store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Following {
    /// None: every check reads.
    Not,
    /// A round takes microseconds and waits for no lock: each thread has a feed of its own.
    Inline,
    /// A round goes over a network: one feed for all threads, with a thread of its own.
    Shared,
}

/// A revocation feed on one connection.
///
/// After an error, drop it and everything that it found.
pub trait Follower: Send {
    /// One round: what was revoked since the round before, and the record of each digest. Both reflect every
    /// write that was acknowledged before the call. A caller with an empty cache can ignore the news of the
    /// first round.
    ///
    /// The caller applies the news to its cache *before* it caches what was found.
    ///
    /// # Errors
    /// When nothing can be said; also when a lock is taken, since a round may not wait for long.
    fn round(&mut self, digests: &[TokenDigest]) -> StoreResult<Round>;
}

/// What a round brought.
#[derive(Debug)]
pub struct Round {
    /// What has to leave the cache.
    pub news: News,
    /// The record of each digest, in the order asked, whatever its state.
    pub found: Vec<Option<TokenRecord>>,
    /// Whether what was found may be cached. If not, the next rounds do not tell of all changes.
    pub lasting: bool,
}

/// What has to leave the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// These, and nothing else.
    Revoked(Vec<Revoked>),
    /// All.
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
    StoreError::Failed("this store cannot be followed".to_owned())
}
