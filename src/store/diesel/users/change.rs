//! Changes of a user: the name, the e-mail address, the flags. Only the end of being an administrator ends sessions.

use diesel::sql_types::{BigInt, Binary, Bool, Text};
use diesel::{QueryResult, RunQueryDsl};

use super::super::any::AnyConnection;
use super::super::audit::{self, About};
use super::super::hot::statement;
use super::super::mass_end;
use super::super::rows::session_id;
use super::{FindLookalikes, Rename, find_epoch, is_last_admin, lock_key};
use crate::domain::audit::AuditContext;
use crate::domain::user::{UserId, email_key, lookalike_key};
use crate::store::{SharedEmail, UserChange, UserChanged};

statement! {
    /// The users whose e-mail addresses share a key.
    FindEmailHolders { key: String as Text } -> (BigInt, Text),
    ["SELECT id, username FROM users WHERE lower(email) = ", key, " ORDER BY id LIMIT 2"]
}

statement! {
    /// Another e-mail address.
    SetEmail { email: String as Text, id: i64 as BigInt },
    ["UPDATE users SET email = ", email, " WHERE id = ", id, " AND email <> ", email]
}

statement! {
    /// Makes a user staff, or no longer.
    SetStaff { is_staff: bool as Bool, id: i64 as BigInt },
    ["UPDATE users SET is_staff = ", is_staff, " WHERE id = ", id, " AND is_staff <> ", is_staff]
}

statement! {
    /// Makes a user an administrator, or no longer.
    SetAdmin { is_admin: bool as Bool, id: i64 as BigInt },
    ["UPDATE users SET is_admin = ", is_admin, " WHERE id = ", id, " AND is_admin <> ", is_admin]
}

statement! {
    /// The sessions of a user that are for administration and not ended.
    FindForAdministration { id: i64 as BigInt } -> Binary,
    [
        "SELECT id FROM sessions WHERE user_id = ", id,
        " AND ended_at IS NULL AND kind IN ('admin', 'admin_script', 'admin_page') ORDER BY id",
    ]
}

/// See [`crate::store::AdminStore::change_user`].
pub(in super::super) fn change(
    connection: &mut AnyConnection,
    user: UserId,
    change: &UserChange,
    audit: &AuditContext,
) -> QueryResult<UserChanged> {
    let UserId(id) = user;
    let changed = match change {
        UserChange::Username(name) => {
            match holder_of_name(connection, name, Some(user))? {
                Some(other) if other == *name => return Ok(UserChanged::NameTaken),
                Some(other) => return Ok(UserChanged::Lookalike(other)),
                None => {}
            }
            Rename { username: name.clone(), key: lookalike_key(name), id }.execute(connection)?
        }
        UserChange::Email(email, shared) => {
            if let Some(other) = holder_of_email(connection, email, Some(user), *shared)? {
                return Ok(UserChanged::EmailTaken(other));
            }
            SetEmail { email: email.clone(), id }.execute(connection)?
        }
        UserChange::Staff(is_staff) => SetStaff { is_staff: *is_staff, id }.execute(connection)?,
        UserChange::Admin(is_admin, last) => {
            if !is_admin && is_last_admin(connection, user, *last)? {
                return Ok(UserChanged::LastAdmin);
            }
            let changed = SetAdmin { is_admin: *is_admin, id }.execute(connection)?;
            if changed == 1 && !is_admin {
                end_administration(connection, id, audit)?;
            }
            changed
        }
    };
    if changed == 0 && find_epoch(connection, id)?.is_none() {
        return Ok(UserChanged::NoSuchUser);
    }
    // An act that changes nothing is told, too.
    audit::record(connection, audit, About::user(user, None))?;
    Ok(UserChanged::Done)
}

/// Ends the sessions for administration of a user who is no longer an administrator: the row of the user is locked, so
/// that none is opened meanwhile.
fn end_administration(connection: &mut AnyConnection, user: i64, audit: &AuditContext) -> QueryResult<()> {
    let found: Vec<Vec<u8>> = FindForAdministration { id: user }.load(connection)?;
    let ids = found.iter().map(|id| session_id(id)).collect::<QueryResult<Vec<_>>>()?;
    mass_end::mark(connection, ids, audit, audit.at).map(drop)
}

/// The name of another user than `user` that is this name or, if there is none, looks like it.
pub(super) fn holder_of_name(
    connection: &mut AnyConnection,
    name: &str,
    user: Option<UserId>,
) -> QueryResult<Option<String>> {
    let key = lookalike_key(name);
    lock_key(connection, "user name", &key)?;
    let alike: Vec<(i64, String)> = FindLookalikes { key }.load(connection)?;
    let others = || alike.iter().filter(|(id, _)| Some(UserId(*id)) != user).map(|(_, other)| other);
    Ok(others().find(|other| *other == name).or_else(|| others().next()).cloned())
}

/// The name of another user than `user` who has this e-mail address, if that matters.
pub(super) fn holder_of_email(
    connection: &mut AnyConnection,
    email: &str,
    user: Option<UserId>,
    shared: SharedEmail,
) -> QueryResult<Option<String>> {
    match shared {
        SharedEmail::Refuse if !email.is_empty() => {}
        SharedEmail::Refuse | SharedEmail::Allow => return Ok(None),
    }
    let key = email_key(email);
    lock_key(connection, "e-mail address", &key)?;
    let holders: Vec<(i64, String)> = FindEmailHolders { key }.load(connection)?;
    Ok(holders.into_iter().find(|(id, _)| Some(UserId(*id)) != user).map(|(_, name)| name))
}
