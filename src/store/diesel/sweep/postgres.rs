//! Expired tokens on Postgres.

use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable};
use diesel::{PgConnection, QueryResult, RunQueryDsl};

use super::super::hot::{CUTOFF_EPOCH, ISSUED_BEFORE, statement};
use super::{BATCH, Expired, ExpiredColumns, Over};

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
    },
    [
        "UPDATE sessions SET ended_at = v.at, ended_reason = 'expired' \
         FROM (SELECT id, max(at) AS at FROM unnest(", ids, ", ", times, ") AS w(id, at) GROUP BY id) AS v, users u \
         WHERE sessions.id = v.id AND u.id = sessions.user_id AND u.auth_epoch + ", (CUTOFF_EPOCH),
        " = sessions.auth_epoch AND sessions.created >= ", (ISSUED_BEFORE), " AND sessions.ended_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM tokens WHERE tokens.session_id = sessions.id)",
    ]
}

statement! {
    /// Which sessions are over, and since when. One that ended with others and is not marked yet ended at some time
    /// after its beginning.
    OverSince { ids: Vec<Vec<u8>> as Array<Binary> } -> (Binary, BigInt),
    [
        "SELECT s.id, coalesce(s.ended_at, s.created) FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = ANY(",
        ids, ") AND (s.ended_at IS NOT NULL OR s.created < ", (ISSUED_BEFORE), " OR s.auth_epoch <> u.auth_epoch + ",
        (CUTOFF_EPOCH), ")",
    ]
}

/// Deletes the tokens, marks the sessions without tokens as ended, and returns which of the sessions are over, and since
/// when: one round trip each.
pub(super) fn delete_and_mark(connection: &mut PgConnection, found: &[Expired]) -> QueryResult<Vec<Over>> {
    let digests = found.iter().map(|token| token.digest.clone()).collect();
    DeleteTokens { digests }.execute(connection)?;
    let (ids, times): (Vec<_>, _) = found.iter().map(|token| (token.session.clone(), token.expires)).unzip();
    MarkAllExpired { ids: ids.clone(), times }.execute(connection)?;
    OverSince { ids }.load(connection)
}
