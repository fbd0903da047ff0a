//! The user and the session of a live token.

use std::fmt;
use std::time::SystemTime;

use serde::Serialize;

use crate::dialect::Dialect;

/// The user and the session of a live token, as the server returned them for this very request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The user.
    pub user: User,
    /// The session.
    pub session: Session,
    /// When the token was issued, in whole seconds.
    pub issued: SystemTime,
    /// When the token expires, in whole seconds, rounded down; `None`: never.
    pub expires: Option<SystemTime>,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct User {
    /// The number, which never changes.
    pub id: UserId,
    /// The name to log in with, which may change.
    pub username: String,
    /// The e-mail address, which may be empty.
    pub email: String,
    /// Django's staff flag.
    pub is_staff: bool,
    /// Whether the user administers Knoxide.
    pub is_admin: bool,
}

/// The number of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct UserId(pub i64);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A session: one login on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Session {
    /// The id.
    pub id: SessionId,
    /// The dialect under which it was opened.
    pub dialect: Dialect,
}

/// The id of a session. Not a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SessionId(String);

impl SessionId {
    /// The id with this text.
    pub(crate) const fn new(text: String) -> Self {
        Self(text)
    }

    /// Its text, a UUID with hyphens.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
