//! Expired tokens on SQLite.

use diesel::sql_types::{BigInt, Binary, Nullable};
use diesel::{OptionalExtension, QueryResult, RunQueryDsl, SqliteConnection};

use super::super::hot::{CUTOFF_EPOCH, ISSUED_BEFORE, statement};
use super::{BATCH, Expired, ExpiredColumns, Over};

statement! {
    /// Tokens that expired long ago.
    FindExpired { before: i64 as BigInt } -> ExpiredColumns,
    [
        "SELECT digest, session_id, expires, kind, consumed, key_id FROM tokens WHERE expires < ", before,
        " ORDER BY expires LIMIT ", {BATCH},
    ]
}

statement! {
    /// Deletes one token.
    DeleteToken { digest: Vec<u8> as Binary },
    ["DELETE FROM tokens WHERE digest = ", digest]
}

statement! {
    /// Records that a session ended when its last token expired.
    MarkExpired { at: Option<i64> as Nullable<BigInt>, id: Vec<u8> as Binary },
    [
        "UPDATE sessions SET ended_at = ", at, ", ended_reason = 'expired' WHERE id = ", id,
        " AND ended_at IS NULL AND auth_epoch = (SELECT u.auth_epoch FROM users u WHERE u.id = sessions.user_id) + ",
        (CUTOFF_EPOCH), " AND created >= ", (ISSUED_BEFORE),
        " AND NOT EXISTS (SELECT 1 FROM tokens WHERE session_id = sessions.id)",
    ]
}

statement! {
    /// Since when a session is over, if it is. One that ended with others and is not marked yet ended at some time after
    /// its beginning.
    OverSince { id: Vec<u8> as Binary } -> BigInt,
    [
        "SELECT coalesce(s.ended_at, s.created) FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ", id,
        " AND (s.ended_at IS NOT NULL OR s.created < ", (ISSUED_BEFORE), " OR s.auth_epoch <> u.auth_epoch + ",
        (CUTOFF_EPOCH), ")",
    ]
}

/// Finds tokens that expired long ago.
pub(super) fn find(connection: &mut SqliteConnection, before: i64) -> QueryResult<Vec<Expired>> {
    FindExpired { before }.load(connection)
}

/// Deletes the tokens, marks the sessions without tokens as ended, and returns which of the sessions are over, and since
/// when.
pub(super) fn delete_and_mark(connection: &mut SqliteConnection, found: &[Expired]) -> QueryResult<Vec<Over>> {
    for token in found {
        DeleteToken { digest: token.digest.clone() }.execute(connection)?;
    }
    let mut over = Vec::new();
    // The last token first: a session ended when that expired.
    for Expired { session: id, expires: at, .. } in found.iter().rev() {
        MarkExpired { at: *at, id: id.clone() }.execute(connection)?;
        let since: Option<i64> = OverSince { id: id.clone() }.get_result(connection).optional()?;
        over.extend(since.map(|since| (id.clone(), since)));
    }
    Ok(over)
}
