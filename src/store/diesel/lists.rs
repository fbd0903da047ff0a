//! Lists of users and sessions.

mod search;
mod sessions;
pub(super) mod walk;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

pub(super) use self::search::sessions;
pub(super) use self::sessions::session;
use super::DieselStore;
use super::any::AnyConnection;
use super::cutoff;
use super::hot::statement;
use super::schema::users;
use crate::domain::time::Timestamp;
use crate::domain::user::{Epoch, User, UserId, email_key, lookalike_key};
use crate::store::{SharedAddress, StoreResult, UserEntry, UserFilter};

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
    if !filter.ids.is_empty() {
        let ids: Vec<i64> = filter.ids.iter().map(|id| id.0).collect();
        query = query.filter(users::id.eq_any(ids));
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
