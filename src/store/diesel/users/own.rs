//! What users change by themselves: the password, and all sessions but one.

use diesel::sql_types::{BigInt, Text};
use diesel::{OptionalExtension, QueryResult, RunQueryDsl};

use super::super::any::AnyConnection;
use super::super::audit::{self, About};
use super::super::hot::{self, statement};
use super::super::standby;
use super::{KeepSession, RaiseEpoch, delete_some_tokens};
use crate::domain::audit::AuditContext;
use crate::domain::session::SessionId;
use crate::domain::user::UserId;
use crate::store::{KeptSessions, PasswordChange};

statement! {
    /// A new password of a user who has not changed since the present one was verified. A returned row is the
    /// permission, and locks the user until the commit.
    ChangePassword {
        hash: String as Text, raise: i64 as BigInt, user: i64 as BigInt, epoch: i64 as BigInt, old: String as Text,
    } -> BigInt,
    [
        "UPDATE users SET password_hash = ", hash, ", auth_epoch = auth_epoch + ", raise, " WHERE id = ", user,
        " AND auth_epoch + ", {hot::CUTOFF_EPOCH}, " = ", epoch, " AND is_active AND password_hash = ", old,
        " RETURNING auth_epoch + ", {hot::CUTOFF_EPOCH},
    ]
}

/// See [`crate::store::Connection::end_other_sessions`].
pub(in super::super) fn end_others(
    connection: &mut AnyConnection,
    user: UserId,
    keep: SessionId,
    audit: &AuditContext,
    room: &mut i64,
) -> QueryResult<bool> {
    let raised: Option<i64> = RaiseEpoch { user: user.0 }.get_result(connection).optional()?;
    let Some(epoch) = raised else {
        standby::confirm(connection)?;
        return Ok(false);
    };
    keep_session(connection, user, keep, epoch)?;
    delete_some_tokens(connection, user, epoch, room)?;
    audit::record(connection, audit, About::user(user, Some(epoch)))?;
    Ok(true)
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
    let raised = match change.keep {
        KeptSessions::None => Some(epoch),
        KeptSessions::One(session) => {
            keep_session(connection, change.user, session, epoch)?;
            Some(epoch)
        }
        KeptSessions::All => None,
    };
    if let Some(epoch) = raised {
        delete_some_tokens(connection, change.user, epoch, room)?;
    }
    audit::record(connection, audit, About::user(change.user, raised))?;
    Ok(true)
}

fn keep_session(connection: &mut AnyConnection, user: UserId, session: SessionId, epoch: i64) -> QueryResult<()> {
    let keep = KeepSession { epoch, id: *session.as_bytes(), user: user.0, old_epoch: epoch - 1 };
    keep.execute(connection).map(drop)
}
