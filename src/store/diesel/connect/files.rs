//! The three files of a SQLite database: the database itself, the write-ahead log (`-wal`) and the
//! index of that log, which all connections share (`-shm`).
//!
//! SQLite opens the companion files by name, and creates those that are missing. From then on two groups of
//! processes work on different files with the same name: neither sees what the other commits, and may undo
//! it. So a separate connection holds the files open, which keeps SQLite from removing them while this
//! process runs, and their identities are compared regularly.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use diesel::RunQueryDsl;
use diesel::sql_types::{BigInt, Text};

use super::super::any::AnyConnection;
use super::super::error::store_error;
use super::super::hot::statement;
use crate::store::{StoreError, StoreResult};

/// The device and the inode number of a file.
pub(super) type FileIdentity = (u64, u64);

statement! {
    /// The path of the file, with links resolved, and the journal mode. It reads a table, because SQLite
    /// opens the companion files at the first read.
    MainFile {} -> (Text, Text, BigInt),
    [
        "SELECT d.file, j.journal_mode, (SELECT count(*) FROM sqlite_master) \
         FROM pragma_database_list d, pragma_journal_mode j WHERE d.name = 'main'",
    ]
}

/// The companion files of a database file that this process uses.
pub(super) struct Companions {
    files: [(PathBuf, Option<FileIdentity>); 2],
    /// Set once one of them was missing: another process may have written to a new file since, so
    /// restoring the old one does not help.
    lost: AtomicBool,
    /// Reads once and is never used again. The mutex only makes it `Sync`.
    connection: Mutex<Option<AnyConnection>>,
}

impl Companions {
    /// Opens the companion files of the database at `path`; `None` if it is not in WAL mode and has none.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub(super) fn hold(path: &Path) -> StoreResult<Option<Self>> {
        let mut connection = super::sqlite::connect(path, Duration::from_secs(5))?;
        let main = MainFile {}.get_result(&mut connection);
        let (file, mode, _): (String, String, i64) = main.map_err(|error| store_error(&error, &mut connection))?;
        if mode != "wal" {
            return Ok(None);
        }
        let files = ["-wal", "-shm"].map(|ending| {
            let path = PathBuf::from(file.clone() + ending);
            let identity = file_identity(&path);
            (path, identity)
        });
        Ok(Some(Self { files, lost: AtomicBool::new(false), connection: Mutex::new(Some(connection)) }))
    }

    /// Checks that both files are those that this process opened, and that neither was ever missing.
    ///
    /// # Errors
    /// When not.
    pub(super) fn check(&self) -> StoreResult<()> {
        let missing = self.files.iter().find(|(path, identity)| identity.is_none() || file_identity(path) != *identity);
        match missing {
            None if !self.lost.load(Ordering::Relaxed) => Ok(()),
            None => Err(lost("a companion file of the database")),
            Some((path, _)) => {
                let error = lost(&path.display().to_string());
                if !self.lost.swap(true, Ordering::Relaxed) {
                    log::error!("{error}");
                }
                Err(error)
            }
        }
    }
}

impl fmt::Debug for Companions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Companions").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Drop for Companions {
    /// SQLite's last connection writes the log into the database file and removes both companion files by
    /// name. If they have been replaced, that would undo and remove what other processes wrote. In that case
    /// the connection stays open until the process ends. SQLite itself notices a replaced database file.
    fn drop(&mut self) {
        if self.check().is_err() {
            let connection = self.connection.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(connection.take());
        }
    }
}

fn lost(what: &str) -> StoreError {
    StoreError::Unavailable(format!(
        "{what} was removed or replaced while it was in use, so this program and others do not see each other's \
         writes; restart the server, then end all sessions"
    ))
}

/// The identity of the file at a path; `None` if there is none. Does not open the file.
pub(super) fn file_identity(path: &Path) -> Option<FileIdentity> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        Some((0, u64::from(metadata.is_file())))
    }
}
