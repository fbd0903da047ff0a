//! Why the service could not do its work.

use crate::domain::random::RandomError;
use crate::store::StoreError;

/// The service could not do its work now, and the outcome is unknown. Ask again.
///
/// Its text is for the log and repeats nothing that a store or a user provider said, since that may contain secrets:
/// they log harmless details themselves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The store failed.
    #[error("{}", .0.summary())]
    Store(#[from] StoreError),
    /// No answer came in time.
    #[error("no answer from the {0} pool in time")]
    TimedOut(&'static str),
    /// There are no random bytes.
    #[error("no random bytes")]
    NoRandomness,
    /// There is too little memory for a hash.
    #[error("too little memory to verify a password")]
    NoMemory,
    /// A key failed.
    #[error("a token could not be signed")]
    NotSigned,
    /// Another request was faster. The next attempt decides.
    #[error(transparent)]
    ChangedMeanwhile(#[from] ChangedMeanwhile),
    /// A consumed token has no successor in the store.
    #[error("the successor's row is missing")]
    NoSuccessor,
    /// The user provider gave no usable answer.
    #[error(transparent)]
    Provider(#[from] ProviderFault),
    /// Too many requests of administrators wait.
    #[error("too many requests of administrators wait")]
    Busy,
    /// The work for an administrator panicked.
    #[error("a job of the administration was lost")]
    Lost,
}

/// What another request has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangedMeanwhile {
    /// The user, since the password was verified.
    #[error("the user changed during the login")]
    Login,
    /// The user, while another password was being set.
    #[error("the user changed while the password was being changed")]
    PasswordChange,
    /// An idle session, before it was ended.
    #[error("the session changed during the check")]
    Check,
    /// A token, again after it was read a second time.
    #[error("the token changed twice during its refresh")]
    Refresh,
}

/// What is wrong with a user provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProviderFault {
    /// It returned an error or panicked.
    #[error("the external system did not answer")]
    NoAnswer,
    /// It returned a different user when it was asked again.
    #[error("the external system gave two different users")]
    TwoUsers,
    /// The store's copy of its user was deleted.
    #[error("the copy of the external user is gone")]
    CopyGone,
}

impl From<RandomError> for Unavailable {
    fn from(_: RandomError) -> Self {
        Self::NoRandomness
    }
}

impl Unavailable {
    /// Whether the disk of the store is full. Checks are still answered then.
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Store(StoreError::Full(_)))
    }
}
