//! Opening connections with the settings that the server's promises depend on, and refusing databases
//! that cannot keep them.

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

#[cfg(all(feature = "sqlite", unix))]
mod access;
#[cfg(feature = "sqlite")]
mod files;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "sqlite")]
use self::files::{Companions, FileIdentity, file_identity};
#[cfg(feature = "sqlite")]
pub(super) use self::sqlite::{look_for, prepare_file};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// For a worker pool, which serves requests: nothing may take long.
    DbPool,
    /// For a revocation feed, which never waits for a lock.
    RevocationFeed,
    /// For administration, which may take long.
    Admin,
}

/// A database that can be connected to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) url: DatabaseUrl,
    busy_timeout: Duration,
    /// A pooler refused settings at the start of a connection.
    #[cfg(feature = "postgres")]
    pooler: AtomicBool,
    /// The identity of the SQLite file.
    #[cfg(feature = "sqlite")]
    file: Option<FileIdentity>,
    /// Its companion files, from the first connection on.
    #[cfg(feature = "sqlite")]
    companions: OnceLock<Companions>,
    /// The reserve on its disk.
    #[cfg(feature = "sqlite")]
    pub(super) reserve: Option<Reserve>,
    /// When the last write failed because the disk of a server was full, in milliseconds after `made`.
    full_at: AtomicU64,
    made: Instant,
}

const NEVER: u64 = u64::MAX;

/// For how long the disk of a server counts as full after a write failed because of it.
const FULL_FOR: Duration = Duration::from_secs(30);

impl Target {
    /// A database. A file has to exist, and must not be replaced later.
    pub(super) fn new(url: DatabaseUrl, busy_timeout: Duration) -> Self {
        #[cfg(feature = "sqlite")]
        let file = match &url {
            DatabaseUrl::Sqlite(path) => file_identity(path),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => None,
        };
        #[cfg(feature = "sqlite")]
        let reserve = match &url {
            // SQLite resolves links: its other files are next to the file itself.
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
                    // Many requests share its thread.
                    Role::RevocationFeed => Duration::ZERO,
                    Role::DbPool | Role::Admin => self.busy_timeout,
                };
                self.check_file()?;
                self.hold_companions(path)?;
                let connection = sqlite::connect(path, busy_timeout)?;
                // The file may have been replaced just before it was opened.
                self.check_file().map(|()| connection)
            }
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(url) => postgres::connect(url, role, self.lock_timeout(), &self.pooler),
        }
    }

    /// Opens the companion files with the first connection, and keeps them open.
    #[cfg(feature = "sqlite")]
    fn hold_companions(&self, path: &std::path::Path) -> StoreResult<()> {
        if self.companions.get().is_none()
            && let Some(companions) = Companions::hold(path)?
        {
            // If two threads get here at once, one of them closes its own.
            let _ = self.companions.set(companions);
        }
        Ok(())
    }

    /// Checks that the files at the path are still those that the store works with. Writes to a
    /// file that was replaced are lost, and what other processes write to the new file is not
    /// seen. The new file is not opened either: SQLite would apply the old file's log to it, and
    /// could damage it.
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

    /// Checks that there is room for more data, as far as is known: the free space of a file's disk, or on
    /// Postgres the result of the last writes.
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
            return Err(StoreError::Full("a write failed a short time ago because the disk is full".to_owned()));
        }
        Ok(())
    }

    /// Checks that writes that only add data are allowed.
    ///
    /// # Errors
    /// When the remaining room is reserved for ending sessions.
    pub(super) fn admit_growth(&self) -> StoreResult<()> {
        #[cfg(feature = "sqlite")]
        if let Some(reserve) = &self.reserve {
            return reserve.admit();
        }
        Ok(())
    }

    /// Makes sure that sessions can be ended on a disk that is nearly full; whether there is room for more.
    pub(super) fn make_room(&self) -> bool {
        #[cfg(feature = "sqlite")]
        if let Some(reserve) = &self.reserve {
            return reserve.make_room();
        }
        true
    }

    /// Removes the reserve on a file's disk; returns whether there was one.
    pub(super) fn give_up_reserve(&self) -> bool {
        #[cfg(feature = "sqlite")]
        if let Some(reserve) = &self.reserve {
            return reserve.give_up();
        }
        false
    }

    /// Records that a write failed because the disk is full.
    pub(super) fn note_full(&self) {
        let elapsed = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(NEVER - 1);
        self.full_at.store(elapsed, Ordering::Relaxed);
    }

    /// How long a statement on a server may wait for a lock.
    pub(super) fn lock_timeout(&self) -> Duration {
        self.busy_timeout.clamp(Duration::from_millis(1), Duration::from_millis(1_500))
    }

    /// Whether a pooler refused our settings, so that the server's own time-outs
    /// apply.
    #[cfg(feature = "postgres")]
    pub(super) fn has_pooler(&self) -> bool {
        self.pooler.load(Ordering::Relaxed)
    }
}
