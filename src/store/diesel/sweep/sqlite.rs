//! Expired tokens on SQLite.

use diesel::sql_types::{BigInt, Binary, Nullable};
use diesel::{OptionalExtension, QueryResult, RunQueryDsl, SqliteConnection};

use super::super::hot::{CUTOFF_EPOCH, statement};
use super::{BATCH, Expired, ExpiredColumns};

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
    MarkExpired { at: Option<i64> as Nullable<BigInt>, id: Vec<u8> as Binary } -> Binary,
    [
        "UPDATE sessions SET ended_at = ", at, ", ended_reason = 'expired' WHERE id = ", id,
        " AND ended_at IS NULL AND auth_epoch = (SELECT u.auth_epoch FROM users u WHERE u.id = sessions.user_id) + ",
        {CUTOFF_EPOCH}, " AND NOT EXISTS (SELECT 1 FROM tokens WHERE session_id = sessions.id) RETURNING id",
    ]
}

/// Finds tokens that expired long ago.
pub(super) fn find(connection: &mut SqliteConnection, before: i64) -> QueryResult<Vec<Expired>> {
    FindExpired { before }.load(connection)
}

/// Deletes the tokens, marks the sessions without tokens as ended, and returns these.
pub(super) fn delete_and_mark(connection: &mut SqliteConnection, found: &[Expired]) -> QueryResult<Vec<Vec<u8>>> {
    for (digest, ..) in found {
        DeleteToken { digest: digest.clone() }.execute(connection)?;
    }
    let mut ended = Vec::new();
    for (_, id, at, ..) in found {
        ended.extend(MarkExpired { at: *at, id: id.clone() }.get_result::<Vec<u8>>(connection).optional()?);
    }
    Ok(ended)
}
