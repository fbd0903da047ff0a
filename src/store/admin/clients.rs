//! Clients as administration adds and changes them.

use crate::domain::client::{ClientId, Rights, SecretDigest};
use crate::domain::time::Timestamp;

/// A client to be registered.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// Its id.
    pub id: ClientId,
    /// Its name, which no other client has.
    pub name: String,
    /// The digest of its secret.
    pub secret: SecretDigest,
    /// What it may do.
    pub rights: Rights,
    /// How many requests a second it may make on each node; `None`: any number.
    pub limit: Option<u32>,
}

/// The outcome of registering a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCreation {
    /// It is registered.
    Created,
    /// Another client has exactly this name.
    NameTaken,
}

/// A new secret for a client.
#[derive(Debug, Clone)]
pub struct ClientRotation {
    /// The client.
    pub client: ClientId,
    /// The digest of its new secret.
    pub secret: SecretDigest,
    /// Until when the secret that it replaces is good; `None`: it is refused at once. The one before that is
    /// refused at once in any case.
    pub keep_old_until: Option<Timestamp>,
}
