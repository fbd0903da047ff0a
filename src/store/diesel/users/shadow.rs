//! Shadow users: what is stored of the users of another system.

use diesel::sql_types::{BigInt, Bool, Text};
use diesel::{QueryResult, RunQueryDsl};

use super::super::any::AnyConnection;
use super::super::audit::{self, About};
use super::super::hot::statement;
use super::{find, find_epoch, insert, rename, switch};
use crate::domain::audit::{AuditContext, Event};
use crate::domain::user::{Epoch, LoginName, NewUser, UserId, lookalike_key, stand_in_name};

statement! {
    /// Brings a shadow user up to date; writes nothing when nothing changed.
    UpdateShadow {
        username: String as Text, key: String as Text, email: String as Text, is_staff: bool as Bool,
        id: i64 as BigInt,
    },
    [
        "UPDATE users SET username = ", username, ", lookalike_key = ", key, ", email = ", email, ", is_staff = ",
        is_staff, " WHERE id = ", id, " AND (username <> ", username, " OR email <> ", email, " OR is_staff <> ",
        is_staff, ")",
    ]
}

/// See [`crate::store::Connection::put_shadow_user`]; `None` if another user has the name.
pub(in super::super) fn put_shadow(
    connection: &mut AnyConnection,
    user: &NewUser,
    audit: &AuditContext,
) -> QueryResult<Option<Epoch>> {
    let known = match user.id {
        Some(id) => Some(id),
        None => find(connection, &LoginName::Username(user.username.clone()))?.map(|account| account.user.id),
    };
    if let Some(id) = user.id {
        free_name(connection, &user.username, id, audit)?;
    }
    if let Some(UserId(id)) = known
        && let Some(epoch) = update_shadow(connection, id, user, audit)?
    {
        return Ok(Some(epoch));
    }
    if let Some(id) = insert(connection, user)? {
        audit::record_as(connection, Event::UserCreated, audit, About::user(id, None))?;
        return find_epoch(connection, id.0);
    }
    // Another node inserted it at the same moment, or the name belongs to another number.
    match user.id {
        Some(UserId(id)) => find_epoch(connection, id),
        None => Ok(find(connection, &LoginName::Username(user.username.clone()))?.map(|found| found.user.epoch)),
    }
}

/// Takes the name from the shadow of another user, which had it before its provider gave it to
/// this one; that user's new name is stored at its next login. Accounts with a password here are not
/// shadows and keep their names.
fn free_name(connection: &mut AnyConnection, name: &str, user: UserId, audit: &AuditContext) -> QueryResult<()> {
    let holder = find(connection, &LoginName::Username(name.to_owned()))?;
    let Some(holder) = holder.filter(|holder| holder.user.id != user && holder.is_shadow()) else { return Ok(()) };
    rename(connection, holder.user.id, &stand_in_name(holder.user.id))?;
    audit::record_as(connection, Event::UserRenamed, audit, About::user(holder.user.id, None))
}

fn update_shadow(
    connection: &mut AnyConnection,
    id: i64,
    user: &NewUser,
    audit: &AuditContext,
) -> QueryResult<Option<Epoch>> {
    let raised = if user.is_active { None } else { switch(connection, id, false)? };
    let update = UpdateShadow {
        username: user.username.clone(),
        key: lookalike_key(&user.username),
        email: user.email.clone(),
        is_staff: user.is_staff,
        id,
    };
    let changed = update.execute(connection)? == 1;
    if changed || raised.is_some() {
        // What ended the sessions is told by the event that raised the epoch.
        let event = if raised.is_some() { Event::Deactivated } else { Event::UserUpdated };
        audit::record_as(connection, event, audit, About::user(UserId(id), raised))?;
    }
    find_epoch(connection, id)
}
