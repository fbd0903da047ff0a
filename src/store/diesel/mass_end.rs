//! Ending the sessions of a set: counted and ended page by page, in small transactions.

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use diesel::prelude::*;
#[cfg(feature = "postgres")]
use diesel::sql_types::Array;
use diesel::sql_types::{BigInt, Binary, Text};

use super::DieselStore;
use super::any::{AnyConnection, on_each};
use super::audit::{self, About};
use super::emptying::Pace;
use super::hot::{CUTOFF_EPOCH, ISSUED_BEFORE, statement};
use super::matching::{self, By, Condition};
use super::rows::session_id;
use super::schema::sessions;
use crate::domain::audit::{AuditContext, Event};
use crate::domain::session::SessionId;
use crate::domain::time::{Clock, Timestamp};
use crate::store::admin::is_single;
use crate::store::{LiveSet, SessionCount, StoreResult};

/// How many sessions are read at a time.
const PAGE: i64 = 1_000;

/// How many sessions a statement looks at.
const PORTION: i64 = 10_000;

/// The longest pause after a transaction. Each lasts as long as the transaction did, so that other writers get their
/// turn on SQLite.
const MAX_PAUSE: Duration = Duration::from_millis(100);

#[cfg(feature = "sqlite")]
statement! {
    /// Marks a session as ended, unless it was before. Its tokens are left to the sweeper.
    MarkEnded { at: i64 as BigInt, reason: String as Text, actor: String as Text, id: [u8; 16] as Binary },
    [
        "UPDATE sessions SET ended_at = ", at, ", ended_reason = ", reason, ", ended_by = ", actor, " WHERE id = ", id,
        " AND ended_at IS NULL AND created >= ", (ISSUED_BEFORE), " AND auth_epoch >= (SELECT u.auth_epoch FROM users u \
         WHERE u.id = sessions.user_id) + ", (CUTOFF_EPOCH),
    ]
}

#[cfg(feature = "postgres")]
statement! {
    /// The same for several sessions, which are locked in the order of their ids, so that two transactions cannot
    /// deadlock.
    MarkAllEnded { ids: Vec<[u8; 16]> as Array<Binary>, at: i64 as BigInt, reason: String as Text, actor: String as Text },
    [
        "WITH open AS MATERIALIZED (SELECT id FROM sessions WHERE id = ANY(", ids,
        ") AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE) UPDATE sessions SET ended_at = ", at,
        ", ended_reason = ", reason, ", ended_by = ", actor, " FROM open WHERE sessions.id = open.id \
         AND sessions.ended_at IS NULL AND sessions.created >= ", (ISSUED_BEFORE), " AND sessions.auth_epoch >= (\
         SELECT u.auth_epoch FROM users u WHERE u.id = sessions.user_id) + ", (CUTOFF_EPOCH),
    ]
}

/// A session of the set, or one that only [`crate::store::SessionMatch::covers`] tells from it.
#[derive(Debug, Clone)]
struct Found {
    id: SessionId,
    created: Timestamp,
    address: Option<String>,
}

impl DieselStore {
    /// See [`crate::store::AdminStore::count_sessions`].
    pub(super) fn count_set(
        &self,
        set: &LiveSet,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> StoreResult<SessionCount> {
        let mut count = SessionCount::default();
        self.each_page(set, |page| {
            count.sessions = count.sessions.saturating_add(u64::try_from(page.len()).unwrap_or(u64::MAX));
            count.newest = page.iter().map(|found| found.created).max().max(count.newest);
            Ok(progress(count.sessions))
        })?;
        Ok(count)
    }

    /// See [`crate::store::AdminStore::end_sessions`].
    pub(super) fn end_set(
        &self,
        set: &LiveSet,
        audit: &AuditContext,
        clock: &dyn Clock,
        progress: &mut dyn FnMut(u64),
    ) -> StoreResult<u64> {
        self.note(Event::MassEndStarted, audit)?;
        // A clock that is set back does not end a session before the act began.
        let now = || clock.now().max(audit.at);
        let (mut ended, mut pace) = (0_u64, Pace::default());
        self.each_page(set, |page| {
            let mut left = page;
            while !left.is_empty() {
                let (batch, rest) = left.split_at_checked(pace.rows()).unwrap_or((left, &[]));
                let begun = Instant::now();
                let marked = self.end(|any, _| {
                    let begun = Instant::now();
                    let marked = mark(any, batch.iter().map(|found| found.id), audit, now())?;
                    pace.adjust(begun.elapsed());
                    Ok(marked)
                })?;
                ended = ended.saturating_add(u64::try_from(marked).unwrap_or(u64::MAX));
                progress(ended);
                left = rest;
                thread::sleep(begun.elapsed().min(MAX_PAUSE));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut done = AuditContext { at: now(), ..audit.clone() };
        if let Some(members) = done.detail.as_mut().and_then(serde_json::Value::as_object_mut) {
            members.insert("ended".to_owned(), ended.into());
        }
        self.note(Event::MassEndDone, &done)?;
        Ok(ended)
    }

    /// Records a step of the act in a transaction of its own, for which there is room even on a full disk.
    fn note(&self, event: Event, audit: &AuditContext) -> StoreResult<()> {
        self.end(|any, _| audit::record_as(any, event, audit, About::default()))
    }

    /// Shows all sessions of the set to `work`, page by page, until that breaks off. Sessions that end meanwhile may be
    /// missing.
    fn each_page(
        &self,
        set: &LiveSet,
        mut work: impl FnMut(&[Found]) -> StoreResult<ControlFlow<()>>,
    ) -> StoreResult<()> {
        let way = Way::of(set);
        let mut last: Option<Found> = None;
        loop {
            let until = self.read(|any| portion(any, set, way, last.as_ref()))?;
            loop {
                let rows = self.read(|any| any.transaction(|any| page(any, set, way, (last.as_ref(), until))))?;
                let is_last = i64::try_from(rows.len()).unwrap_or(i64::MAX) < PAGE;
                // The next page begins after the last row, whether that belongs to the set or not.
                last = rows.last().cloned().or(last);
                let found: Vec<Found> =
                    rows.into_iter().filter(|row| set.matching.covers(row.address.as_deref())).collect();
                if work(&found)?.is_break() {
                    return Ok(());
                }
                if is_last {
                    break;
                }
            }
            let Some(id) = until else { return Ok(()) };
            last = Some(Found { id, created: Timestamp::EPOCH, address: None });
        }
    }
}

/// In which order the sessions of a set are read: that of the index that leads to them.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// By id, which is by time; also within one user or one address.
    Ids(By),
    /// By address, within a network.
    Addresses,
}

impl Way {
    fn of(set: &LiveSet) -> Self {
        match (&set.matching.user, &set.matching.address) {
            (Some(_), _) => Self::Ids(By::User),
            (None, Some(network)) if is_single(network) => Self::Ids(By::Address),
            (None, Some(_)) => Self::Addresses,
            (None, None) => Self::Ids(By::Id),
        }
    }
}

/// For this transaction: Postgres takes live sessions, and events that match, for rare, and would read and sort all that
/// are left for each page.
pub(super) fn read_in_order(any: &mut AnyConnection) -> QueryResult<()> {
    on_each!(any,
        sqlite(_c) => Ok(()),
        postgres(c) => {
            let order = "SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off";
            diesel::connection::SimpleConnection::batch_execute(c, order)
        },
    )
}

/// The last session of the next portion after `last`, as the index leads to it; `None`: what is left is the last portion.
/// So no statement looks at more than a portion, though it finds nothing there, and others get their turn. Those of a
/// network are not portioned.
fn portion(any: &mut AnyConnection, set: &LiveSet, way: Way, last: Option<&Found>) -> QueryResult<Option<SessionId>> {
    let Way::Ids(by) = way else { return Ok(None) };
    any.transaction(|any| {
        read_in_order(any)?;
        let mut query = sessions::table.select(sessions::id).order(sessions::id).offset(PORTION - 1).into_boxed();
        for condition in matching::leading(&set.matching, by).into_iter().chain(between(set, last, None)) {
            query = query.filter(condition);
        }
        let found: Option<Vec<u8>> = query.first(any).optional()?;
        found.map(|id| session_id(&id)).transpose()
    })
}

/// The ids after `last`, up to `until`, as far as they are in the set. Each end has one bound: of two, SQLite would begin
/// with the wrong one.
fn between(set: &LiveSet, last: Option<&Found>, until: Option<SessionId>) -> Vec<Condition> {
    let bytes = |id: SessionId| id.as_bytes().to_vec();
    let (from, before) = matching::ids_of(&set.matching);
    let least = match (last, from) {
        (Some(Found { id, .. }), _) => Some(Box::new(sessions::id.gt(bytes(*id))) as Condition),
        (None, from) => from.map(|id| Box::new(sessions::id.ge(bytes(id))) as Condition),
    };
    // What was found as the end of a portion is in the set.
    let greatest = match (until, before) {
        (Some(id), _) => Some(Box::new(sessions::id.le(bytes(id))) as Condition),
        (None, before) => before.map(|id| Box::new(sessions::id.lt(bytes(id))) as Condition),
    };
    least.into_iter().chain(greatest).collect()
}

/// The next page of the set after a session, up to the end of a portion.
fn page(
    any: &mut AnyConnection,
    set: &LiveSet,
    way: Way,
    (last, until): (Option<&Found>, Option<SessionId>),
) -> QueryResult<Vec<Found>> {
    read_in_order(any)?;
    let mut query =
        sessions::table.select((sessions::id, sessions::created, sessions::address)).limit(PAGE).into_boxed();
    let matching = &set.matching;
    let wanted = match (way, last) {
        (Way::Addresses, Some(_)) => matching::matching_after(matching),
        (Way::Addresses, None) => matching::matching(matching),
        (Way::Ids(by), _) => {
            let others = matching::following(matching, by).into_iter().chain(between(set, last, until));
            matching::leading(matching, by).into_iter().chain(others).collect()
        }
    };
    for condition in wanted.into_iter().chain(matching::live(set.now, set.idle_limits)) {
        query = query.filter(condition);
    }
    if let Some(until) = set.opened_until {
        query = query.filter(sessions::created.le(until.as_micros()));
    }
    query = match (way, last) {
        (Way::Ids(_), _) => query.order(sessions::id),
        (Way::Addresses, None) => query.order((sessions::address, sessions::id)),
        (Way::Addresses, Some(Found { id, address, .. })) => {
            let after = matching::after(address.clone().unwrap_or_default(), id.as_bytes().to_vec());
            query.order((sessions::address, sessions::id)).filter(after)
        }
    };
    let rows: Vec<(Vec<u8>, i64, Option<String>)> = query.load(any)?;
    let found = |(id, created, address): (Vec<u8>, i64, Option<String>)| {
        Ok(Found { id: session_id(&id)?, created: Timestamp::from_micros(created), address })
    };
    rows.into_iter().map(found).collect()
}

/// Marks these sessions as ended, and returns how many were not before.
pub(super) fn mark(
    any: &mut AnyConnection,
    batch: impl IntoIterator<Item = SessionId>,
    audit: &AuditContext,
    at: Timestamp,
) -> QueryResult<usize> {
    let (at, reason, actor) = (at.as_micros(), audit.event.as_str().to_owned(), audit.actor.to_string());
    let ids = batch.into_iter().map(|id| *id.as_bytes());
    on_each!(any,
        sqlite(c) => ids
            .map(|id| MarkEnded { at, reason: reason.clone(), actor: actor.clone(), id }.execute(c))
            .sum(),
        postgres(c) => MarkAllEnded { ids: ids.collect(), at, reason, actor }.execute(c),
    )
}

/// Reads a page of the set, the first or a later one.
#[cfg(test)]
pub(super) fn try_page(any: &mut AnyConnection, set: &LiveSet, has_last: bool) -> QueryResult<()> {
    let last = Found { id: SessionId::from_bytes([0; 16]), created: Timestamp::EPOCH, address: None };
    page(any, set, Way::of(set), (Some(&last).filter(|_| has_last), None)).map(drop)
}
