//! [`DieselStore`]: users, sessions and tokens in SQLite or PostgreSQL.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use diesel::QueryResult;

use self::any::AnyConnection;
use self::connect::{Role, Target};
use self::connection::DieselConnection;
use crate::store::{Connection, FeedKind, RevocationFeed, Store, StoreError, StoreResult};

mod admin;
mod any;
mod audit;
mod clients;
mod connect;
mod connection;
mod cutoff;
mod doctor;
mod emptying;
mod error;
mod feed;
mod findings;
mod hot;
mod import;
mod keys;
mod lists;
mod mass_end;
mod matching;
mod migrate;
mod networks;
#[cfg(feature = "sqlite")]
mod reserve;
mod rows;
mod schema;
mod sessions;
mod standby;
mod sweep;
#[cfg(test)]
mod tests;
mod traces;
mod triggers;
mod url;
mod users;

pub use self::doctor::{CLOCK_TOLERANCE, Fact, TRIGGERS};
pub use self::error::is_of_pooler;
pub use self::migrate::MigrationStatus;
pub use self::sweep::LARGEST_STEP;
pub use self::url::{DatabaseKind, DatabaseUrl};

/// The options of a [`DieselStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// Create a new database: a SQLite file that does not exist, and the tables where there are none
    /// of this program. Otherwise both are errors, so that a wrong URL or an unmounted disk is one too.
    pub create: bool,
    /// How long a statement waits for another writer (on Postgres at most 1.5 s).
    pub busy_timeout: Duration,
    /// How many connections administration may have at once.
    pub admin_connections: u32,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { create: true, busy_timeout: Duration::from_secs(5), admin_connections: 2 }
    }
}

/// What is at the path of a SQLite file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundFile {
    /// A file that this user can work with.
    Present,
    /// Nothing.
    Missing {
        /// Why no file can be made there, if something is in the way.
        obstacle: Option<String>,
    },
}

/// A store in a database. Besides the methods of every [`Store`], it migrates, lists, sweeps,
/// imports and reports facts about itself; those methods block for longer, use connections of their
/// own, and must not be called from requests.
pub struct DieselStore {
    target: Arc<Target>,
    options: StoreOptions,
    pool: OnceLock<r2d2::Pool<AdminManager>>,
}

impl DieselStore {
    /// Prepares a SQLite file, or stores the address of a Postgres server without connecting
    /// yet.
    ///
    /// # Errors
    /// When the text is not a [`DatabaseUrl`], or the file cannot be used, or must not be created
    /// ([`StoreOptions::create`]).
    pub fn open(url: &str, options: StoreOptions) -> StoreResult<Self> {
        Self::open_url(url.parse().map_err(StoreError::Failed)?, options)
    }

    /// As [`DieselStore::open`], with a URL that was parsed already.
    ///
    /// # Errors
    /// When the file cannot be used, or must not be created.
    pub fn open_url(url: DatabaseUrl, options: StoreOptions) -> StoreResult<Self> {
        #[cfg(feature = "sqlite")]
        match &url {
            DatabaseUrl::Sqlite(path) => connect::prepare_file(path, options.create, options.busy_timeout)?,
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => {}
        }
        Ok(Self::at(url, options))
    }

    /// Opens a database for inspection: creates no file, and changes nothing in one, so that
    /// [`DieselStore::diagnose`] reports the database as it was. Does not connect yet.
    pub fn open_as_found(url: DatabaseUrl) -> Self {
        Self::at(url, StoreOptions::default())
    }

    /// Looks for the file of a SQLite database, without opening it. A server is not looked for, and counts as present.
    ///
    /// # Errors
    /// When this user cannot look, or cannot work with what is there.
    pub fn look_for_file(url: &DatabaseUrl) -> StoreResult<FoundFile> {
        match url {
            #[cfg(feature = "sqlite")]
            DatabaseUrl::Sqlite(path) => connect::look_for(path),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(_) => Ok(FoundFile::Present),
        }
    }

    fn at(url: DatabaseUrl, options: StoreOptions) -> Self {
        let target = Arc::new(Target::new(url, options.busy_timeout));
        Self { target, options, pool: OnceLock::new() }
    }

    /// Which database it is.
    pub fn kind(&self) -> DatabaseKind {
        self.target.url.kind()
    }

    /// Brings the schema up to date and returns the names of the migrations that ran; changes nothing
    /// if none is pending. Two processes that do so at once both succeed.
    ///
    /// # Errors
    /// When the database cannot be reached, a migration fails, or the database is new and must not be
    /// created ([`StoreOptions::create`]); the schema is then as before.
    pub fn migrate(&self) -> StoreResult<Vec<String>> {
        self.admin(|connection| migrate::run(connection, self.options.create))
    }

    /// Reverts the newest migration **and deletes the data that it made room for**, and returns
    /// its version.
    ///
    /// # Errors
    /// When the database cannot be reached, has no migration, or one that this program
    /// does not know.
    pub fn revert_last_migration(&self) -> StoreResult<String> {
        self.admin(migrate::revert)
    }

    /// Which migrations have run, and which are pending. Changes nothing.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub fn migration_status(&self) -> StoreResult<MigrationStatus> {
        self.admin(migrate::status)
    }

    /// Reserves a file of some MiB next to a SQLite database, which is removed for ending sessions when
    /// the disk is full. Creates it if it is missing and there is room, so call this regularly.
    /// From the first call on, writes that only add data are refused while there is no reserve. Does
    /// nothing on Postgres, whose disk is not this machine's.
    ///
    /// # Errors
    /// When the file cannot be created for another reason than a full disk.
    pub fn keep_reserve(&self) -> std::io::Result<()> {
        #[cfg(feature = "sqlite")]
        if let Some(reserve) = &self.target.reserve {
            return reserve.keep();
        }
        Ok(())
    }

    /// Runs `work` on an administration connection.
    fn admin<T>(&self, work: impl FnOnce(&mut DieselConnection) -> StoreResult<T>) -> StoreResult<T> {
        let pool = self.pool.get_or_init(|| self.build_pool());
        let mut connection = pool.get().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        match &mut *connection {
            Ok(connection) => work(connection),
            Err(refused) => Err(refused.clone()),
        }
    }

    /// Runs statements that only read; this and the next three are methods of [`DieselConnection`].
    fn read<T>(&self, work: impl FnOnce(&mut AnyConnection) -> QueryResult<T>) -> StoreResult<T> {
        self.admin(|connection| connection.read(work))
    }

    fn write<T>(&self, work: impl FnMut(&mut AnyConnection) -> QueryResult<T>) -> StoreResult<T> {
        self.admin(|connection| connection.write(work))
    }

    fn add<T>(&self, work: impl FnMut(&mut AnyConnection) -> QueryResult<T>) -> StoreResult<T> {
        self.admin(|connection| connection.add(work))
    }

    fn end<T>(&self, work: impl FnMut(&mut AnyConnection, &mut i64) -> QueryResult<T>) -> StoreResult<T> {
        self.admin(|connection| connection.end(work))
    }

    /// Does not connect yet. The pool's time-out is longer than that of a writer that waits for another.
    fn build_pool(&self) -> r2d2::Pool<AdminManager> {
        r2d2::Pool::builder()
            .max_size(self.options.admin_connections.max(1))
            .min_idle(Some(0))
            // The reaper comes every 30 s.
            .idle_timeout(Some(Duration::from_secs(30)))
            .connection_timeout(self.options.busy_timeout.saturating_add(Duration::from_secs(5)))
            .build_unchecked(AdminManager(Arc::clone(&self.target)))
    }
}

impl fmt::Debug for DieselStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DieselStore").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl Store for DieselStore {
    fn connect(&self) -> StoreResult<Box<dyn Connection>> {
        Ok(Box::new(DieselConnection::open(&self.target, Role::DbPool).map_err(error::logged)?))
    }

    fn writers(&self) -> usize {
        match self.kind() {
            DatabaseKind::Sqlite => 1,
            DatabaseKind::Postgres => 4,
        }
    }

    fn feed_kind(&self) -> FeedKind {
        feed::kind(&self.target)
    }

    fn feed(&self) -> StoreResult<Box<dyn RevocationFeed>> {
        feed::open(&self.target)
    }
}

/// Opens the pool's connections.
#[derive(Debug)]
struct AdminManager(Arc<Target>);

impl r2d2::ManageConnection for AdminManager {
    /// Or why there is none: the pool would try again what only fails again.
    type Connection = StoreResult<DieselConnection>;
    type Error = StoreError;

    fn connect(&self) -> StoreResult<Self::Connection> {
        match DieselConnection::open(&self.0, Role::Admin) {
            Err(refused @ StoreError::Failed(_)) => Ok(Err(refused)),
            opened => opened.map(Ok),
        }
    }

    fn is_valid(&self, connection: &mut Self::Connection) -> StoreResult<()> {
        connection.as_mut().map_or(Ok(()), DieselConnection::check)
    }

    fn has_broken(&self, connection: &mut Self::Connection) -> bool {
        connection.as_mut().map_or(true, DieselConnection::is_broken)
    }
}
