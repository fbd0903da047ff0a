//! What users change by themselves: the password.

use diesel::sql_types::{BigInt, Text};
use diesel::{OptionalExtension, QueryResult, RunQueryDsl};

use super::super::any::AnyConnection;
use super::super::audit::{self, About};
use super::super::hot::{self, statement};
use super::end_raised;
use crate::domain::audit::AuditContext;
use crate::store::{KeptSessions, PasswordChange};

statement! {
    /// A new password of a user who has not changed since the present one was verified. A returned row is the
    /// permission, and locks the user until the commit.
    ChangePassword {
        hash: String as Text, raise: i64 as BigInt, user: i64 as BigInt, epoch: i64 as BigInt, old: String as Text,
    } -> BigInt,
    [
        "UPDATE users SET password_hash = ", hash, ", auth_epoch = auth_epoch + ", raise, " WHERE id = ", user,
        " AND auth_epoch + ", (hot::CUTOFF_EPOCH), " = ", epoch, " AND is_active AND password_hash = ", old,
        " RETURNING auth_epoch + ", (hot::CUTOFF_EPOCH),
    ]
}

/// See [`crate::store::Connection::change_password`].
pub(in super::super) fn change_password(
    connection: &mut AnyConnection,
    change: &PasswordChange,
    audit: &AuditContext,
    room: &mut i64,
) -> QueryResult<bool> {
    let raise = match change.keep {
        KeptSessions::None | KeptSessions::One(_) => 1,
        KeptSessions::All => 0,
    };
    let statement = ChangePassword {
        hash: change.new.expose().to_owned(),
        raise,
        user: change.user.0,
        epoch: change.epoch.0,
        old: change.old.expose().to_owned(),
    };
    let changed: Option<i64> = statement.get_result(connection).optional()?;
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
