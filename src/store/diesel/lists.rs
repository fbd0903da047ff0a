//! Lists of users and sessions.

use std::collections::BTreeMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::DieselStore;
use super::any::AnyConnection;
use super::cutoff::{self, Ended, Opened};
use super::hot::{self, statement};
use super::mass_end::{PAGE, read_in_order};
use super::matching;
use super::rows::{kind_named, session_id};
use super::schema::{sessions, users};
use crate::domain::audit::Event;
use crate::domain::policy::IdleLimits;
use crate::domain::session::{Session, SessionEntry, SessionId};
use crate::domain::time::Timestamp;
use crate::domain::user::{Epoch, User, UserId, email_key, lookalike_key};
use crate::store::{SessionFilter, SessionMatch, SharedAddress, StoreResult, UserEntry, UserFilter};

statement! {
    /// E-mail addresses that several users have, but for letter case.
    FindSharedAddresses {} -> (Text, BigInt, BigInt, BigInt, BigInt),
    [
        "SELECT lower(email), count(*), count(DISTINCT email), min(id), max(id) FROM users WHERE email <> '' \
         GROUP BY lower(email) HAVING count(*) > 1 ORDER BY lower(email)",
    ]
}

impl DieselStore {
    /// The e-mail addresses that several users have, but for letter case.
    ///
    /// # Errors
    /// When the database fails.
    pub fn shared_addresses(&self) -> StoreResult<Vec<SharedAddress>> {
        self.admin(|connection| connection.read(shared_addresses))
    }
}

pub(super) fn shared_addresses(any: &mut AnyConnection) -> QueryResult<Vec<SharedAddress>> {
    let rows: Vec<(String, i64, i64, i64, i64)> = FindSharedAddresses {}.load(any)?;
    let shared = rows.into_iter().map(|(email, users, spellings, first, last)| SharedAddress {
        email,
        users,
        spellings,
        first: UserId(first),
        last: UserId(last),
    });
    Ok(shared.collect())
}

/// A pattern that matches texts that contain this one.
pub(super) fn containing(text: &str) -> String {
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

type UserRow = (i64, String, String, bool, bool, bool, i64, Option<i64>, i64);

/// See [`AdminStore::list_users`](crate::store::AdminStore::list_users).
pub(super) fn users(any: &mut AnyConnection, filter: &UserFilter) -> QueryResult<Vec<UserEntry>> {
    let mut query = users::table
        .select((
            users::id,
            users::username,
            users::email,
            users::is_active,
            users::is_staff,
            users::is_admin,
            sql::<BigInt>(&cutoff::user_epoch()),
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
    if let Some(beginning) = &filter.beginning {
        let from = lookalike_key(beginning);
        let beyond = format!("{from}{}", char::MAX);
        query = query.filter(users::lookalike_key.ge(from)).filter(users::lookalike_key.lt(beyond));
    }
    if let Some(email) = &filter.email {
        query = query.filter(sql::<Bool>("lower(email) = ").bind::<Text, _>(email_key(email)));
    }
    if let Some(UserId(id)) = filter.id {
        query = query.filter(users::id.eq(id));
    }
    if let Some(is_active) = filter.is_active {
        query = query.filter(users::is_active.eq(is_active));
    }
    if let Some(is_staff) = filter.is_staff {
        query = query.filter(users::is_staff.eq(is_staff));
    }
    if let Some(is_admin) = filter.is_admin {
        query = query.filter(users::is_admin.eq(is_admin));
    }
    if let Some(UserId(after)) = filter.after {
        query = query.filter(users::id.gt(after));
    }
    let rows: Vec<UserRow> = query.load(any)?;
    Ok(rows.into_iter().map(user_entry).collect())
}

fn user_entry(row: UserRow) -> UserEntry {
    let (id, username, email, is_active, is_staff, is_admin, epoch, last_login, created) = row;
    UserEntry {
        user: User { id: UserId(id), username, email, is_active, is_staff, is_admin, epoch: Epoch(epoch) },
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

/// See [`Connection::list_sessions`](crate::store::Connection::list_sessions).
pub(super) fn sessions(any: &mut AnyConnection, filter: &SessionFilter) -> QueryResult<Vec<SessionEntry>> {
    let SessionMatch { user, address, .. } = &filter.matching;
    let is_told = address.as_ref().is_none_or(matching::is_told_by_text);
    let limit = i64::from(filter.limit);
    let rows = match (user, address) {
        (_, None) => any.transaction(|any| {
            read_in_order(any)?;
            session_rows(any, filter, limit, Next::Newest)
        })?,
        (None, Some(_)) if !is_told => any.transaction(|any| {
            read_in_order(any)?;
            newest_of_network(any, filter)
        })?,
        // An index leads to few rows, which are sorted.
        (Some(_), Some(_)) if !is_told => {
            let mut rows = session_rows(any, filter, i64::MAX, Next::Newest)?;
            rows.retain(|row| filter.matching.covers(row.address.as_deref()));
            rows.truncate(usize::try_from(filter.limit).unwrap_or(usize::MAX));
            rows
        }
        (_, Some(_)) => session_rows(any, filter, limit, Next::Newest)?,
    };
    session_entries(any, rows)
}

/// See [`Connection::find_session`](crate::store::Connection::find_session).
pub(super) fn session(any: &mut AnyConnection, id: SessionId) -> QueryResult<Option<SessionEntry>> {
    let every = SessionFilter {
        matching: SessionMatch::default(),
        with_ended: true,
        now: Timestamp::EPOCH,
        idle_limits: IdleLimits::NONE,
        before: None,
        limit: 1,
    };
    let rows = session_rows(any, &every, 1, Next::Only(id))?;
    Ok(session_entries(any, rows)?.pop())
}

fn session_entries(any: &mut AnyConnection, rows: Vec<SessionRow>) -> QueryResult<Vec<SessionEntry>> {
    // Of those that are marked as ended, the end is known.
    let unmarked: Vec<_> = rows.iter().filter(|row| row.ended_at.is_none()).map(SessionRow::opened).collect();
    let mut ends = cutoff::ends(any, &unmarked)?.into_iter();
    let entry = |row: SessionRow| {
        let end = if row.ended_at.is_none() { ends.next().flatten() } else { None };
        session_entry(row, end)
    };
    rows.into_iter().map(entry).collect()
}

/// The newest sessions of a network that its text does not tell from its neighbours. All of them are read once, page by
/// page in the order of the index: in another order, the database would sort them again for each page.
fn newest_of_network(any: &mut AnyConnection, filter: &SessionFilter) -> QueryResult<Vec<SessionRow>> {
    let wanted = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let mut newest = BTreeMap::new();
    let mut last: Option<(String, Vec<u8>)> = None;
    loop {
        let rows = session_rows(any, filter, PAGE, Next::OfNetwork(last.as_ref()))?;
        let is_last = i64::try_from(rows.len()).unwrap_or(i64::MAX) < PAGE;
        last = rows.last().map(|row| (row.address.clone().unwrap_or_default(), row.id.clone()));
        for row in rows.into_iter().filter(|row| filter.matching.covers(row.address.as_deref())) {
            newest.insert(row.id.clone(), row);
            if newest.len() > wanted {
                newest.pop_first();
            }
        }
        if is_last {
            return Ok(newest.into_values().rev().collect());
        }
    }
}

/// Which rows are read.
#[derive(Clone, Copy)]
enum Next<'a> {
    /// That of one session.
    Only(SessionId),
    /// The newest.
    Newest,
    /// Those of a network and its neighbours, by address and id, after these.
    OfNetwork(Option<&'a (String, Vec<u8>)>),
}

/// The name of a session's user.
const USERNAME: &str = "coalesce((SELECT u.username FROM users u WHERE u.id = sessions.user_id), '')";

/// The next rows, at most a page.
fn session_rows(
    any: &mut AnyConnection,
    filter: &SessionFilter,
    page: i64,
    next: Next<'_>,
) -> QueryResult<Vec<SessionRow>> {
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
        .limit(page)
        .into_boxed();
    query = match next {
        Next::Only(id) => query.filter(sessions::id.eq(id.as_bytes().to_vec())),
        Next::Newest => query.order(sessions::id.desc()),
        Next::OfNetwork(_) => query.order((sessions::address, sessions::id)),
    };
    let conditions = match next {
        Next::OfNetwork(Some((address, id))) => {
            query = query.filter(matching::after(address.clone(), id.clone()));
            matching::matching_after(&filter.matching)
        }
        Next::Only(_) | Next::Newest | Next::OfNetwork(None) => matching::matching(&filter.matching),
    };
    if let Some(before) = filter.before {
        query = query.filter(sessions::id.lt(before.as_bytes().to_vec()));
    }
    let live = if filter.with_ended { Vec::new() } else { matching::live(filter.now, filter.idle_limits) };
    for condition in conditions.into_iter().chain(live) {
        query = query.filter(condition);
    }
    query.load(any)
}

fn session_entry(row: SessionRow, ended_with_others: Option<Ended>) -> QueryResult<SessionEntry> {
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
