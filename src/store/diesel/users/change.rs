//! Changes of a user: the name, the e-mail address, the flags. Only the end of being an administrator ends sessions.

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::super::any::AnyConnection;
use super::super::audit::{self, About};
use super::super::mass_end;
use super::super::rows::session_id;
use super::super::schema::{sessions, users};
use super::{find_epoch, is_last_admin, lock_key, rename};
use crate::domain::audit::AuditContext;
use crate::domain::user::{UserId, email_key, lookalike_key};
use crate::store::{SharedEmail, UserChange, UserChanged};

#[diesel::declare_sql_function]
extern "SQL" {
    /// In lower case.
    fn lower(text: Text) -> Text;
}

/// See [`crate::store::AdminStore::change_user`].
pub(in super::super) fn change(
    connection: &mut AnyConnection,
    user: UserId,
    change: &UserChange,
    audit: &AuditContext,
) -> QueryResult<UserChanged> {
    let row = users::table.find(user.0);
    let changed = match change {
        UserChange::Username(name) => {
            match holder_of_name(connection, name, Some(user))? {
                Some(other) if other == *name => return Ok(UserChanged::NameTaken),
                Some(other) => return Ok(UserChanged::Lookalike(other)),
                None => {}
            }
            rename(connection, user, name)?
        }
        UserChange::Email(email, shared) => {
            if let Some(other) = holder_of_email(connection, email, Some(user), *shared)? {
                return Ok(UserChanged::EmailTaken(other));
            }
            diesel::update(row).filter(users::email.ne(email)).set(users::email.eq(email)).execute(connection)?
        }
        UserChange::Staff(is_staff) => diesel::update(row)
            .filter(users::is_staff.ne(is_staff))
            .set(users::is_staff.eq(is_staff))
            .execute(connection)?,
        UserChange::Admin(is_admin, last) => {
            if !is_admin && is_last_admin(connection, user, *last)? {
                return Ok(UserChanged::LastAdmin);
            }
            let set = diesel::update(row).filter(users::is_admin.ne(is_admin)).set(users::is_admin.eq(is_admin));
            let changed = set.execute(connection)?;
            if changed == 1 && !is_admin {
                end_administration(connection, user, audit)?;
            }
            changed
        }
    };
    if changed == 0 && find_epoch(connection, user.0)?.is_none() {
        return Ok(UserChanged::NoSuchUser);
    }
    // An act that changes nothing is told, too.
    audit::record(connection, audit, About::user(user, None))?;
    Ok(UserChanged::Done)
}

/// Ends the sessions for administration of a user who is no longer an administrator: the row of the user is locked, so
/// that none is opened meanwhile.
fn end_administration(connection: &mut AnyConnection, user: UserId, audit: &AuditContext) -> QueryResult<()> {
    let found: Vec<Vec<u8>> = sessions::table
        .filter(sessions::user_id.eq(user.0))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::kind.eq_any(["admin", "admin_script", "admin_page"]))
        .order(sessions::id)
        .select(sessions::id)
        .load(connection)?;
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
    let alike: Vec<(i64, String)> = users::table
        .filter(users::lookalike_key.eq(key))
        .order(users::id)
        .select((users::id, users::username))
        .load(connection)?;
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
    let holders: Vec<(i64, String)> = users::table
        .filter(lower(users::email).eq(key))
        .order(users::id)
        .select((users::id, users::username))
        .limit(2)
        .load(connection)?;
    Ok(holders.into_iter().find(|(id, _)| Some(UserId(*id)) != user).map(|(_, name)| name))
}
