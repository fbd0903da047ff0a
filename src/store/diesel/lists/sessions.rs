//! Rows of sessions, and how they are listed.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::super::any::{AnyConnection, MultiBackend};
use super::super::cutoff::{self, Ended, Opened};
use super::super::hot;
use super::super::matching::Condition;
use super::super::rows::{kind_named, session_id};
use super::super::schema::sessions;
use crate::domain::audit::Event;
use crate::domain::session::{Session, SessionEntry, SessionId};
use crate::domain::time::Timestamp;
use crate::domain::user::{Epoch, UserId};

/// A session as the database has it.
#[derive(Queryable)]
pub(super) struct SessionRow {
    id: Vec<u8>,
    user: i64,
    username: String,
    user_epoch: i64,
    kind: String,
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

impl SessionRow {
    const fn opened(&self) -> Opened {
        Opened {
            user: self.user,
            user_epoch: self.user_epoch,
            epoch: self.epoch,
            created: self.created,
            last_seen: self.last_seen,
        }
    }
}

/// See [`Connection::find_session`](crate::store::Connection::find_session).
pub(in super::super) fn session(any: &mut AnyConnection, id: SessionId) -> QueryResult<Option<SessionEntry>> {
    let rows = rows(any, vec![Box::new(sessions::id.eq(id.as_bytes().to_vec()))])?;
    Ok(entries(any, rows)?.pop())
}

/// The entries of a list for these rows.
pub(super) fn entries(any: &mut AnyConnection, rows: Vec<SessionRow>) -> QueryResult<Vec<SessionEntry>> {
    // Of those that are marked as ended, the end is known.
    let unmarked: Vec<_> = rows.iter().filter(|row| row.ended_at.is_none()).map(SessionRow::opened).collect();
    let mut ends = cutoff::ends(any, &unmarked)?.into_iter();
    let entry = |row: SessionRow| {
        let end = if row.ended_at.is_none() { ends.next().flatten() } else { None };
        entry_of(row, end)
    };
    rows.into_iter().map(entry).collect()
}

/// The name of a session's user.
const USERNAME: &str = "coalesce((SELECT u.username FROM users u WHERE u.id = sessions.user_id), '')";

/// The newest rows that meet all conditions.
pub(super) fn newest(any: &mut AnyConnection, conditions: Vec<Condition>, limit: i64) -> QueryResult<Vec<SessionRow>> {
    select(conditions).order(sessions::id.desc()).limit(limit).load(any)
}

/// All rows that meet the conditions, newest first. They are few, and are sorted here: told to read in order,
/// Postgres would look for them among all others.
pub(super) fn rows(any: &mut AnyConnection, conditions: Vec<Condition>) -> QueryResult<Vec<SessionRow>> {
    let mut rows: Vec<SessionRow> = select(conditions).load(any)?;
    rows.sort_unstable_by(|one, other| other.id.cmp(&one.id));
    Ok(rows)
}

type Columns = (
    Binary,
    BigInt,
    Text,
    BigInt,
    Text,
    Nullable<Text>,
    BigInt,
    BigInt,
    BigInt,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<BigInt>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<BigInt>,
);

fn select<'a>(conditions: Vec<Condition>) -> sessions::BoxedQuery<'a, MultiBackend, Columns> {
    let mut query = sessions::table
        .select((
            sessions::id,
            sessions::user_id,
            sql::<Text>(USERNAME),
            sql::<BigInt>(&cutoff::epoch_of_user()),
            sessions::kind,
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
        .into_boxed();
    for condition in conditions {
        query = query.filter(condition);
    }
    query
}

fn entry_of(row: SessionRow, ended_with_others: Option<Ended>) -> QueryResult<SessionEntry> {
    let (ended, event, by) = match (row.ended_at, ended_with_others) {
        (Some(at), _) => (Some(at), row.ended_reason, row.ended_by),
        (None, None) => (None, None, None),
        (None, Some(Ended { at, event, actor })) => (Some(at), event, actor),
    };
    Ok(SessionEntry {
        session: Session {
            id: session_id(&row.id)?,
            kind: kind_named(&row.kind)?,
            created: Timestamp::from_micros(row.created),
            last_seen: Timestamp::from_micros(row.last_seen),
            epoch: Epoch(row.epoch),
            ended: ended.map(Timestamp::from_micros),
        },
        user_id: UserId(row.user),
        username: row.username,
        name: row.name,
        expires: row.expires.filter(|end| *end != hot::NEVER).map(Timestamp::from_micros),
        address: row.address,
        user_agent: row.user_agent,
        end_reason: event.as_deref().and_then(Event::from_name),
        ended_by: by,
    })
}
