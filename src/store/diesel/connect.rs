//! Opening connections, with everything set that a promise rests on, and refusing databases
//! that could not keep it.

#[cfg(feature = "postgres")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::any::AnyConnection;
use super::url::DatabaseUrl;
use crate::store::StoreResult;

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "sqlite")]
pub(super) use self::sqlite::{file_identity, prepare_file};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A lane's, on the path of a request: nothing may take long.
    Lane,
    /// The administration's, which may.
    Admin,
}

/// A database that can be connected to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) url: DatabaseUrl,
    busy_timeout: Duration,
    /// A pooler in between refused settings at the start of a connection.
    #[cfg(feature = "postgres")]
    pooler: AtomicBool,
}

impl Target {
    pub(super) const fn new(url: DatabaseUrl, busy_timeout: Duration) -> Self {
        Self {
            url,
            busy_timeout,
            #[cfg(feature = "postgres")]
            pooler: AtomicBool::new(false),
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// When the database cannot be reached, or must not be used.
    pub(super) fn connect(&self, role: Role) -> StoreResult<AnyConnection> {
        match &self.url {
            #[cfg(feature = "sqlite")]
            // Whoever works on a file may always take the same time.
            DatabaseUrl::Sqlite(path) => match role {
                Role::Lane | Role::Admin => sqlite::connect(path, self.busy_timeout),
            },
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(url) => postgres::connect(url, role, self.busy_timeout, &self.pooler),
        }
    }

    /// Whether a pooler in between refused our settings, so that the server's own time-outs
    /// are in force.
    #[cfg(feature = "postgres")]
    pub(super) fn has_pooler(&self) -> bool {
        self.pooler.load(Ordering::Relaxed)
    }
}
