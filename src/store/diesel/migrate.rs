//! Bringing the schema up to date, one process at a time.

use std::time::{Duration, Instant};

#[cfg(feature = "postgres")]
use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryResult, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};

use super::any::{self, AnyConnection, MultiBackend, on_each};
use super::connection::DieselConnection;
#[cfg(feature = "postgres")]
use super::doctor::language;
use super::error::store_error;
use super::hot::statement;
use crate::store::{StoreError, StoreResult};

#[cfg(feature = "sqlite")]
const SQLITE: EmbeddedMigrations = diesel_migrations::embed_migrations!("migrations/sqlite");
#[cfg(feature = "postgres")]
const POSTGRES: EmbeddedMigrations = diesel_migrations::embed_migrations!("migrations/postgres");

/// Which migrations have been applied to the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Names of this program's migrations that have not been applied, in the order in which they
    /// will run.
    pub pending: Vec<String>,
    /// Versions that have been applied, oldest first; also those of newer programs.
    pub applied: Vec<String>,
}

fn source(connection: &AnyConnection) -> EmbeddedMigrations {
    on_each!(connection, sqlite(_c) => SQLITE, postgres(_c) => POSTGRES)
}

/// How often a change is tried while other processes use its tables.
const ATTEMPTS: u32 = 10;

/// The pause between two attempts, in which the other processes go on.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a change waits for a table. All other users of the table wait behind it, so it waits for less time than
/// a check of another node may take.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

/// Runs `work` while no other process migrates this database. It runs in one transaction, so a
/// crash leaves the old schema or the new one.
fn exclusively<T>(
    connection: &mut DieselConnection,
    work: impl Fn(&mut AnyConnection) -> diesel::migration::Result<T>,
) -> StoreResult<T> {
    let any = &mut connection.any;
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        let begun = any::begin_write(any).and_then(|()| lock(any));
        begun.map_err(|error| store_error(&error, any))?;
        let started = Instant::now();
        let error = match work(any) {
            Ok(value) => return any::commit(any).map(|()| value).map_err(|error| store_error(&error, any)),
            // Migrations bind no values, so their errors contain none.
            Err(error) => error.to_string(),
        };
        let waited = started.elapsed() >= LOCK_TIMEOUT;
        // Reports the first error, not one of the rollback, which leaves a broken connection.
        let undone = any::rollback(any).is_ok();
        let in_use = ["lock timeout", "deadlock detected"].iter().any(|words| error.contains(words))
            || waited && undone && is_foreign(any);
        if !undone || left == 0 || !in_use {
            let denied = ["permission denied", "must be owner"].iter().any(|words| error.contains(words));
            let advice = if denied { "; run `knoxide migrate` as the role that owns the tables" } else { "" };
            return Err(StoreError::Failed(format!("the schema could not be changed: {error}{advice}")));
        }
        log::warn!("the schema cannot be changed while a table is in use; trying again");
        std::thread::sleep(PAUSE);
    }
}

/// Whether the database words its errors in a language in which they are not recognised.
fn is_foreign(connection: &mut AnyConnection) -> bool {
    on_each!(connection,
        sqlite(_c) => false,
        postgres(c) => language::other_than_english(c).is_ok_and(|other| other.is_some()),
    )
}

/// On SQLite the write lock is enough. On Postgres, other migrations wait for this one for up to a minute.
fn lock(connection: &mut AnyConnection) -> QueryResult<()> {
    on_each!(connection,
        sqlite(_c) => Ok(()),
        postgres(c) => {
            c.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'")?;
            // The number is arbitrary, and used only here.
            c.batch_execute("SELECT pg_advisory_xact_lock(7741536431684184946)")?;
            c.batch_execute(&format!("SET LOCAL lock_timeout = {}", LOCK_TIMEOUT.as_millis()))
        },
    )
}

/// Runs the pending migrations and returns their names. Without `create`, a database that never had
/// our tables is refused. If no migration is pending, this only reads: the role of a server need not
/// have the right to change the schema.
pub(super) fn run(connection: &mut DieselConnection, create: bool) -> StoreResult<Vec<String>> {
    if !create && connection.read(is_new)? {
        return Err(not_created("the database"));
    }
    if status(connection)?.pending.is_empty() {
        return Ok(Vec::new());
    }
    exclusively(connection, |any| {
        let pending = any.pending_migrations(source(any))?;
        let names = pending.iter().map(|migration| migration.name().to_string()).collect();
        any.run_migrations(&pending)?;
        Ok(names)
    })
}

/// Reverts the newest migration, with all its data, and returns its version.
pub(super) fn revert(connection: &mut DieselConnection) -> StoreResult<String> {
    exclusively(connection, |any| any.revert_last_migration(source(any)).map(|version| version.to_string()))
}

/// Reads which migrations have run.
pub(super) fn status(connection: &mut DieselConnection) -> StoreResult<MigrationStatus> {
    let any = &mut connection.any;
    let ours: Vec<Box<dyn Migration<MultiBackend>>> = source(any)
        .migrations()
        .map_err(|error| StoreError::Failed(format!("the built-in migrations cannot be read: {error}")))?;
    let applied = connection.read(applied)?;
    let mut pending: Vec<String> = ours
        .iter()
        .filter(|migration| !applied.contains(&migration.name().version().to_string()))
        .map(|migration| migration.name().to_string())
        .collect();
    pending.sort_unstable();
    Ok(MigrationStatus { pending, applied })
}

/// Whether none of our migrations was ever recorded here: the database is empty or foreign.
pub(super) fn is_new(any: &mut AnyConnection) -> QueryResult<bool> {
    let applied = applied(any)?;
    let ours: Vec<Box<dyn Migration<MultiBackend>>> =
        source(any).migrations().map_err(diesel::result::Error::QueryBuilderError)?;
    Ok(!ours.iter().any(|migration| applied.contains(&migration.name().version().to_string())))
}

/// The error for a new database where none may be created.
pub(super) fn not_created(what: &str) -> StoreError {
    StoreError::Failed(format!(
        "{what} has none of Knoxide's tables, and creating them is switched off: check DATABASE_URL, or run \
         `knoxide migrate` once with KNOXIDE_CREATE=true"
    ))
}

/// Reads the applied versions. diesel would create its table of migrations, so this checks first
/// whether it exists.
fn applied(any: &mut AnyConnection) -> QueryResult<Vec<String>> {
    let recorded: i64 = on_each!(any,
        sqlite(c) => CountRecordsSqlite {}.get_result(c)?,
        postgres(c) => CountRecordsPostgres {}.get_result(c)?,
    );
    if recorded == 0 { Ok(Vec::new()) } else { AppliedVersions {}.load(any) }
}

#[cfg(feature = "sqlite")]
statement! {
    /// Whether diesel ever recorded a migration here.
    CountRecordsSqlite {} -> BigInt,
    ["SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '__diesel_schema_migrations'"]
}

#[cfg(feature = "postgres")]
statement! {
    /// Whether diesel ever recorded a migration here.
    CountRecordsPostgres {} -> BigInt,
    ["SELECT count(to_regclass('__diesel_schema_migrations'))"]
}

statement! {
    /// The versions that diesel recorded.
    AppliedVersions {} -> Text,
    ["SELECT version FROM __diesel_schema_migrations ORDER BY version"]
}
