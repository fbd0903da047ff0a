//! Lists of audit events.

use std::collections::BTreeMap;

use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};

use super::super::any::{AnyConnection, MultiBackend, on_each};
use super::super::error::unreadable;
use super::super::hot::statement;
use super::super::lists::walk::{InOrder, LARGEST, in_snapshot, walk};
use super::super::rows::session_id;
use super::super::schema::audit_events;
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;
use crate::store::{Effort, EventCursor, EventEntry, EventFilter, EventList, EventOrder, EventPosition};

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

impl EventRow {
    /// Its place in the order.
    const fn place(&self) -> (i64, i64) {
        (self.transaction, self.id)
    }
}

/// What differs between the databases. On Postgres, ids are assigned before the commit, so rows do not become visible
/// in the order of their ids. They do in that of their transactions' ids, up to the oldest open transaction. On SQLite,
/// only one writer runs at a time.
struct Words {
    is_postgres: bool,
    transaction: &'static str,
    oldest_first: &'static str,
    newest_first: &'static str,
    is_settled: &'static str,
}

#[cfg(feature = "sqlite")]
const SQLITE: Words =
    Words { is_postgres: false, transaction: "0", oldest_first: "id", newest_first: "id DESC", is_settled: "1 = 1" };

/// `xid` is always qualified: the bare name would be the column of the result, a number without an index, and each list
/// would sort all events.
#[cfg(feature = "postgres")]
const POSTGRES: Words = Words {
    is_postgres: true,
    transaction: "xid::text::bigint",
    oldest_first: "audit_events.xid, audit_events.id",
    newest_first: "audit_events.xid DESC, audit_events.id DESC",
    is_settled: "xid < pg_snapshot_xmin(pg_current_snapshot())",
};

/// Which index leads to the events that a list looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// That of the order of all events.
    Order,
    /// Those about the user, in the same order.
    User,
    /// The few about the session, in no order.
    Session,
    /// Those of a time, in no order, since clocks differ.
    Time,
}

type Condition = Box<dyn BoxableExpression<audit_events::table, MultiBackend, SqlType = Bool>>;

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
pub(in super::super) fn list(any: &mut AnyConnection, filter: &EventFilter) -> QueryResult<EventList> {
    let search = Search::of(any, filter)?;
    let (rows, unsearched) = match search.by {
        By::Session | By::Time => (in_snapshot(any, |any| search.sorted(any))?, None),
        // All events that the index leads to match.
        By::Order | By::User if search.following().is_empty() => {
            (search.matching(any, None, None, usize::try_from(filter.limit).unwrap_or(usize::MAX))?, None)
        }
        By::Order | By::User => in_snapshot(any, |any| walk(any, &search, filter.limit, filter.effort))?,
    };
    Ok(EventList { events: rows.into_iter().map(entry).collect::<QueryResult<_>>()?, unsearched })
}

/// How many events a range of time may have to be read by its index as a whole. This is faster than searching portions
/// of all events, of which an old range would take very many.
fn few_of(effort: Effort) -> u32 {
    effort.rows.min(LARGEST).saturating_mul(10)
}

/// A search along an index.
struct Search<'a> {
    filter: &'a EventFilter,
    by: By,
    words: Words,
}

impl<'a> Search<'a> {
    /// A search along the narrowest index. That of time serves only ranges with few events, which are sorted
    /// afterwards: events are not in the order of their times.
    fn of(any: &mut AnyConnection, filter: &'a EventFilter) -> QueryResult<Self> {
        let words = on_each!(&*any, sqlite(_c) => SQLITE, postgres(_c) => POSTGRES);
        let mut search = Self { filter, by: By::Time, words };
        let is_of_time = filter.from.is_some() || filter.until.is_some();
        if filter.session.is_some() {
            search.by = By::Session;
        } else if !is_of_time || search.nth(any, None, few_of(filter.effort))?.is_some() {
            search.by = if filter.user.is_some() { By::User } else { By::Order };
        }
        Ok(search)
    }

    /// What the index is searched for.
    fn leading(&self) -> Vec<Condition> {
        let EventFilter { user, session, from, until, .. } = self.filter;
        let mut all: Vec<Condition> = Vec::new();
        match self.by {
            By::Order => {}
            By::User => all
                .extend(user.map(|user| -> Condition { Box::new(audit_events::user_id.assume_not_null().eq(user.0)) })),
            By::Session => all.extend(session.map(|session| -> Condition {
                Box::new(audit_events::session_id.assume_not_null().eq(session.as_bytes().to_vec()))
            })),
            By::Time => {
                all.extend(from.map(|from| -> Condition { Box::new(audit_events::at.ge(from.as_micros())) }));
                all.extend(until.map(|until| -> Condition { Box::new(audit_events::at.lt(until.as_micros())) }));
            }
        }
        all
    }

    /// All other conditions, worded so that the database uses no index for them: it would read more events than a
    /// portion has.
    fn following(&self) -> Vec<Condition> {
        let EventFilter { user, events, actor, address, from, until, .. } = self.filter;
        let mut all: Vec<Condition> = Vec::new();
        let number = |words: &str, value: i64| -> Condition { Box::new(sql::<Bool>(words).bind::<BigInt, _>(value)) };
        if self.by != By::User {
            all.extend(user.map(|user| number("+audit_events.user_id = ", user.0)));
        }
        if self.by != By::Time {
            all.extend(from.map(|from| number("+audit_events.at >= ", from.as_micros())));
            all.extend(until.map(|until| number("+audit_events.at < ", until.as_micros())));
        }
        if !events.is_empty() {
            let names: Vec<String> = events.iter().map(|event| event.as_str().to_owned()).collect();
            all.push(Box::new(audit_events::event.eq_any(names)));
        }
        if let Some(actor) = actor {
            all.push(Box::new(audit_events::actor.eq(actor.replace('\0', ""))));
        }
        if let Some(address) = address {
            all.push(Box::new(audit_events::address.assume_not_null().eq(address.replace('\0', ""))));
        }
        all
    }

    /// Only settled events, if the list has no others.
    fn settled(&self) -> Option<Condition> {
        match self.filter.order {
            EventOrder::NewestFirst => None,
            EventOrder::NewestSettledFirst | EventOrder::OldestFirst => {
                Some(Box::new(sql::<Bool>(self.words.is_settled)))
            }
        }
    }

    fn is_newest_first(&self) -> bool {
        match self.filter.order {
            EventOrder::NewestFirst | EventOrder::NewestSettledFirst => true,
            EventOrder::OldestFirst => false,
        }
    }

    fn order(&self) -> SqlLiteral<BigInt> {
        sql(if self.is_newest_first() { self.words.newest_first } else { self.words.oldest_first })
    }

    /// The events after one event, up to another one: one range of the index, or two. With a bound on the pair of both
    /// numbers, Postgres would read on to the end of the transaction, which has very many events after a restore.
    fn ranges(&self, after: Option<EventPosition>, end: Option<EventPosition>) -> Vec<Vec<Condition>> {
        let (beyond, up_to, before) = if self.is_newest_first() { ("<", ">=", ">") } else { (">", "<=", "<") };
        let id = |sign: &str, id: i64| -> Condition {
            Box::new(sql::<Bool>(&format!("audit_events.id {sign} ")).bind::<BigInt, _>(id))
        };
        let xid = |sign: &str, xid: u64| -> Condition {
            let bound = sql::<Bool>(&format!("audit_events.xid {sign} ")).bind::<Text, _>(xid.to_string());
            Box::new(bound.sql("::xid8"))
        };
        let pair = |sign: &str, cursor: EventCursor| -> Condition {
            let bound = sql::<Bool>(&format!("(audit_events.xid, audit_events.id) {sign} ("));
            let bound = bound.bind::<Text, _>(cursor.transaction.to_string()).sql("::xid8, ");
            Box::new(bound.bind::<BigInt, _>(cursor.id).sql(")"))
        };
        let after = after.map(|position| position.cursor).or(self.filter.after);
        let end = end.map(|position| position.cursor);
        if !self.words.is_postgres {
            let after = after.map(|after| id(beyond, after.id));
            return vec![after.into_iter().chain(end.map(|end| id(up_to, end.id))).collect()];
        }
        let from = after.map(|after| pair(beyond, after));
        match (after, end) {
            (_, None) => vec![from.into_iter().collect()],
            (Some(after), Some(end)) if after.transaction == end.transaction => {
                vec![vec![xid("=", end.transaction), id(beyond, after.id), id(up_to, end.id)]]
            }
            (_, Some(end)) => vec![
                from.into_iter().chain([xid(before, end.transaction)]).collect(),
                vec![xid("=", end.transaction), id(up_to, end.id)],
            ],
        }
    }

    fn select(&self, conditions: impl IntoIterator<Item = Condition>) -> Query<'static> {
        let query = audit_events::table
            .select((
                sql::<BigInt>(self.words.transaction),
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
        conditions.into_iter().fold(query, QueryDsl::filter)
    }

    /// The first events that match, by an index that is not in the order of the list.
    fn sorted(&self, any: &mut AnyConnection) -> QueryResult<Vec<EventRow>> {
        let columns = (sql::<BigInt>(self.words.transaction), audit_events::id);
        let conditions = self.leading().into_iter().chain(self.following()).chain(self.settled());
        let query = audit_events::table.select(columns).into_boxed();
        let mut places: Vec<(i64, i64)> = conditions.fold(query, QueryDsl::filter).load(any)?;
        places.sort_unstable();
        if self.is_newest_first() {
            places.reverse();
        }
        if let Some(EventCursor { transaction, id }) = self.filter.after {
            let after = (i64::try_from(transaction).unwrap_or(i64::MAX), id);
            places.retain(|place| if self.is_newest_first() { *place < after } else { *place > after });
        }
        places.truncate(usize::try_from(self.filter.limit).unwrap_or(usize::MAX));
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<i64> = places.into_iter().map(|(_, id)| id).collect();
        let mut rows: Vec<EventRow> = self.select([Box::new(audit_events::id.eq_any(ids)) as Condition]).load(any)?;
        rows.sort_unstable_by_key(EventRow::place);
        if self.is_newest_first() {
            rows.reverse();
        }
        Ok(rows)
    }
}

impl InOrder for Search<'_> {
    type Position = EventPosition;
    type Row = EventRow;

    fn nth(
        &self,
        any: &mut AnyConnection,
        after: Option<EventPosition>,
        others: u32,
    ) -> QueryResult<Option<EventPosition>> {
        let columns = (sql::<BigInt>(self.words.transaction), audit_events::id, audit_events::at);
        let mut query = audit_events::table.select(columns).limit(1).offset(i64::from(others)).into_boxed();
        for condition in self.leading() {
            query = query.filter(condition);
        }
        query = match self.by {
            By::Session | By::Time => query.order(audit_events::at),
            By::Order | By::User => {
                let conditions = self.ranges(after, None).into_iter().flatten().chain(self.settled());
                conditions.fold(query, QueryDsl::filter).order(self.order())
            }
        };
        let found: Option<(i64, i64, i64)> = query.first(any).optional()?;
        found.map(|(transaction, id, at)| position(transaction, id, at)).transpose()
    }

    fn matching(
        &self,
        any: &mut AnyConnection,
        after: Option<EventPosition>,
        end: Option<EventPosition>,
        wanted: usize,
    ) -> QueryResult<Vec<EventRow>> {
        let mut found = Vec::new();
        for range in self.ranges(after, end) {
            let conditions = self.leading().into_iter().chain(self.following()).chain(range).chain(self.settled());
            let wanted = i64::try_from(wanted.saturating_sub(found.len())).unwrap_or(i64::MAX);
            found.extend(self.select(conditions).order(self.order()).limit(wanted).load::<EventRow>(any)?);
        }
        Ok(found)
    }
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

fn position(transaction: i64, id: i64, at: i64) -> QueryResult<EventPosition> {
    let transaction = u64::try_from(transaction).map_err(|_| unreadable("audit_events.xid"))?;
    Ok(EventPosition { cursor: EventCursor { transaction, id }, at: Timestamp::from_micros(at) })
}

fn entry(row: EventRow) -> QueryResult<EventEntry> {
    let detail = row.detail.map(|text| serde_json::from_str(&text).map_err(|_| unreadable("audit_events.detail")));
    let EventPosition { cursor, at } = position(row.transaction, row.id, row.at)?;
    Ok(EventEntry {
        cursor,
        at,
        event: row.event,
        actor: row.actor,
        user_id: row.user.map(UserId),
        session_id: row.session.as_deref().map(session_id).transpose()?,
        address: row.address,
        user_agent: row.user_agent,
        request_id: row.request_id,
        detail: detail.transpose()?,
        count: u64::try_from(row.count).map_err(|_| unreadable("audit_events.count"))?,
    })
}
