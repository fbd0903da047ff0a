//! Finding and changing users. Raising a user's epoch ends all its sessions at once.

use diesel::prelude::*;
#[cfg(feature = "postgres")]
use diesel::sql_types::BigInt;

use super::any::{AnyConnection, on_each};
use super::audit::{self, About};
use super::cutoff::carried_epoch;
use super::emptying::AT_THE_END;
#[cfg(feature = "postgres")]
use super::hot::statement;
use super::rows::AccountRow;
use super::schema::{sessions, users};
use super::{hot, standby, traces};
use crate::domain::audit::AuditContext;
use crate::domain::session::SessionId;
use crate::domain::user::{
    Account, Epoch, LoginName, NewUser, PasswordHash, UserId, email_key, email_local_part, lookalike_key,
};
use crate::store::{LastAdmin, SharedEmail, UserChanged, UserCreation};

mod change;
mod last_admin;
mod password;
mod shadow;

pub(super) use change::change;
pub(super) use last_admin::is_last_admin;
pub(super) use password::change_password;
pub(super) use shadow::put_shadow;

#[cfg(feature = "postgres")]
statement! {
    /// Ensures that only one transaction at a time gives a user this name or e-mail address.
    LockKey { hash: i64 as BigInt },
    ["SELECT pg_advisory_xact_lock(", hash, ")"]
}

#[cfg(feature = "postgres")]
statement! {
    /// Moves the next free number beyond all existing ones.
    MoveIdentity { least: i64 as BigInt },
    ["SELECT setval('users_id_seq', ", least, ") FROM users_id_seq WHERE last_value <= ", least]
}

/// See [`crate::store::Connection::find_account`].
pub(super) fn find(connection: &mut AnyConnection, login: &LoginName) -> QueryResult<Option<Account>> {
    let (LoginName::Username(text) | LoginName::Email(text)) = login;
    // No stored name contains a NUL, and Postgres would refuse the query.
    if text.is_empty() || text.contains('\0') {
        return Ok(None);
    }
    match login {
        LoginName::Username(name) => {
            let row: Option<AccountRow> =
                hot::FindByName { username: name.clone() }.get_result(connection).optional()?;
            Ok(row.map(Account::from))
        }
        LoginName::Email(email) => find_by_email(connection, email),
    }
}

fn find_by_email(connection: &mut AnyConnection, email: &str) -> QueryResult<Option<Account>> {
    let local = email_local_part(email);
    // No stored address has as many characters as this limit.
    let length = i32::try_from(local.chars().count()).unwrap_or(i32::MAX);
    let (key, local, email) = (email_key(email), local.to_owned(), email.to_owned());
    let rows: Vec<AccountRow> = hot::FindByEmail { key, length, local, email: email.clone() }.load(connection)?;
    let mut found = rows.into_iter().map(Account::from);
    Ok(match (found.next(), found.next()) {
        (Some(first), Some(second)) if first.user.email == email && second.user.email != email => Some(first),
        (Some(only), None) => Some(only),
        (_, Some(_)) | (None, None) => None,
    })
}

/// See [`crate::store::Connection::find_account_by_id`].
pub(super) fn find_by_id(connection: &mut AnyConnection, user: UserId) -> QueryResult<Option<Account>> {
    let row: Option<AccountRow> = hot::FindById { id: user.0 }.get_result(connection).optional()?;
    Ok(row.map(Account::from))
}

/// See [`crate::store::Connection::end_all_sessions`] and [`crate::store::Connection::end_other_sessions`].
pub(super) fn end_all(
    connection: &mut AnyConnection,
    user: UserId,
    keep: Option<SessionId>,
    audit: &AuditContext,
    room: &mut i64,
) -> QueryResult<bool> {
    let raise = diesel::update(users::table.find(user.0)).set(users::auth_epoch.eq(users::auth_epoch + 1));
    let raised: Option<i64> = raise.returning(carried_epoch()).get_result(connection).optional()?;
    let Some(epoch) = raised else {
        standby::confirm(connection)?;
        return Ok(false);
    };
    end_raised(connection, user, (epoch, keep), audit, room)?;
    Ok(true)
}

/// Completes the end of a user's sessions, whose epoch was raised: but for one that may be kept.
fn end_raised(
    connection: &mut AnyConnection,
    user: UserId,
    (epoch, keep): (i64, Option<SessionId>),
    audit: &AuditContext,
    room: &mut i64,
) -> QueryResult<()> {
    if let Some(id) = keep {
        // Only if it was live until now.
        diesel::update(sessions::table.find(id.as_bytes().as_slice()))
            .filter(sessions::user_id.eq(user.0))
            .filter(sessions::ended_at.is_null())
            .filter(sessions::auth_epoch.eq(epoch - 1))
            .set(sessions::auth_epoch.eq(epoch))
            .execute(connection)?;
    }
    delete_some_tokens(connection, user, epoch, room)?;
    audit::record(connection, audit, About::user(user, Some(epoch)))
}

/// Deletes a few tokens of the sessions that the new epoch ended; the sweeper deletes the rest.
fn delete_some_tokens(connection: &mut AnyConnection, user: UserId, epoch: i64, room: &mut i64) -> QueryResult<()> {
    if *room >= AT_THE_END {
        *room -= traces::take_of_epoch(connection, user.0, epoch - 1)?;
    }
    Ok(())
}

/// See [`crate::store::AdminStore::create_user`].
pub(super) fn create(
    connection: &mut AnyConnection,
    new: &NewUser,
    shared: SharedEmail,
    audit: &AuditContext,
) -> QueryResult<UserCreation> {
    match change::holder_of_name(connection, &new.username, None)? {
        Some(name) if name == new.username => return Ok(UserCreation::Taken),
        Some(name) => return Ok(UserCreation::Lookalike(name)),
        None => {}
    }
    if let Some(holder) = change::holder_of_email(connection, &new.email, None, shared)? {
        return Ok(UserCreation::EmailTaken(holder));
    }
    match insert(connection, new)? {
        Some(id) => {
            audit::record(connection, audit, About::user(id, None))?;
            Ok(UserCreation::Created(id))
        }
        None => Ok(UserCreation::Taken),
    }
}

/// SQLite has only one writer at a time.
fn lock_key(connection: &mut AnyConnection, kind: &str, key: &str) -> QueryResult<()> {
    on_each!(connection,
        sqlite(_c) => {
            let _ = (kind, key);
            Ok(())
        },
        postgres(c) => {
            use sha2::Digest;
            let digest = sha2::Sha512::digest([b"knoxide ", kind.as_bytes(), b" ", key.as_bytes()].concat());
            let mut hash = [0; 8];
            hash.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
            LockKey { hash: i64::from_be_bytes(hash) }.execute(c).map(drop)
        },
    )
}

/// `None` if the number or the name is taken.
fn insert(connection: &mut AnyConnection, new: &NewUser) -> QueryResult<Option<UserId>> {
    let insert = diesel::insert_into(users::table)
        .values((
            new.id.map(|UserId(id)| users::id.eq(id)),
            users::username.eq(&new.username),
            users::lookalike_key.eq(lookalike_key(&new.username)),
            users::email.eq(&new.email),
            users::password_hash.eq(new.password.expose()),
            users::is_active.eq(new.is_active),
            users::is_staff.eq(new.is_staff),
            users::is_admin.eq(new.is_admin),
            users::created.eq(new.created.as_micros()),
        ))
        .on_conflict_do_nothing()
        .returning(users::id);
    let inserted: Option<i64> = on_each!(&mut *connection,
        sqlite(c) => insert.get_result(c),
        postgres(c) => insert.get_result(c),
    )
    .optional()?;
    if let (Some(_), Some(id)) = (new.id, inserted) {
        move_identity(connection, id)?;
    }
    Ok(inserted.map(UserId))
}

/// Gives a user another name; 0: the user has it, or there is none.
fn rename(connection: &mut AnyConnection, user: UserId, name: &str) -> QueryResult<usize> {
    diesel::update(users::table.find(user.0))
        .filter(users::username.ne(name))
        .set((users::username.eq(name), users::lookalike_key.eq(lookalike_key(name))))
        .execute(connection)
}

/// Moves the next free number beyond `id`; SQLite does that by itself.
pub(super) fn move_identity(connection: &mut AnyConnection, id: i64) -> QueryResult<()> {
    on_each!(connection,
        sqlite(_c) => {
            let _ = id;
            Ok(())
        },
        postgres(c) => {
            // Two at once could move it back; the number is arbitrary, and used only here.
            LockKey { hash: 0x6b6e_6f78_6964_6500 }.execute(c)?;
            MoveIdentity { least: id }.execute(c).map(drop)
        },
    )
}

/// See [`crate::store::AdminStore::set_password`].
pub(super) fn set_password(
    connection: &mut AnyConnection,
    user: UserId,
    (new, keep): (&PasswordHash, Option<SessionId>),
    audit: &AuditContext,
    room: &mut i64,
) -> QueryResult<UserChanged> {
    if new.is_unusable() && is_last_admin(connection, user, LastAdmin::Keep)? {
        return Ok(UserChanged::LastAdmin);
    }
    let set = diesel::update(users::table.find(user.0))
        .set((users::password_hash.eq(new.expose()), users::auth_epoch.eq(users::auth_epoch + 1)));
    let raised: Option<i64> = set.returning(carried_epoch()).get_result(connection).optional()?;
    let Some(epoch) = raised else { return Ok(UserChanged::NoSuchUser) };
    end_raised(connection, user, (epoch, keep), audit, room)?;
    Ok(UserChanged::Done)
}

/// See [`crate::store::Connection::upgrade_password_hash`].
pub(super) fn upgrade_hash(
    connection: &mut AnyConnection,
    user: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> QueryResult<bool> {
    let upgraded = diesel::update(users::table.find(user.0))
        .filter(users::password_hash.eq(old.expose()))
        .set(users::password_hash.eq(new.expose()))
        .execute(connection)?;
    Ok(upgraded == 1)
}

/// See [`crate::store::AdminStore::set_active`].
pub(super) fn set_active(
    connection: &mut AnyConnection,
    user: UserId,
    (active, last): (bool, LastAdmin),
    audit: &AuditContext,
) -> QueryResult<UserChanged> {
    if !active && is_last_admin(connection, user, last)? {
        return Ok(UserChanged::LastAdmin);
    }
    let epoch = switch(connection, user.0, active)?;
    if epoch.is_none() && find_epoch(connection, user.0)?.is_none() {
        return Ok(UserChanged::NoSuchUser);
    }
    // An act that changes nothing is told, too.
    audit::record(connection, audit, About::user(user, epoch))?;
    Ok(UserChanged::Done)
}

/// Returns the new epoch, unless the user already had that state or does not exist. Raised also for a user who becomes
/// active: one who was deactivated by a statement that did not raise it is not revived either.
fn switch(connection: &mut AnyConnection, user: i64, active: bool) -> QueryResult<Option<i64>> {
    diesel::update(users::table.find(user))
        .filter(users::is_active.ne(active))
        .set((users::is_active.eq(active), users::auth_epoch.eq(users::auth_epoch + 1)))
        .returning(carried_epoch())
        .get_result(connection)
        .optional()
}

fn find_epoch(connection: &mut AnyConnection, user: i64) -> QueryResult<Option<Epoch>> {
    let epoch: Option<i64> = users::table.find(user).select(carried_epoch()).get_result(connection).optional()?;
    Ok(epoch.map(Epoch))
}

/// Locks a user out permanently, whether it was active or not.
pub(super) fn condemn(
    connection: &mut AnyConnection,
    user: UserId,
    last: LastAdmin,
    audit: &AuditContext,
) -> QueryResult<UserChanged> {
    if is_last_admin(connection, user, last)? {
        return Ok(UserChanged::LastAdmin);
    }
    let condemn = diesel::update(users::table.find(user.0))
        .set((users::is_active.eq(false), users::auth_epoch.eq(users::auth_epoch + 1)));
    let raised: Option<i64> = condemn.returning(carried_epoch()).get_result(connection).optional()?;
    let Some(epoch) = raised else { return Ok(UserChanged::NoSuchUser) };
    audit::record(connection, audit, About::user(user, Some(epoch)))?;
    Ok(UserChanged::Done)
}

/// Deletes a user without sessions.
pub(super) fn delete(connection: &mut AnyConnection, user: UserId) -> QueryResult<usize> {
    let sessions = sessions::table.filter(sessions::user_id.eq(user.0));
    diesel::delete(users::table.find(user.0))
        .filter(diesel::dsl::not(diesel::dsl::exists(sessions)))
        .execute(connection)
}
