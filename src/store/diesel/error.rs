//! Translates errors of the database into errors of the store.

use diesel::result::{DatabaseErrorKind, Error};

use super::any::{AnyConnection, is_broken};
use crate::store::StoreError;

/// Classifies an error of diesel. Only the database's own message is passed on: it names tables and
/// constraints, never values. A query is never printed, because diesel would print its values too.
pub(super) fn store_error(error: &Error, connection: &mut AnyConnection) -> StoreError {
    let sorted = sort(error);
    logged(if is_broken(connection) { StoreError::Unavailable(text_of(sorted)) } else { sorted })
}

/// Logs an error whose text is safe to log. Callers cannot know that, and do not log it.
pub(super) fn logged(error: StoreError) -> StoreError {
    log::warn!("{error}");
    error
}

fn text_of(error: StoreError) -> String {
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
        Error::DatabaseError(kind, information) => by_message(kind, information.message()),
        Error::BrokenTransactionManager => StoreError::Unavailable("a transaction was left unfinished".to_owned()),
        Error::RollbackErrorOnCommit { commit_error, .. } => StoreError::Unavailable(text_of(sort(commit_error))),
        Error::DeserializationError(source) => StoreError::Failed(format!("a row cannot be read: {source}")),
        Error::NotFound => StoreError::Failed("a row that should be there is not".to_owned()),
        // The messages of the others may contain values.
        _ => StoreError::Failed("a statement could not be run".to_owned()),
    }
}

fn by_message(kind: &DatabaseErrorKind, message: &str) -> StoreError {
    let text = message.to_owned();
    if matches!(kind, DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand) {
        return StoreError::Unavailable(text);
    }
    // A primary that became a standby: another connection may find the new primary.
    if matches!(kind, DatabaseErrorKind::ReadOnlyTransaction) {
        return StoreError::Unavailable(text);
    }
    // diesel does not pass error codes on, so these are recognised by their messages.
    const GONE: [&str; 4] = ["terminating connection", "shutting down", "starting up", "in recovery mode"];
    const FORGOTTEN: [&str; 2] = ["does not exist", "already exists"];
    const FULL: [&str; 2] = ["database or disk is full", "No space left on device"];
    const BUSY: [&str; 5] =
        ["database is locked", "table is locked", "canceling statement", "deadlock detected", "too many clients"];
    // A pooler discarded the prepared statements of this connection, or a migration changed what they
    // return: a new connection prepares all of them again.
    let stale = message.starts_with("prepared statement") && FORGOTTEN.iter().any(|part| message.ends_with(part))
        || message.contains("cached plan");
    if stale || GONE.iter().any(|part| message.contains(part)) {
        StoreError::Unavailable(text)
    } else if FULL.iter().any(|part| message.contains(part)) {
        StoreError::Full(text)
    } else if matches!(kind, DatabaseErrorKind::SerializationFailure) || BUSY.iter().any(|part| message.contains(part))
    {
        StoreError::Busy(text)
    } else {
        StoreError::Failed(text)
    }
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
