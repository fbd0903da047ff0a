//! What a store needs to know when users change their own sessions and passwords.

use crate::domain::session::SessionId;
use crate::domain::user::{Epoch, PasswordHash, UserId};

/// A new password that a user sets.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    /// The user.
    pub user: UserId,
    /// The user's epoch, as read together with `old`.
    pub epoch: Epoch,
    /// The stored hash against which the user's present password was verified.
    pub old: PasswordHash,
    /// The hash of the new password.
    pub new: PasswordHash,
    /// Which sessions of the user go on.
    pub keep: KeptSessions,
}

/// Which of a user's sessions a change of the password leaves alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptSessions {
    /// None.
    None,
    /// This one.
    One(SessionId),
    /// All.
    All,
}
