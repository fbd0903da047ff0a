//! Following what a database forgets, so that what was read once need not be read again.
//!
//! A [`Follower`] is asked in rounds. What a round found, and no later round's [`News`] speak of,
//! is still so: a caller may keep it and say yes from memory, as long as it asks for another
//! round after the question arrived.

use super::{StoreError, StoreResult};
use crate::session::{SessionId, TokenRecord};
use crate::token::TokenDigest;
use crate::user::UserId;

/// How a store can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Following {
    /// Not at all: every check reads.
    Not,
    /// A round takes microseconds and waits for nobody: each thread has a follower of its own.
    Inline,
    /// A round goes over a network: one follower for all threads, with a thread of its own.
    Shared,
}

/// What happened to the database, as far as anybody who remembers has to know.
///
/// After an error a follower is of no further use, and nothing that it found is to be kept.
pub trait Follower: Send {
    /// One round: what was revoked since the round before, and what is known of each digest. Both
    /// reflect every write that was acknowledged before the call. The first round's news are about
    /// what others may have kept, and mean nothing to a caller with an empty memory.
    ///
    /// The caller forgets what the news speak of *before* it keeps what was found.
    ///
    /// # Errors
    /// When nothing can be said; also when somebody else was in the way, since a follower may not
    /// wait for long.
    fn round(&mut self, digests: &[TokenDigest]) -> StoreResult<Round>;
}

/// What a round brought.
#[derive(Debug)]
pub struct Round {
    /// What is to be forgotten.
    pub news: News,
    /// What is known of each digest, in the order asked, whatever its state.
    pub found: Vec<Option<TokenRecord>>,
    /// Whether what was found may be kept. If not, the next rounds do not tell of all changes.
    pub lasting: bool,
}

/// What is to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// These, and nothing else.
    Revoked(Vec<Revoked>),
    /// All.
    Everything,
}

/// Something that is no longer as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// A user and all sessions of that user.
    User(UserId),
    /// A session and its tokens.
    Session(SessionId),
}

/// The answer of a store that cannot be followed.
pub(super) fn cannot() -> StoreError {
    StoreError::Failed("this store cannot be followed".to_owned())
}
