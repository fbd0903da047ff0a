//! Somebody else's users: an application that has its own tells whether a password is right.

use crate::user::{LoginName, Password, UserId};

/// A user of another system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownUser {
    /// Its number there, under which it is known here too.
    pub id: UserId,
    /// Its name.
    pub username: String,
    /// Its e-mail address, possibly empty.
    pub email: String,
    /// Whether it may administer others.
    pub is_staff: bool,
}

/// The other system could not answer. Why is told nobody, not even the log: whoever can tell
/// what of it is secret logs it before.
#[derive(Debug, thiserror::Error)]
#[error("the user system did not answer: {0}")]
pub struct CredentialsError(pub String);

/// Decides whether a name and a password belong together.
///
/// It runs on the threads for passwords and may block. Only the login is decided here: the
/// sessions, and a shadow of each user that has logged in, stay in the store, so end a user's
/// sessions there when the user is deactivated.
pub trait Credentials: Send + Sync + 'static {
    /// The user, if the name and the password fit an active one.
    ///
    /// # Errors
    /// When nothing can be said; the client is told to try again.
    fn verify(&self, login: &LoginName, password: &Password) -> Result<Option<KnownUser>, CredentialsError>;
}
