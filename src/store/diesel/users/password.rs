//! What users change by themselves: the password.

use diesel::prelude::*;

use super::super::any::AnyConnection;
use super::super::audit::{self, About};
use super::super::cutoff::carried_epoch;
use super::super::schema::users;
use super::end_raised;
use crate::domain::audit::AuditContext;
use crate::store::{KeptSessions, PasswordChange};

/// See [`crate::store::Connection::change_password`].
pub(in super::super) fn change_password(
    connection: &mut AnyConnection,
    change: &PasswordChange,
    audit: &AuditContext,
    room: &mut i64,
) -> QueryResult<bool> {
    let raise = match change.keep {
        KeptSessions::None | KeptSessions::One(_) => 1_i64,
        KeptSessions::All => 0,
    };
    // Only if the user has not changed since the present password was verified. A returned row is the permission, and
    // locks the user until the commit.
    let changed: Option<i64> = diesel::update(users::table.find(change.user.0))
        .filter(carried_epoch().eq(change.epoch.0))
        .filter(users::is_active)
        .filter(users::password_hash.eq(change.old.expose()))
        .set((users::password_hash.eq(change.new.expose()), users::auth_epoch.eq(users::auth_epoch + raise)))
        .returning(carried_epoch())
        .get_result(connection)
        .optional()?;
    let Some(epoch) = changed else { return Ok(false) };
    let keep = match change.keep {
        KeptSessions::None => None,
        KeptSessions::One(session) => Some(session),
        KeptSessions::All => {
            audit::record(connection, audit, About::user(change.user, None))?;
            return Ok(true);
        }
    };
    end_raised(connection, change.user, (epoch, keep), audit, room)?;
    Ok(true)
}
