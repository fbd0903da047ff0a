//! Opening connections, with everything set that a promise rests on, and refusing databases
//! that could not keep it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::result::ConnectionError;
use diesel::sql_types::{Bool, Text};
use diesel::{Connection, RunQueryDsl};

use super::any::AnyConnection;
use super::error::store_error;
use super::url::{DatabaseUrl, PostgresUrl};
use crate::store::{StoreError, StoreResult};

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
    pub(super) busy_timeout: Duration,
    /// A pooler in between refused settings at the start of a connection.
    pooler: AtomicBool,
    /// Which file of SQLite this is.
    file: Option<(u64, u64)>,
}

impl Target {
    /// A database; a file is there already, and is never to be another one.
    pub(super) fn new(url: DatabaseUrl, busy_timeout: Duration) -> Self {
        let file = match &url {
            DatabaseUrl::Sqlite(path) => file_identity(path),
            DatabaseUrl::Postgres(_) => None,
        };
        Self { url, busy_timeout, pooler: AtomicBool::new(false), file }
    }

    /// A new connection.
    ///
    /// # Errors
    /// When the database cannot be reached, or must not be used.
    pub(super) fn connect(&self, role: Role) -> StoreResult<AnyConnection> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                self.check_file()?;
                let connection = connect_sqlite(path, self.busy_timeout)?;
                // It may have been replaced just before it was opened.
                self.check_file().map(|()| connection)
            }
            DatabaseUrl::Postgres(url) => self.connect_postgres(url, role),
        }
    }

    /// Whether the file at the path is still the one that the store was opened with. What is
    /// written into a file that has lost its place is lost, and what others write into its
    /// successor is not seen. The successor is not opened either: SQLite would take the old
    /// file's log for its own, and could damage it.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn check_file(&self) -> StoreResult<()> {
        match &self.url {
            DatabaseUrl::Sqlite(path) if file_identity(path) != self.file => Err(StoreError::Unavailable(format!(
                "the database file {} was removed or replaced while it was in use; put it back, or restart",
                path.display()
            ))),
            DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_) => Ok(()),
        }
    }

    /// Whether a pooler in between refused our settings, so that the server's own time-outs
    /// are in force.
    pub(super) fn has_pooler(&self) -> bool {
        self.pooler.load(Ordering::Relaxed)
    }

    #[cfg(not(feature = "postgres"))]
    fn connect_postgres(&self, _: &PostgresUrl, _: Role) -> StoreResult<AnyConnection> {
        Err(StoreError::Failed("this program was built without PostgreSQL (feature `postgres`)".to_owned()))
    }

    #[cfg(feature = "postgres")]
    fn connect_postgres(&self, url: &PostgresUrl, role: Role) -> StoreResult<AnyConnection> {
        let settings = server_settings(role, self.busy_timeout);
        let connection = if self.has_pooler() {
            establish(url, None)
        } else {
            establish(url, Some(&settings)).or_else(|error| {
                if !error.contains("startup parameter") {
                    return Err(error);
                }
                let connection = establish(url, None)?;
                if !self.pooler.swap(true, Ordering::Relaxed) {
                    log::warn!(
                        "the pooler before the database refuses time-outs as start-up options; set statement_timeout, \
                         lock_timeout and idle_in_transaction_session_timeout with ALTER ROLE"
                    );
                }
                Ok(connection)
            })
        };
        let connection = connection.map_err(|error| StoreError::Unavailable(url.without_secrets(&error)))?;
        refuse_unfit(AnyConnection::Postgres(connection))
    }
}

#[cfg(feature = "postgres")]
#[expect(clippy::wildcard_enum_match_arm, reason = "the rest are told alike")]
fn establish(url: &PostgresUrl, settings: Option<&[String]>) -> Result<diesel::PgConnection, String> {
    diesel::PgConnection::establish(&url.with_time_outs(settings)).map_err(|error| match error {
        ConnectionError::BadConnection(text) => text,
        ConnectionError::InvalidCString(_) => "the database URL contains a NUL".to_owned(),
        // The remaining variants speak of queries; their texts may repeat values.
        _ => "the connection could not be set up".to_owned(),
    })
}

/// Settings that end, at the server's side, whatever our own side no longer waits for.
#[cfg(feature = "postgres")]
fn server_settings(role: Role, busy_timeout: Duration) -> Vec<String> {
    let statement = match role {
        Role::Lane => 2_000,
        Role::Admin => 60_000,
    };
    let lock = busy_timeout.as_millis().clamp(1, 1_500);
    vec![
        format!("statement_timeout={statement}"),
        format!("lock_timeout={lock}"),
        "idle_in_transaction_session_timeout=5000".to_owned(),
    ]
}

#[cfg(feature = "postgres")]
super::hot::statement! {
    /// What decides whether a server can keep an acknowledged logout.
    Fitness {} -> (Bool, Text, Text),
    ["SELECT pg_is_in_recovery(), current_setting('synchronous_commit'), current_setting('fsync')"]
}

#[cfg(feature = "postgres")]
fn refuse_unfit(mut connection: AnyConnection) -> StoreResult<AnyConnection> {
    let facts = Fitness {}.get_result(&mut connection);
    let (standby, commit, fsync): (bool, String, String) =
        facts.map_err(|error| store_error(&error, &mut connection))?;
    if standby {
        // Not a failure for good: this host may become the primary, or another be found.
        return Err(StoreError::Unavailable(
            "this server is a standby, whose answers may be old; name the primary, or add \
             target_session_attrs=read-write to a URL with several hosts"
                .to_owned(),
        ));
    }
    let unfit = |setting: &str| {
        Err(StoreError::Failed(format!(
            "the server has {setting}=off, so a crash would bring logged-out tokens back to life; \
             set {setting}=on in postgresql.conf (or with ALTER ROLE, ALTER DATABASE)"
        )))
    };
    if commit == "off" {
        return unfit("synchronous_commit");
    }
    if fsync == "off" {
        return unfit("fsync");
    }
    Ok(connection)
}

#[cfg(not(feature = "sqlite"))]
fn connect_sqlite(_: &Path, _: Duration) -> StoreResult<AnyConnection> {
    Err(StoreError::Failed("this program was built without SQLite (feature `sqlite`)".to_owned()))
}

#[cfg(feature = "sqlite")]
fn connect_sqlite(path: &Path, busy_timeout: Duration) -> StoreResult<AnyConnection> {
    // SQLite would create a missing file, empty and readable to all.
    if !path.exists() {
        return Err(StoreError::Unavailable(format!("the database file {} is gone", path.display())));
    }
    let text = path.to_str().ok_or_else(|| StoreError::Failed("the database file's path is not UTF-8".to_owned()))?;
    let opened = diesel::SqliteConnection::establish(text).map_err(|_| cannot_open(path))?;
    let mut connection = AnyConnection::Sqlite(opened);
    // The time-out first, because the others may already meet a writer.
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

#[cfg(feature = "sqlite")]
fn cannot_open(path: &Path) -> StoreError {
    StoreError::Unavailable(format!(
        "the database file {} cannot be opened: it and its directory must be writable for this user",
        path.display()
    ))
}

#[cfg(feature = "sqlite")]
super::hot::statement! {
    /// Writes go to a log of their own, so that readers never wait for a writer. The file
    /// remembers it.
    UseWal {} -> Text,
    ["PRAGMA journal_mode = WAL"]
}

/// Makes a SQLite file ready, once, before any other connection is open: the file exists, no
/// stranger can read it, and it is in WAL mode.
#[cfg(feature = "sqlite")]
pub(super) fn prepare_file(path: &Path, create: bool, busy_timeout: Duration) -> StoreResult<()> {
    if !path.exists() {
        if !create {
            return Err(StoreError::Failed(format!(
                "the database file {} does not exist, and creating it is switched off",
                path.display()
            )));
        }
        create_file(path)?;
    }
    let mut connection = connect_sqlite(path, busy_timeout)?;
    let mode: String =
        UseWal {}.get_result(&mut connection).map_err(|error| match store_error(&error, &mut connection) {
            busy @ StoreError::Busy(_) => busy,
            StoreError::Unavailable(text) | StoreError::Failed(text) => {
                StoreError::Failed(format!("{} cannot be used: {text}", path.display()))
            }
        })?;
    if mode != "wal" {
        return Err(StoreError::Failed(format!(
            "{} cannot be put into WAL mode; it must lie on a local disk",
            path.display()
        )));
    }
    Ok(())
}

/// Creates the file and closes it again before SQLite opens it: closing any descriptor of a
/// database file would drop the locks that this process holds on it.
#[cfg(feature = "sqlite")]
fn create_file(path: &Path) -> StoreResult<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        // Another process was a little faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => {
            Err(StoreError::Failed(format!("the database file {} cannot be created: {error}", path.display())))
        }
    }
}

/// Which file a path names at this moment; `None` if there is none. Looks at the directory
/// only and opens nothing.
fn file_identity(path: &Path) -> Option<(u64, u64)> {
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
