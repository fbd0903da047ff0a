//! Opening connections, with everything set that a promise rests on, and refusing databases
//! that could not keep it.

#[cfg(feature = "sqlite")]
use std::sync::OnceLock;
#[cfg(feature = "postgres")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::any::AnyConnection;
#[cfg(feature = "sqlite")]
use super::reserve::Reserve;
use super::url::DatabaseUrl;
use crate::store::{StoreError, StoreResult};

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
    /// What is kept of its disk.
    #[cfg(feature = "sqlite")]
    pub(super) reserve: Option<Reserve>,
    /// When the last write failed because the disk of a server was full, in milliseconds after `made`.
    full_at: AtomicU64,
    made: Instant,
}

const NEVER: u64 = u64::MAX;

/// For so long after a write that failed for it the disk of a server counts as full.
const FULL_FOR: Duration = Duration::from_secs(30);

impl Target {
    /// A database; a file is there already, and is never to be another one.
    pub(super) fn new(url: DatabaseUrl, busy_timeout: Duration) -> Self {
        #[cfg(feature = "sqlite")]
        let file = match &url {
            DatabaseUrl::Sqlite(path) => file_identity(path),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => None,
        };
        #[cfg(feature = "sqlite")]
        let reserve = match &url {
            // SQLite resolves links, and so lies beside the file itself what belongs to it.
            DatabaseUrl::Sqlite(path) => {
                Some(Reserve::of(&std::fs::canonicalize(path).unwrap_or_else(|_| path.clone())))
            }
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
            #[cfg(feature = "sqlite")]
            reserve,
            full_at: AtomicU64::new(NEVER),
            made: Instant::now(),
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

    /// Whether there is room for more data, as far as is known: a file's disk is looked at, of a server it
    /// is known what became of the last writes.
    ///
    /// # Errors
    /// When there is not.
    pub(super) fn check_room(&self) -> StoreResult<()> {
        #[cfg(feature = "sqlite")]
        if let Some(reserve) = &self.reserve {
            return reserve.admit();
        }
        let full_at = self.full_at.load(Ordering::Relaxed);
        if full_at != NEVER && self.made.elapsed() < Duration::from_millis(full_at).saturating_add(FULL_FOR) {
            return Err(StoreError::Full("a write failed for want of room a short time ago".to_owned()));
        }
        Ok(())
    }

    /// Whether something that only adds data may be written now.
    ///
    /// # Errors
    /// When the room that is left is kept for ending sessions.
    pub(super) fn admit_growth(&self) -> StoreResult<()> {
        #[cfg(feature = "sqlite")]
        if let Some(reserve) = &self.reserve {
            return reserve.admit();
        }
        Ok(())
    }

    /// Sees to it that sessions can be ended on a disk that is nearly full; whether there is room for more.
    pub(super) fn make_room(&self) -> bool {
        #[cfg(feature = "sqlite")]
        if let Some(reserve) = &self.reserve {
            return reserve.make_room();
        }
        true
    }

    /// Gives up what is kept of a file's disk for ending sessions; whether there was anything.
    pub(super) fn give_up_reserve(&self) -> bool {
        #[cfg(feature = "sqlite")]
        if let Some(reserve) = &self.reserve {
            return reserve.give_up();
        }
        false
    }

    /// A write failed for want of room.
    pub(super) fn note_full(&self) {
        let elapsed = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(NEVER - 1);
        self.full_at.store(elapsed, Ordering::Relaxed);
    }

    /// Whether a pooler in between refused our settings, so that the server's own time-outs
    /// are in force.
    #[cfg(feature = "postgres")]
    pub(super) fn has_pooler(&self) -> bool {
        self.pooler.load(Ordering::Relaxed)
    }
}
