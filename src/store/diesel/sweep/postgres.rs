//! Expired tokens on Postgres.

use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable};
use diesel::{PgConnection, QueryResult, RunQueryDsl};

use super::super::hot::{CUTOFF_EPOCH, statement};
use super::{BATCH, Expired, ExpiredColumns};

statement! {
    /// Tokens that expired long ago and are not locked.
    FindExpiredUnlocked { before: i64 as BigInt } -> ExpiredColumns,
    [
        "SELECT t.digest, t.session_id, t.expires, t.kind, t.consumed, t.key_id FROM tokens t JOIN sessions s ON s.id = t.session_id \
         WHERE t.expires < ", before, " ORDER BY t.expires LIMIT ", {BATCH}, " FOR UPDATE OF s, t SKIP LOCKED",
    ]
}

statement! {
    /// Locks out other sweepers, which try again later.
    LockSweep {} -> Bool,
    ["SELECT TRUE FROM sweep_state FOR UPDATE SKIP LOCKED"]
}

/// Finds tokens that expired long ago; none while another sweeper runs.
pub(super) fn find(connection: &mut PgConnection, before: i64) -> QueryResult<Vec<Expired>> {
    let free: Vec<bool> = LockSweep {}.load(connection)?;
    if free.is_empty() { Ok(Vec::new()) } else { FindExpiredUnlocked { before }.load(connection) }
}

statement! {
    /// Deletes tokens.
    DeleteTokens { digests: Vec<Vec<u8>> as Array<Binary> },
    ["DELETE FROM tokens WHERE digest = ANY(", digests, ")"]
}

statement! {
    /// Records that sessions ended when their last token expired.
    MarkAllExpired {
        ids: Vec<Vec<u8>> as Array<Binary>, times: Vec<Option<i64>> as Array<Nullable<BigInt>>,
    } -> Binary,
    [
        "UPDATE sessions SET ended_at = v.at, ended_reason = 'expired' \
         FROM (SELECT id, max(at) AS at FROM unnest(", ids, ", ", times, ") AS w(id, at) GROUP BY id) AS v, users u \
         WHERE sessions.id = v.id AND u.id = sessions.user_id AND u.auth_epoch + ", {CUTOFF_EPOCH},
        " = sessions.auth_epoch AND sessions.ended_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM tokens WHERE tokens.session_id = sessions.id) \
         RETURNING sessions.id",
    ]
}

/// Deletes the tokens in one round trip, marks the sessions without tokens as ended in another, and returns these.
pub(super) fn delete_and_mark(connection: &mut PgConnection, found: &[Expired]) -> QueryResult<Vec<Vec<u8>>> {
    let digests = found.iter().map(|(digest, ..)| digest.clone()).collect();
    DeleteTokens { digests }.execute(connection)?;
    let (ids, times) = found.iter().map(|(_, id, at, ..)| (id.clone(), *at)).unzip();
    MarkAllExpired { ids, times }.load(connection)
}
