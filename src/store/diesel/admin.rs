//! What people in charge ask for: listing users and sessions, removing users.

use std::collections::HashMap;
use std::time::Duration;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable};

use super::DieselStore;
use super::any::AnyConnection;
use super::audit::{self, About};
use super::emptying::{Emptied, Emptying};
use super::hot::{self, statement};
use super::rows::{AccountRow, dialect_named, session_id};
use super::schema::{audit_events, sessions, users};
use super::sweep::BATCH;
use crate::cause::{Cause, Reason};
use crate::session::{Session, SessionEntry, SessionId};
use crate::store::StoreResult;
use crate::time::Timestamp;
use crate::user::{Epoch, User, UserId, lookalike_key};

/// Which users to list, in the order of their numbers.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// A part of the name or e-mail address; letter case and look-alikes count as one.
    pub text: Option<String>,
    /// Only users after this one: the last of the page before.
    pub after: Option<UserId>,
    /// At most this many.
    pub limit: u32,
}

/// A user as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEntry {
    /// The user.
    pub user: User,
    /// When a session was last opened.
    pub last_login: Option<Timestamp>,
    /// When the user joined.
    pub created: Timestamp,
}

/// Which sessions to list, newest first.
#[derive(Debug, Clone)]
pub struct SessionFilter {
    /// Only this user's.
    pub user: Option<UserId>,
    /// Also those that are over.
    pub with_ended: bool,
    /// The present moment, by which a token has expired or not.
    pub now: Timestamp,
    /// Sessions unused for longer than this are over.
    pub idle_limit: Option<Duration>,
    /// Only sessions opened before this one: the last of the page before.
    pub before: Option<SessionId>,
    /// At most this many.
    pub limit: u32,
}

statement! {
    /// Locks a user out for good, whether it was active or not.
    Condemn { user: i64 as BigInt } -> BigInt,
    ["UPDATE users SET is_active = FALSE, auth_epoch = auth_epoch + 1 WHERE id = ", user, " RETURNING auth_epoch"]
}

statement! {
    /// Some of a user's sessions.
    FindSomeSessions { user: i64 as BigInt } -> Binary,
    ["SELECT id FROM sessions WHERE user_id = ", user, " LIMIT ", {BATCH}]
}

statement! {
    /// Takes a user that has no session left.
    DeleteUser { user: i64 as BigInt },
    [
        "DELETE FROM users WHERE id = ", user, " AND NOT EXISTS (SELECT 1 FROM sessions WHERE user_id = ", user, ")",
    ]
}

impl DieselStore {
    /// Lists users.
    ///
    /// # Errors
    /// When the database fails.
    pub fn list_users(&self, filter: &UserFilter) -> StoreResult<Vec<UserEntry>> {
        self.admin(|connection| connection.read(|any| list_users(any, filter)))
    }

    /// The number of the user with exactly this name.
    ///
    /// # Errors
    /// When the database fails.
    pub fn find_user_id_by_name(&self, name: &str) -> StoreResult<Option<UserId>> {
        if name.contains('\0') {
            return Ok(None);
        }
        self.admin(|connection| {
            connection.read(|any| {
                let row: Option<AccountRow> =
                    hot::FindByName { username: name.to_owned() }.get_result(any).optional()?;
                Ok(row.map(|(id, ..)| UserId(id)))
            })
        })
    }

    /// Removes a user with its sessions and tokens, in as many small transactions as it takes;
    /// `false` if there is none. From the first of them on the user is locked out, so that a removal
    /// that was interrupted harms nobody and can be repeated.
    ///
    /// # Errors
    /// When the database fails. The user may be locked out then, and a part of its sessions be gone.
    pub fn delete_user(&self, user: UserId, cause: &Cause) -> StoreResult<bool> {
        let mut known = false;
        // Once more only if somebody let the user in again meanwhile, who then logged in.
        while self.admin(|connection| connection.end(|any, _| condemn(any, user, cause)))? {
            known = true;
            let mut emptying = Emptying::new(Emptied::Remove);
            self.repeat(&|| true, |any| {
                let sessions = FindSomeSessions { user: user.0 }.load(any)?;
                let done = emptying.batch(any, sessions)?;
                Ok(done.tokens + done.sessions)
            })?;
            if self.admin(|connection| connection.write(|any| DeleteUser { user: user.0 }.execute(any)))? > 0 {
                break;
            }
        }
        Ok(known)
    }

    /// Lists sessions.
    ///
    /// # Errors
    /// When the database fails.
    pub fn list_sessions(&self, filter: &SessionFilter) -> StoreResult<Vec<SessionEntry>> {
        self.admin(|connection| connection.read(|any| list_sessions(any, filter)))
    }
}

fn condemn(any: &mut AnyConnection, user: UserId, cause: &Cause) -> QueryResult<bool> {
    let raised: Option<i64> = Condemn { user: user.0 }.get_result(any).optional()?;
    let Some(epoch) = raised else { return Ok(false) };
    audit::record(any, cause, About::user(user, Some(epoch)))?;
    Ok(true)
}

/// A pattern that fits texts in which this one occurs.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars().filter(|c| *c != '\0') {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

type UserRow = (i64, String, String, bool, bool, i64, Option<i64>, i64);

fn list_users(any: &mut AnyConnection, filter: &UserFilter) -> QueryResult<Vec<UserEntry>> {
    let mut query = users::table
        .select((
            users::id,
            users::username,
            users::email,
            users::is_active,
            users::is_staff,
            users::auth_epoch,
            users::last_login,
            users::created,
        ))
        .order(users::id)
        .limit(i64::from(filter.limit))
        .into_boxed();
    if let Some(text) = &filter.text {
        let plain = containing(text);
        let folded = containing(&lookalike_key(text));
        query = query.filter(
            users::username
                .like(plain.clone())
                .escape('!')
                .or(users::email.like(plain).escape('!'))
                .or(users::lookalike_key.like(folded).escape('!')),
        );
    }
    if let Some(UserId(after)) = filter.after {
        query = query.filter(users::id.gt(after));
    }
    let rows: Vec<UserRow> = query.load(any)?;
    Ok(rows.into_iter().map(user_entry).collect())
}

fn user_entry(row: UserRow) -> UserEntry {
    let (id, username, email, is_active, is_staff, epoch, last_login, created) = row;
    UserEntry {
        user: User { id: UserId(id), username, email, is_active, is_staff, epoch: Epoch(epoch) },
        last_login: last_login.map(Timestamp::from_micros),
        created: Timestamp::from_micros(created),
    }
}

#[derive(Queryable)]
struct SessionRow {
    id: Vec<u8>,
    user: i64,
    username: String,
    user_epoch: i64,
    dialect: String,
    name: Option<String>,
    created: i64,
    last_seen: i64,
    epoch: i64,
    address: Option<String>,
    user_agent: Option<String>,
    ended_at: Option<i64>,
    ended_reason: Option<String>,
    ended_by: Option<String>,
    expires: Option<i64>,
}

fn list_sessions(any: &mut AnyConnection, filter: &SessionFilter) -> QueryResult<Vec<SessionEntry>> {
    let rows = session_rows(any, filter)?;
    let events = epoch_events(any, &rows)?;
    rows.into_iter()
        .map(|row| {
            let event = events.get(&(row.user, row.epoch + 1));
            session_entry(row, event)
        })
        .collect()
}

fn session_rows(any: &mut AnyConnection, filter: &SessionFilter) -> QueryResult<Vec<SessionRow>> {
    let mut query = sessions::table
        .inner_join(users::table)
        .select((
            sessions::id,
            users::id,
            users::username,
            users::auth_epoch,
            sessions::dialect,
            sessions::name,
            sessions::created,
            sessions::last_seen,
            sessions::auth_epoch,
            sessions::address,
            sessions::user_agent,
            sessions::ended_at,
            sessions::ended_reason,
            sessions::ended_by,
            sql::<Nullable<BigInt>>(hot::LAST_END),
        ))
        .order(sessions::id.desc())
        .limit(i64::from(filter.limit))
        .into_boxed();
    if let Some(UserId(user)) = filter.user {
        query = query.filter(sessions::user_id.eq(user));
    }
    if let Some(before) = filter.before {
        query = query.filter(sessions::id.lt(before.as_bytes().to_vec()));
    }
    if !filter.with_ended {
        let seen_from = filter.idle_limit.map_or(i64::MIN, |idle| filter.now.saturating_sub(idle).as_micros());
        query = query
            .filter(sessions::ended_at.is_null())
            .filter(sessions::auth_epoch.eq(users::auth_epoch))
            .filter(users::is_active)
            .filter(sessions::last_seen.ge(seen_from))
            .filter(sql::<Bool>(hot::LAST_END).sql(" > ").bind::<BigInt, _>(filter.now.as_micros()));
    }
    query.load(any)
}

/// What raised a user's epoch to a number, when, and by whom.
pub(super) type EpochEvents = HashMap<(i64, i64), (i64, String, String)>;

type EventRow = (Option<i64>, Option<i64>, i64, String, String);

/// What ended the sessions that were ended with all of their user's.
fn epoch_events(any: &mut AnyConnection, rows: &[SessionRow]) -> QueryResult<EpochEvents> {
    let dead: Vec<_> = rows.iter().filter(|row| row.ended_at.is_none() && row.epoch != row.user_epoch).collect();
    let users: Vec<i64> = dead.iter().map(|row| row.user).collect();
    let epochs: Vec<i64> = dead.iter().map(|row| row.epoch + 1).collect();
    find_epoch_events(any, users, epochs)
}

/// The events by which one of these users got one of these epochs.
pub(super) fn find_epoch_events(
    any: &mut AnyConnection,
    users: Vec<i64>,
    epochs: Vec<i64>,
) -> QueryResult<EpochEvents> {
    if users.is_empty() {
        return Ok(HashMap::new());
    }
    let events: Vec<EventRow> = audit_events::table
        .filter(audit_events::user_id.eq_any(users))
        .filter(audit_events::auth_epoch.eq_any(epochs))
        .select((
            audit_events::user_id,
            audit_events::auth_epoch,
            audit_events::at,
            audit_events::event,
            audit_events::actor,
        ))
        .load(any)?;
    let keyed =
        events.into_iter().filter_map(|(user, epoch, at, event, actor)| Some(((user?, epoch?), (at, event, actor))));
    Ok(keyed.collect())
}

fn session_entry(row: SessionRow, event: Option<&(i64, String, String)>) -> QueryResult<SessionEntry> {
    let (ended, reason, by) = match (row.ended_at, event) {
        (Some(at), _) => (Some(at), row.ended_reason, row.ended_by),
        (None, _) if row.epoch == row.user_epoch => (None, None, None),
        (None, Some((at, event, actor))) => (Some(*at), Some(event.clone()), Some(actor.clone())),
        // Somebody raised the epoch by hand: it was over after its last use at any rate.
        (None, None) => (Some(row.last_seen), None, None),
    };
    Ok(SessionEntry {
        session: Session {
            id: session_id(&row.id)?,
            dialect: dialect_named(&row.dialect)?,
            created: Timestamp::from_micros(row.created),
            last_seen: Timestamp::from_micros(row.last_seen),
            epoch: Epoch(row.epoch),
            ended: ended.map(Timestamp::from_micros),
        },
        user: (UserId(row.user), row.username),
        name: row.name,
        expires: row.expires.filter(|end| *end != hot::NEVER).map(Timestamp::from_micros),
        address: row.address,
        user_agent: row.user_agent,
        end_reason: reason.as_deref().and_then(Reason::from_name),
        ended_by: by,
    })
}
