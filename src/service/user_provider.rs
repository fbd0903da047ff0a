//! External users: an application that has users of its own verifies their passwords.

use crate::domain::user::{LoginName, Password, UserId};

/// An external user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalUser {
    /// The number in the external system, which is also the number here.
    pub id: UserId,
    /// The name.
    pub username: String,
    /// The e-mail address, possibly empty.
    pub email: String,
    /// Django's staff flag. It gives no rights here, but applications see it, and forward authentication can require
    /// it.
    pub is_staff: bool,
}

/// The external system could not answer. The text is neither logged nor sent to the client, since it may
/// hold secrets: an implementation logs what it knows to be harmless.
#[derive(Debug, thiserror::Error)]
#[error("the external system did not answer: {0}")]
pub struct UserProviderError(pub String);

/// Decides whether a name and a password belong together.
///
/// It runs on the threads that hash passwords, and may block. It decides only about logins. Sessions, and a copy of
/// each user who has logged in, are in the store: when a user is deactivated in the external system, end the user's
/// sessions in the store as well.
pub trait UserProvider: Send + Sync + 'static {
    /// The user, if the name and the password fit an active one.
    ///
    /// # Errors
    /// When the external system cannot answer; the client gets a 503.
    fn verify(&self, login: &LoginName, password: &Password) -> Result<Option<ExternalUser>, UserProviderError>;
}
