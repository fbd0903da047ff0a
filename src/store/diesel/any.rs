//! One connection type over both databases, and transactions on it.

use std::num::NonZeroU32;

#[cfg(feature = "postgres")]
use diesel::PgConnection;
#[cfg(feature = "sqlite")]
use diesel::SqliteConnection;
#[cfg(feature = "sqlite")]
use diesel::connection::AnsiTransactionManager;
use diesel::connection::{Connection, TransactionManager, TransactionManagerStatus};
use diesel::result::{Error, QueryResult};

/// A connection to either database.
#[derive(diesel::MultiConnection)]
pub(super) enum AnyConnection {
    /// To a file.
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteConnection),
    /// To a server.
    #[cfg(feature = "postgres")]
    Postgres(PgConnection),
}

/// Evaluates an expression on the concrete connection: for statements that have to be fast, or that
/// only one of the databases has.
macro_rules! on_each {
    ($connection:expr, sqlite($s:ident) => $sqlite:expr, postgres($p:ident) => $postgres:expr $(,)?) => {
        match $connection {
            #[cfg(feature = "sqlite")]
            $crate::store::diesel::any::AnyConnection::Sqlite($s) => $sqlite,
            #[cfg(feature = "postgres")]
            $crate::store::diesel::any::AnyConnection::Postgres($p) => $postgres,
        }
    };
}
pub(super) use on_each;

/// How a transaction that did not fail ends.
pub(super) enum Ending<T> {
    /// Commit it.
    Keep(T),
    /// Roll it back, and return this.
    Undo(T),
}

/// A transaction that failed.
pub(super) struct Failed {
    /// The first error.
    pub(super) error: Error,
    /// Whether exactly its own writes were undone. Not if the database rolled back an outer
    /// transaction, of which this one was only a part.
    pub(super) undone: bool,
    /// Whether it was opened: if not, none of its statements was sent.
    pub(super) begun: bool,
}

/// How many transactions and savepoints are open.
fn depth(connection: &mut AnyConnection) -> QueryResult<Option<NonZeroU32>> {
    <AnyConnection as TransactionManager<AnyConnection>>::transaction_manager_status_mut(connection).transaction_depth()
}

/// Whether the connection cannot be used any more.
pub(super) fn is_broken(connection: &mut AnyConnection) -> bool {
    let status = <AnyConnection as TransactionManager<AnyConnection>>::transaction_manager_status_mut(connection);
    matches!(status, TransactionManagerStatus::InError)
}

/// Opens a transaction that will write, or a savepoint inside the one that is open. Writers on
/// SQLite wait here for each other: a transaction that begins with a read could not wait later.
pub(super) fn begin_write(connection: &mut AnyConnection) -> QueryResult<()> {
    if depth(connection)?.is_some() {
        return begin(connection);
    }
    on_each!(connection,
        sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE"),
        postgres(c) => <PgConnection as Connection>::TransactionManager::begin_transaction(c),
    )
}

fn begin(connection: &mut AnyConnection) -> QueryResult<()> {
    <AnyConnection as TransactionManager<AnyConnection>>::begin_transaction(connection)
}

/// Commits what was written since the matching [`begin_write`].
pub(super) fn commit(connection: &mut AnyConnection) -> QueryResult<()> {
    <AnyConnection as TransactionManager<AnyConnection>>::commit_transaction(connection)
}

/// Rolls back what was written since the matching [`begin_write`].
pub(super) fn rollback(connection: &mut AnyConnection) -> QueryResult<()> {
    <AnyConnection as TransactionManager<AnyConnection>>::rollback_transaction(connection)
}

/// Runs `work` in a transaction, or in a savepoint of the one that is open.
pub(super) fn write<T>(
    connection: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> QueryResult<Ending<T>>,
) -> Result<T, Failed> {
    begin_write(connection).map_err(|error| Failed { error, undone: true, begun: false })?;
    let failed = |error, undone| Failed { error, undone, begun: true };
    match work(connection) {
        Ok(Ending::Keep(value)) => match commit(connection) {
            Ok(()) => Ok(value),
            Err(error) => Err(failed(error, false)),
        },
        Ok(Ending::Undo(value)) => match rollback(connection) {
            Ok(()) => Ok(value),
            Err(error) => Err(failed(error, false)),
        },
        Err(error) => {
            let undone = rollback(connection).is_ok();
            Err(failed(error, undone))
        }
    }
}

/// Runs `work` so that all its reads see one state of the database.
#[cfg(feature = "sqlite")]
pub(super) fn read_sqlite<T>(
    connection: &mut SqliteConnection,
    work: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    connection.transaction(work)
}
