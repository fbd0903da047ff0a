//! Lists of audit events.

use std::collections::BTreeMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};

use super::super::any::{AnyConnection, MultiBackend, on_each};
use super::super::error::unreadable;
use super::super::hot::statement;
use super::super::rows::session_id;
use super::super::schema::audit_events;
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;
use crate::store::{EventCursor, EventEntry, EventFilter, EventOrder};

#[derive(Queryable)]
struct EventRow {
    transaction: i64,
    id: i64,
    at: i64,
    event: String,
    actor: String,
    user: Option<i64>,
    session: Option<Vec<u8>>,
    address: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    detail: Option<String>,
    count: i64,
}

/// What differs between the databases. On Postgres an id is taken before the commit, so the ids are not in the order in
/// which rows become visible; the ids of transactions are, up to the oldest one that is open. On SQLite writers
/// exclude each other.
struct Words {
    transaction: &'static str,
    oldest_first: &'static str,
    newest_first: &'static str,
    is_settled: &'static str,
}

#[cfg(feature = "sqlite")]
const SQLITE: Words = Words { transaction: "0", oldest_first: "id", newest_first: "id DESC", is_settled: "1 = 1" };

/// Each `xid` is that of the table: alone, it would be the column of the result, a number that no index has in its order, and
/// each list would sort all events.
#[cfg(feature = "postgres")]
const POSTGRES: Words = Words {
    transaction: "xid::text::bigint",
    oldest_first: "audit_events.xid, audit_events.id",
    newest_first: "audit_events.xid DESC, audit_events.id DESC",
    is_settled: "xid < pg_snapshot_xmin(pg_current_snapshot())",
};

type Query<'a> = audit_events::BoxedQuery<'a, MultiBackend, EventColumns>;

type EventColumns = (
    BigInt,
    BigInt,
    BigInt,
    Text,
    Text,
    Nullable<BigInt>,
    Nullable<Binary>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    BigInt,
);

/// See [`crate::store::Connection::list_events`].
pub(in super::super) fn list(any: &mut AnyConnection, filter: &EventFilter) -> QueryResult<Vec<EventEntry>> {
    let (words, is_postgres) = on_each!(&*any, sqlite(_c) => (SQLITE, false), postgres(_c) => (POSTGRES, true));
    let mut query = matching(filter, &words).limit(i64::from(filter.limit));
    query = match filter.order {
        EventOrder::NewestFirst => query.order(sql::<BigInt>(words.newest_first)),
        EventOrder::NewestSettledFirst => {
            query.filter(sql::<Bool>(words.is_settled)).order(sql::<BigInt>(words.newest_first))
        }
        EventOrder::OldestFirst => query.filter(sql::<Bool>(words.is_settled)).order(sql::<BigInt>(words.oldest_first)),
    };
    if let Some(EventCursor { transaction, id }) = filter.after {
        let sign = match filter.order {
            EventOrder::NewestFirst | EventOrder::NewestSettledFirst => "<",
            EventOrder::OldestFirst => ">",
        };
        query = if is_postgres {
            let transaction = transaction.to_string();
            query.filter(
                sql::<Bool>(&format!("(xid, id) {sign} ("))
                    .bind::<Text, _>(transaction)
                    .sql("::xid8, ")
                    .bind::<BigInt, _>(id)
                    .sql(")"),
            )
        } else {
            query.filter(sql::<Bool>(&format!("id {sign} ")).bind::<BigInt, _>(id))
        };
    }
    query.load::<EventRow>(any)?.into_iter().map(entry).collect()
}

statement! {
    /// How many events of each name there are since a moment.
    CountEvents { from: i64 as BigInt } -> (Text, BigInt),
    [
        "SELECT event, CAST(sum(count) AS BIGINT) FROM audit_events WHERE at >= ", from, " GROUP BY event",
    ]
}

/// See [`crate::store::AdminStore::count_events`].
pub(in super::super) fn count(any: &mut AnyConnection, from: Timestamp) -> QueryResult<BTreeMap<String, u64>> {
    let rows: Vec<(String, i64)> = CountEvents { from: from.as_micros() }.load(any)?;
    let unsigned = |number| u64::try_from(number).map_err(|_| unreadable("audit_events.count"));
    rows.into_iter().map(|(event, count)| Ok((event, unsigned(count)?))).collect()
}

fn matching<'a>(filter: &EventFilter, words: &Words) -> Query<'a> {
    let mut query = audit_events::table
        .select((
            sql::<BigInt>(words.transaction),
            audit_events::id,
            audit_events::at,
            audit_events::event,
            audit_events::actor,
            audit_events::user_id,
            audit_events::session_id,
            audit_events::address,
            audit_events::user_agent,
            audit_events::request_id,
            audit_events::detail,
            audit_events::count,
        ))
        .into_boxed();
    if let Some(UserId(user)) = filter.user {
        query = query.filter(audit_events::user_id.eq(user));
    }
    if !filter.events.is_empty() {
        let names: Vec<String> = filter.events.iter().map(|event| event.as_str().to_owned()).collect();
        query = query.filter(audit_events::event.eq_any(names));
    }
    if let Some(actor) = &filter.actor {
        query = query.filter(audit_events::actor.eq(actor.replace('\0', "")));
    }
    if let Some(address) = &filter.address {
        query = query.filter(audit_events::address.eq(address.replace('\0', "")));
    }
    if let Some(session) = filter.session {
        query = query.filter(audit_events::session_id.eq(session.as_bytes().to_vec()));
    }
    if let Some(from) = filter.from {
        query = query.filter(audit_events::at.ge(from.as_micros()));
    }
    if let Some(until) = filter.until {
        query = query.filter(audit_events::at.lt(until.as_micros()));
    }
    query
}

fn entry(row: EventRow) -> QueryResult<EventEntry> {
    let unsigned = |number: i64, column| u64::try_from(number).map_err(|_| unreadable(column));
    let detail = row.detail.map(|text| serde_json::from_str(&text).map_err(|_| unreadable("audit_events.detail")));
    Ok(EventEntry {
        cursor: EventCursor { transaction: unsigned(row.transaction, "audit_events.xid")?, id: row.id },
        at: Timestamp::from_micros(row.at),
        event: row.event,
        actor: row.actor,
        user_id: row.user.map(UserId),
        session_id: row.session.as_deref().map(session_id).transpose()?,
        address: row.address,
        user_agent: row.user_agent,
        request_id: row.request_id,
        detail: detail.transpose()?,
        count: unsigned(row.count, "audit_events.count")?,
    })
}
