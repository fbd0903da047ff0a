//! Opening connections, with everything set that a promise rests on, and refusing databases
//! that could not keep it.

#[cfg(feature = "sqlite")]
use std::sync::OnceLock;
#[cfg(feature = "postgres")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::any::AnyConnection;
use super::url::DatabaseUrl;
#[cfg(feature = "sqlite")]
use crate::store::StoreError;
use crate::store::StoreResult;

#[cfg(feature = "sqlite")]
mod files;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "sqlite")]
use self::files::{Companions, FileIdentity, file_identity};
#[cfg(feature = "sqlite")]
pub(super) use self::sqlite::prepare_file;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A lane's, on the path of a request: nothing may take long.
    Lane,
    /// A follower's, which waits for nobody.
    Follower,
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
    /// Which file of SQLite this is.
    #[cfg(feature = "sqlite")]
    file: Option<FileIdentity>,
    /// Its companions, once there are some: from the first connection on.
    #[cfg(feature = "sqlite")]
    companions: OnceLock<Companions>,
}

impl Target {
    /// A database; a file is there already, and is never to be another one.
    pub(super) fn new(url: DatabaseUrl, busy_timeout: Duration) -> Self {
        #[cfg(feature = "sqlite")]
        let file = match &url {
            DatabaseUrl::Sqlite(path) => file_identity(path),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => None,
        };
        Self {
            url,
            busy_timeout,
            #[cfg(feature = "postgres")]
            pooler: AtomicBool::new(false),
            #[cfg(feature = "sqlite")]
            file,
            #[cfg(feature = "sqlite")]
            companions: OnceLock::new(),
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// When the database cannot be reached, or must not be used.
    pub(super) fn connect(&self, role: Role) -> StoreResult<AnyConnection> {
        match &self.url {
            #[cfg(feature = "sqlite")]
            DatabaseUrl::Sqlite(path) => {
                let busy_timeout = match role {
                    // It is on a thread that many requests share.
                    Role::Follower => Duration::ZERO,
                    Role::Lane | Role::Admin => self.busy_timeout,
                };
                self.check_file()?;
                self.hold_companions(path)?;
                let connection = sqlite::connect(path, busy_timeout)?;
                // It may have been replaced just before it was opened.
                self.check_file().map(|()| connection)
            }
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(url) => postgres::connect(url, role, self.busy_timeout, &self.pooler),
        }
    }

    /// From the first connection on, the companions stay open and are those that were found then.
    #[cfg(feature = "sqlite")]
    fn hold_companions(&self, path: &std::path::Path) -> StoreResult<()> {
        if self.companions.get().is_none()
            && let Some(companions) = Companions::hold(path)?
        {
            // Of two threads that are here at once, one closes its own again.
            let _ = self.companions.set(companions);
        }
        Ok(())
    }

    /// Whether the files at the path are still those that the store works with. What is
    /// written into a file that has lost its place is lost, and what others write into its
    /// successor is not seen. The successor is not opened either: SQLite would take the old
    /// file's log for its own, and could damage it.
    ///
    /// # Errors
    /// When they are not.
    pub(super) fn check_file(&self) -> StoreResult<()> {
        match &self.url {
            #[cfg(feature = "sqlite")]
            DatabaseUrl::Sqlite(path) if file_identity(path) != self.file => Err(StoreError::Unavailable(format!(
                "the database file {} was removed or replaced while it was in use; put it back, or restart",
                path.display()
            ))),
            #[cfg(feature = "sqlite")]
            DatabaseUrl::Sqlite(_) => self.companions.get().map_or(Ok(()), Companions::check),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => Ok(()),
        }
    }

    /// Whether a pooler in between refused our settings, so that the server's own time-outs
    /// are in force.
    #[cfg(feature = "postgres")]
    pub(super) fn has_pooler(&self) -> bool {
        self.pooler.load(Ordering::Relaxed)
    }
}
