//! Signing keys as administration sees them.

use crate::domain::jwt::{BadKey, KeyPurpose};
use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// A key as it is listed: without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its number: newer keys have greater ones.
    pub id: i64,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Whether its secret is in the settings and not in the database.
    pub in_settings: bool,
    /// When it was created.
    pub created: Timestamp,
    /// When it was retired.
    pub retired: Option<Timestamp>,
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key could not be created.
    #[error(transparent)]
    Bad(#[from] BadKey),
    /// The other nodes sign with another secret.
    #[error(
        "KNOXIDE_JWT_SECRET is not the secret that this database's tokens are signed with: set the same one on every \
         node, or run `knoxide key rotate HS256` with the new one"
    )]
    OtherSecret,
    /// The other nodes sign with a secret that this one does not have.
    #[error("this database's tokens are signed with a secret that is not stored in it: set KNOXIDE_JWT_SECRET")]
    SecretNotGiven,
}

/// The outcome of retiring a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retiring {
    /// The key is retired.
    Done,
    /// There is no such key in use.
    Unknown,
    /// Nothing could be signed without it: rotate first.
    StillNeeded,
}
