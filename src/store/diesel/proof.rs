//! When the password was last given again in a session.

use diesel::sql_types::{BigInt, Binary, Nullable};
use diesel::{OptionalExtension, QueryResult, RunQueryDsl};

use super::any::AnyConnection;
use super::audit::{self, About};
use super::hot::statement;
use crate::domain::audit::AuditContext;
use crate::domain::session::SessionId;
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;

statement! {
    /// Notes in a session that has not ended that the password was given.
    NotePassword { session: [u8; 16] as Binary, at: i64 as BigInt } -> BigInt,
    [
        "UPDATE sessions SET proven_at = ", at, " WHERE id = ", session, " AND ended_at IS NULL RETURNING user_id",
    ]
}

statement! {
    /// When it was last given.
    FindPasswordTime { session: [u8; 16] as Binary } -> Nullable<BigInt>,
    ["SELECT proven_at FROM sessions WHERE id = ", session]
}

/// See [`AdminStore::note_password_given`](crate::store::AdminStore::note_password_given).
pub(super) fn note(any: &mut AnyConnection, session: SessionId, audit: &AuditContext) -> QueryResult<bool> {
    let noted = NotePassword { session: *session.as_bytes(), at: audit.at.as_micros() };
    let user: Option<i64> = noted.get_result(any).optional()?;
    let Some(user) = user else { return Ok(false) };
    audit::record(any, audit, About::session(UserId(user), session))?;
    Ok(true)
}

/// See [`AdminStore::password_given_at`](crate::store::AdminStore::password_given_at).
pub(super) fn find(any: &mut AnyConnection, session: SessionId) -> QueryResult<Option<Timestamp>> {
    let found: Option<Option<i64>> = FindPasswordTime { session: *session.as_bytes() }.get_result(any).optional()?;
    Ok(found.flatten().map(Timestamp::from_micros))
}
