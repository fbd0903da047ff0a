//! When the password was last given again in a session.

use diesel::prelude::*;

use super::any::AnyConnection;
use super::audit::{self, About};
use super::schema::sessions;
use crate::domain::audit::AuditContext;
use crate::domain::session::SessionId;
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;

/// See [`AdminStore::note_password_given`](crate::store::AdminStore::note_password_given).
pub(super) fn note(any: &mut AnyConnection, session: SessionId, audit: &AuditContext) -> QueryResult<bool> {
    let user: Option<i64> = diesel::update(sessions::table.find(session.as_bytes().as_slice()))
        .filter(sessions::ended_at.is_null())
        .set(sessions::proven_at.eq(audit.at.as_micros()))
        .returning(sessions::user_id)
        .get_result(any)
        .optional()?;
    let Some(user) = user else { return Ok(false) };
    audit::record(any, audit, About::session(UserId(user), session))?;
    Ok(true)
}

/// See [`AdminStore::password_given_at`](crate::store::AdminStore::password_given_at).
pub(super) fn find(any: &mut AnyConnection, session: SessionId) -> QueryResult<Option<Timestamp>> {
    let row = sessions::table.find(session.as_bytes().as_slice());
    let found: Option<Option<i64>> = row.select(sessions::proven_at).get_result(any).optional()?;
    Ok(found.flatten().map(Timestamp::from_micros))
}
