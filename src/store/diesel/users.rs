//! Finding and changing users. Raising a user's epoch ends all its sessions at once.

use diesel::sql_types::{BigInt, Binary, Bool, Text};
use diesel::{OptionalExtension, QueryResult, RunQueryDsl};

use super::any::{AnyConnection, on_each};
use super::audit::{self, About};
use super::emptying::AT_THE_END;
use super::hot::{self, statement};
use super::rows::{AccountRow, account};
use super::{standby, traces};
use crate::domain::audit::AuditContext;
use crate::domain::session::SessionId;
use crate::domain::user::{
    Account, Epoch, LoginName, NewUser, PasswordHash, UserId, email_key, email_local_part, lookalike_key,
};
use crate::store::{LastAdmin, SharedEmail, UserChanged, UserCreation};

mod change;
mod last_admin;
mod own;
mod shadow;

pub(super) use change::change;
pub(super) use last_admin::is_last_admin;
pub(super) use own::change_password;
pub(super) use shadow::put_shadow;

statement! {
    /// Ends all sessions of a user.
    RaiseEpoch { user: i64 as BigInt } -> BigInt,
    ["UPDATE users SET auth_epoch = auth_epoch + 1 WHERE id = ", user, " RETURNING auth_epoch + ", (hot::CUTOFF_EPOCH)]
}

statement! {
    /// A new password ends all sessions.
    SetPassword { hash: String as Text, user: i64 as BigInt } -> BigInt,
    [
        "UPDATE users SET password_hash = ", hash, ", auth_epoch = auth_epoch + 1 WHERE id = ", user,
        " RETURNING auth_epoch + ", (hot::CUTOFF_EPOCH),
    ]
}

statement! {
    /// Raises the epoch of a session that was live until now to the user's new one.
    KeepSession {
        epoch: i64 as BigInt, id: [u8; 16] as Binary, user: i64 as BigInt, old_epoch: i64 as BigInt,
    },
    [
        "UPDATE sessions SET auth_epoch = ", epoch, " WHERE id = ", id, " AND user_id = ", user,
        " AND ended_at IS NULL AND auth_epoch = ", old_epoch,
    ]
}

statement! {
    /// Another hash of the same password.
    UpgradeHash { better: String as Text, user: i64 as BigInt, old: String as Text },
    ["UPDATE users SET password_hash = ", better, " WHERE id = ", user, " AND password_hash = ", old]
}

statement! {
    /// Locks an active user out.
    Deactivate { user: i64 as BigInt } -> BigInt,
    [
        "UPDATE users SET is_active = FALSE, auth_epoch = auth_epoch + 1 WHERE id = ", user,
        " AND is_active RETURNING auth_epoch + ", (hot::CUTOFF_EPOCH),
    ]
}

statement! {
    /// Activates an inactive user. A user who was deactivated by a statement that did not raise the epoch
    /// is not revived either.
    Activate { user: i64 as BigInt } -> BigInt,
    [
        "UPDATE users SET is_active = TRUE, auth_epoch = auth_epoch + 1 WHERE id = ", user,
        " AND NOT is_active RETURNING auth_epoch + ", (hot::CUTOFF_EPOCH),
    ]
}

statement! {
    /// A user's epoch.
    FindEpoch { user: i64 as BigInt } -> BigInt,
    ["SELECT auth_epoch + ", (hot::CUTOFF_EPOCH), " FROM users WHERE id = ", user]
}

statement! {
    /// The users whose names share a look-alike key.
    FindLookalikes { key: String as Text } -> (BigInt, Text),
    ["SELECT id, username FROM users WHERE lookalike_key = ", key, " ORDER BY id"]
}

statement! {
    /// A new user under the next free number.
    InsertUser {
        username: String as Text, key: String as Text, email: String as Text, hash: String as Text,
        is_active: bool as Bool, is_staff: bool as Bool, is_admin: bool as Bool, created: i64 as BigInt,
    } -> BigInt,
    [
        "INSERT INTO users (username, lookalike_key, email, password_hash, is_active, is_staff, is_admin, \
         created) VALUES (",
        username, ", ", key, ", ", email, ", ", hash, ", ", is_active, ", ", is_staff, ", ", is_admin, ", ", created,
        ") ON CONFLICT DO NOTHING RETURNING id",
    ]
}

statement! {
    /// A new user under a given number.
    InsertUserAs {
        id: i64 as BigInt, username: String as Text, key: String as Text, email: String as Text,
        hash: String as Text, is_active: bool as Bool, is_staff: bool as Bool, is_admin: bool as Bool, created: i64 as BigInt,
    } -> BigInt,
    [
        "INSERT INTO users (id, username, lookalike_key, email, password_hash, is_active, is_staff, is_admin, \
         created) VALUES (",
        id, ", ", username, ", ", key, ", ", email, ", ", hash, ", ", is_active, ", ", is_staff, ", ", is_admin, ", ", created,
        ") ON CONFLICT DO NOTHING RETURNING id",
    ]
}

statement! {
    /// Another name.
    Rename { username: String as Text, key: String as Text, id: i64 as BigInt },
    [
        "UPDATE users SET username = ", username, ", lookalike_key = ", key, " WHERE id = ", id,
        " AND username <> ", username,
    ]
}

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
            Ok(row.map(account))
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
    let mut found = rows.into_iter().map(account);
    Ok(match (found.next(), found.next()) {
        (Some(first), Some(second)) if first.user.email == email && second.user.email != email => Some(first),
        (Some(only), None) => Some(only),
        (_, Some(_)) | (None, None) => None,
    })
}

/// See [`crate::store::Connection::find_account_by_id`].
pub(super) fn find_by_id(connection: &mut AnyConnection, user: UserId) -> QueryResult<Option<Account>> {
    let row: Option<AccountRow> = hot::FindById { id: user.0 }.get_result(connection).optional()?;
    Ok(row.map(account))
}

/// See [`crate::store::Connection::end_all_sessions`] and [`crate::store::Connection::end_other_sessions`].
pub(super) fn end_all(
    connection: &mut AnyConnection,
    user: UserId,
    keep: Option<SessionId>,
    audit: &AuditContext,
    room: &mut i64,
) -> QueryResult<bool> {
    let raised: Option<i64> = RaiseEpoch { user: user.0 }.get_result(connection).optional()?;
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
        KeepSession { epoch, id: *id.as_bytes(), user: user.0, old_epoch: epoch - 1 }.execute(connection)?;
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
    match insert(connection, new, lookalike_key(&new.username))? {
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
fn insert(connection: &mut AnyConnection, new: &NewUser, key: String) -> QueryResult<Option<UserId>> {
    let (username, email) = (new.username.clone(), new.email.clone());
    let hash = new.password.expose().to_owned();
    let NewUser { is_active, is_staff, is_admin, created, .. } = *new;
    let created = created.as_micros();
    let Some(UserId(id)) = new.id else {
        let row = InsertUser { username, key, email, hash, is_active, is_staff, is_admin, created };
        return Ok(row.get_result(connection).optional()?.map(UserId));
    };
    let row = InsertUserAs { id, username, key, email, hash, is_active, is_staff, is_admin, created };
    let inserted: Option<i64> = row.get_result(connection).optional()?;
    if inserted.is_some() {
        move_identity(connection, id)?;
    }
    Ok(inserted.map(UserId))
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
    let set = SetPassword { hash: new.expose().to_owned(), user: user.0 };
    let raised: Option<i64> = set.get_result(connection).optional()?;
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
    let upgrade = UpgradeHash { better: new.expose().to_owned(), user: user.0, old: old.expose().to_owned() };
    Ok(upgrade.execute(connection)? == 1)
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

/// Returns the new epoch, unless the user already had that state or does not exist.
fn switch(connection: &mut AnyConnection, user: i64, active: bool) -> QueryResult<Option<i64>> {
    if active {
        Activate { user }.get_result(connection).optional()
    } else {
        Deactivate { user }.get_result(connection).optional()
    }
}

fn find_epoch(connection: &mut AnyConnection, user: i64) -> QueryResult<Option<Epoch>> {
    let epoch: Option<i64> = FindEpoch { user }.get_result(connection).optional()?;
    Ok(epoch.map(Epoch))
}
