//! Translates errors of the database into errors of the store.

use diesel::result::{DatabaseErrorKind, Error};

use super::any::{AnyConnection, is_broken, on_each};
use crate::store::StoreError;

/// Classifies an error of diesel. Only the database's own message is passed on: it names tables and
/// constraints, never values. A query is never printed, because diesel would print its values too.
pub(super) fn store_error(error: &Error, connection: &mut AnyConnection) -> StoreError {
    store_error_after(error, connection, Waited::NotLong)
}

/// Whether a statement ran for as long as Postgres lets one wait for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    /// It ran for less, or for an unknown time.
    NotLong,
    /// It did: an error that is not understood is a time-out.
    Long,
}

/// As [`store_error`], with the time that the statement took. An error of Postgres that is not understood costs
/// the connection: it may be one that only another connection helps against.
pub(super) fn store_error_after(error: &Error, connection: &mut AnyConnection, waited: Waited) -> StoreError {
    let sorted = sort(error);
    logged(if is_broken(connection) {
        StoreError::Unavailable(text_of(sorted))
    } else if is_understood(error, connection) {
        sorted
    } else if waited == Waited::Long {
        StoreError::Busy(text_of(sorted))
    } else {
        StoreError::Unavailable(text_of(sorted))
    })
}

/// Whether it is known what an error means. Postgres words its errors in the language of `lc_messages`, and diesel
/// keeps most of their codes to itself; SQLite knows one language.
#[expect(clippy::wildcard_enum_match_arm, reason = "diesel tells all other kinds itself")]
pub(super) fn is_understood(error: &Error, connection: &AnyConnection) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::Unknown, _) => {
            on_each!(connection, sqlite(_c) => true, postgres(_c) => is_english(&error.to_string()))
        }
        _ => true,
    }
}

/// Whether a message of Postgres is one that this program knows.
#[cfg(feature = "postgres")]
fn is_english(message: &str) -> bool {
    // What this program can do nothing about; the same on a new connection.
    const LASTING: [&str; 3] = ["permission denied", "must be owner", "does not exist"];
    !matches!(by_message(message), StoreError::Failed(_)) || LASTING.iter().any(|words| message.contains(words))
}

/// Logs an error whose text is safe to log. Callers cannot know that, and do not log it.
pub(super) fn logged(error: StoreError) -> StoreError {
    log::warn!("{error}");
    error
}

/// The words of an error.
pub(super) fn text_of(error: StoreError) -> String {
    match error {
        StoreError::Unavailable(text)
        | StoreError::NotBegun(text)
        | StoreError::Busy(text)
        | StoreError::Full(text)
        | StoreError::Failed(text) => text,
    }
}

/// The error of a transaction that could not be opened: even if the connection broke, nothing was done.
pub(super) fn not_begun(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(text) => StoreError::NotBegun(text),
        other @ (StoreError::NotBegun(_) | StoreError::Busy(_) | StoreError::Full(_) | StoreError::Failed(_)) => other,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the others are bugs of this program, and have one message")]
fn sort(error: &Error) -> StoreError {
    match error {
        Error::DatabaseError(kind, information) => by_kind(kind, information.message()),
        Error::BrokenTransactionManager => StoreError::Unavailable("a transaction was left unfinished".to_owned()),
        Error::RollbackErrorOnCommit { commit_error, .. } => StoreError::Unavailable(text_of(sort(commit_error))),
        Error::DeserializationError(source) => StoreError::Failed(format!("a row cannot be read: {source}")),
        Error::NotFound => StoreError::Failed("a row that should be there is not".to_owned()),
        // The messages of the others may contain values.
        _ => StoreError::Failed("a statement could not be run".to_owned()),
    }
}

/// What an error of this kind means, before its message is read.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds break a constraint")]
fn by_kind(kind: &DatabaseErrorKind, message: &str) -> StoreError {
    let text = message.to_owned();
    match kind {
        // A primary that became a standby, too: another connection may find the new primary.
        DatabaseErrorKind::ClosedConnection
        | DatabaseErrorKind::UnableToSendCommand
        | DatabaseErrorKind::ReadOnlyTransaction => StoreError::Unavailable(text),
        DatabaseErrorKind::SerializationFailure => StoreError::Busy(text),
        _ => by_message(message),
    }
}

/// diesel does not pass error codes on, so the rest is recognised by its message.
fn by_message(message: &str) -> StoreError {
    let text = message.to_owned();
    const GONE: [&str; 4] = ["terminating connection", "shutting down", "starting up", "in recovery mode"];
    const FULL: [&str; 2] = ["database or disk is full", "No space left on device"];
    const BUSY: [&str; 5] =
        ["database is locked", "table is locked", "canceling statement", "deadlock detected", "too many clients"];
    if has_lost_statements(message) {
        return StoreError::Unavailable(text + POOLER);
    }
    // After a migration changed what a prepared statement returns, a new connection prepares it again.
    if message.contains("cached plan") || GONE.iter().any(|part| message.contains(part)) {
        StoreError::Unavailable(text)
    } else if FULL.iter().any(|part| message.contains(part)) {
        StoreError::Full(text)
    } else if BUSY.iter().any(|part| message.contains(part)) {
        StoreError::Busy(text)
    } else {
        StoreError::Failed(text)
    }
}

/// The cause of [`has_lost_statements`], and its cure.
const POOLER: &str = "; a pooler such as PgBouncer hands each transaction to another server process: set \
                      pool_mode = session, or max_prepared_statements = 200 from PgBouncer 1.21 on";

/// Whether a message, in whatever language, is about the name of a statement that diesel prepared: the server
/// process is not the one that this connection had before.
pub(super) fn has_lost_statements(message: &str) -> bool {
    message.contains("__diesel_stmt_")
}

/// Whether an error is that of a pooler which hands each transaction to another server process. It names the cure.
pub fn is_of_pooler(error: &StoreError) -> bool {
    has_lost_statements(&error.to_string())
}

/// Whether the disk may have been full. SQLite reports a used-up quota only as an I/O error.
pub(super) fn may_lack_room(error: &StoreError) -> bool {
    match error {
        StoreError::Full(_) => true,
        StoreError::Unavailable(text) | StoreError::Failed(text) => text.contains("disk I/O error"),
        StoreError::NotBegun(_) | StoreError::Busy(_) => false,
    }
}

/// Whether the same transaction may succeed if it is run again at once.
#[expect(clippy::wildcard_enum_match_arm, reason = "only the database reports conflicts")]
pub(super) fn is_conflict(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        Error::DatabaseError(_, information) => information.message().contains("deadlock detected"),
        // Everything else would only fail again.
        _ => false,
    }
}

/// The error for a row with an unknown value; `what` names the column, not the value.
pub(super) fn unreadable(what: &'static str) -> Error {
    Error::DeserializationError(what.into())
}
