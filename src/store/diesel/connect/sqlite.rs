//! Connections to a SQLite file.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, RunQueryDsl};

use super::super::FoundFile;
use super::super::any::AnyConnection;
use super::super::error::store_error;
use super::super::hot::statement;
use super::super::migrate;
#[cfg(unix)]
use super::access::obstacle;
use crate::store::{StoreError, StoreResult};

/// Opens a connection.
pub(super) fn connect(path: &Path, busy_timeout: Duration) -> StoreResult<AnyConnection> {
    // SQLite would create a missing file, empty and readable for all users.
    if is_missing(path) {
        return Err(StoreError::Unavailable(format!("there is no database file {}", path.display())));
    }
    refuse_denied(path)?;
    let text = path.to_str().ok_or_else(|| StoreError::Failed("the database file's path is not UTF-8".to_owned()))?;
    let opened = diesel::SqliteConnection::establish(text).map_err(|_| cannot_open(path))?;
    let mut connection = AnyConnection::Sqlite(opened);
    // The time-out first, because the other statements may have to wait for a writer.
    let pragmas = [
        format!("PRAGMA busy_timeout = {}", busy_timeout.as_millis()),
        "PRAGMA foreign_keys = ON".to_owned(),
        "PRAGMA synchronous = FULL".to_owned(),
    ];
    for pragma in pragmas {
        connection.batch_execute(&pragma).map_err(|error| store_error(&error, &mut connection))?;
    }
    Ok(connection)
}

/// Whether there certainly is no file: where this user cannot look, there may be one.
fn is_missing(path: &Path) -> bool {
    path.try_exists().is_ok_and(|found| !found)
}

/// Refuses a path that this user cannot work with.
fn refuse_denied(path: &Path) -> StoreResult<()> {
    match obstacle(path) {
        Some(obstacle) => Err(StoreError::Failed(format!("the database cannot be used: {obstacle}"))),
        None => Ok(()),
    }
}

#[cfg(not(unix))]
fn obstacle(path: &Path) -> Option<String> {
    path.try_exists().err().map(|error| format!("{} cannot be looked for: {error}", path.display()))
}

/// See [`DieselStore::look_for_file`](super::super::DieselStore::look_for_file).
pub(in super::super) fn look_for(path: &Path) -> StoreResult<FoundFile> {
    if is_missing(path) {
        return Ok(FoundFile::Missing { obstacle: obstacle(path) });
    }
    refuse_denied(path).map(|()| FoundFile::Present)
}

fn cannot_open(path: &Path) -> StoreError {
    StoreError::Unavailable(format!(
        "the database file {} cannot be opened: it and its directory must be writable for this user",
        path.display()
    ))
}

statement! {
    /// Writes go to a separate log, so that readers never wait for a writer. The mode is stored in
    /// the file.
    UseWal {} -> Text,
    ["PRAGMA journal_mode = WAL"]
}

/// Prepares a SQLite file, once, before any other connection is open: the file exists, other users
/// cannot read it, and it is in WAL mode. Without `create` the file has to exist with our tables in
/// it; any other file is not changed.
pub(in super::super) fn prepare_file(path: &Path, create: bool, busy_timeout: Duration) -> StoreResult<()> {
    if is_missing(path) {
        if !create {
            return Err(StoreError::Failed(format!(
                "the database file {} does not exist, and creating it is switched off",
                path.display()
            )));
        }
        refuse_denied(path)?;
        create_file(path)?;
        log::info!(file = path.display().to_string().as_str(); "a new database is made");
    }
    let mut connection = connect(path, busy_timeout)?;
    if !create && migrate::is_new(&mut connection).map_err(|error| store_error(&error, &mut connection))? {
        return Err(migrate::not_created(&format!("the database file {}", path.display())));
    }
    let mode = use_wal(&mut connection, busy_timeout).map_err(|error| match error {
        busy @ StoreError::Busy(_) => busy,
        StoreError::Unavailable(text)
        | StoreError::NotBegun(text)
        | StoreError::Full(text)
        | StoreError::Failed(text) => StoreError::Failed(format!("{} cannot be used: {text}", path.display())),
    })?;
    if mode != "wal" {
        return Err(StoreError::Failed(format!(
            "{} cannot be put into WAL mode; it has to be on a local disk",
            path.display()
        )));
    }
    Ok(())
}

/// Switches to WAL mode and returns the mode. SQLite itself does not wait here: if several processes switch a
/// new file at once, all but one get the error that it is busy.
fn use_wal(connection: &mut AnyConnection, limit: Duration) -> StoreResult<String> {
    const PAUSE: Duration = Duration::from_millis(10);
    let begun = Instant::now();
    loop {
        let switched = (UseWal {}).get_result(connection).map_err(|error| store_error(&error, connection));
        match switched {
            Err(StoreError::Busy(_)) if begun.elapsed() < limit => thread::sleep(PAUSE),
            outcome => return outcome,
        }
    }
}

/// Creates the file and closes it again before SQLite opens it: closing any descriptor of a
/// database file would drop the locks that this process holds on it.
fn create_file(path: &Path) -> StoreResult<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        // Another process has just created it.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => {
            Err(StoreError::Failed(format!("the database file {} cannot be created: {error}", path.display())))
        }
    }
}
