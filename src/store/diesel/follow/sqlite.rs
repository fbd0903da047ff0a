//! Following a file. `PRAGMA data_version` is a number of this connection that changes when
//! another one has committed; while it stands still, nothing has been revoked. It is read
//! outside of any transaction, in which it would stand still by itself.

use std::sync::Arc;

use diesel::sql_types::{BigInt, Binary, Nullable};
use diesel::{QueryResult, RunQueryDsl};

use super::super::any::AnyConnection;
use super::super::connect::{Role, Target};
use super::super::connection::DieselConnection;
use super::super::error::logged;
use super::super::hot::statement;
use super::super::sessions;
use super::{MANY, news};
use crate::store::{Follower, News, Round, StoreResult};
use crate::token::TokenDigest;

statement! {
    /// Changes when another connection has committed.
    DataVersion {} -> BigInt,
    ["PRAGMA data_version"]
}

statement! {
    /// The newest row of the log; the newest one is never pruned.
    NewestLogRow {} -> BigInt,
    ["SELECT coalesce(max(seq), 0) FROM revocation_log"]
}

statement! {
    /// Rows of the log from a known one on.
    LogRowsFrom { seq: i64 as BigInt, limit: i64 as BigInt } -> (BigInt, Nullable<BigInt>, Nullable<Binary>),
    ["SELECT seq, user_id, session_id FROM revocation_log WHERE seq >= ", seq, " ORDER BY seq LIMIT ", limit]
}

type LogRow = (i64, Option<i64>, Option<Vec<u8>>);

/// A connection of its own, and how far it has read.
pub(super) struct SqliteFollower {
    connection: DieselConnection,
    place: Option<Place>,
}

/// The number as it was before the log was read up to the row `seq`.
#[derive(Clone, Copy)]
struct Place {
    data_version: i64,
    seq: i64,
}

impl SqliteFollower {
    pub(super) fn open(target: &Arc<Target>) -> StoreResult<Self> {
        let connection = DieselConnection::open(target, Role::Follower).map_err(logged)?;
        Ok(Self { connection, place: None })
    }
}

impl Follower for SqliteFollower {
    fn round(&mut self, digests: &[TokenDigest]) -> StoreResult<Round> {
        let place = self.place;
        let (place, news, found) = self.connection.read(|any| {
            let (place, news) = catch_up(any, place)?;
            // Read after the log: what is revoked in between is told by the next round.
            let found = if digests.is_empty() { Vec::new() } else { sessions::find_many(any, digests)? };
            Ok((place, news, found))
        })?;
        self.place = Some(place);
        Ok(Round { news, found, lasting: true })
    }
}

fn catch_up(any: &mut AnyConnection, place: Option<Place>) -> QueryResult<(Place, News)> {
    // Before the log: a commit in between is then seen once too often, never too seldom.
    let data_version: i64 = DataVersion {}.get_result(any)?;
    let Some(Place { data_version: known, seq }) = place else {
        let seq: i64 = NewestLogRow {}.get_result(any)?;
        return Ok((Place { data_version, seq }, News::Everything));
    };
    if data_version == known {
        return Ok((Place { data_version, seq }, News::Revoked(Vec::new())));
    }
    let limit = i64::try_from(MANY + 2).unwrap_or(i64::MAX);
    let rows: Vec<LogRow> = LogRowsFrom { seq, limit }.load(any)?;
    // The newest row is never pruned: if the one that was told last is gone, there are others behind
    // it, or somebody emptied the log or put an old file's content here, or there never was one.
    let told = usize::from(rows.first().is_some_and(|(first, ..)| *first == seq));
    let untold = rows.len() - told;
    let newest = rows.last().map_or(0, |(seq, ..)| *seq);
    // Numbers leave no gap, since those of transactions that are undone are given again.
    if untold > MANY || i64::try_from(untold).ok() != newest.checked_sub(seq) {
        return start_anew(any, data_version);
    }
    let untold = rows.into_iter().skip(told).map(|(_, user, session)| (user, session));
    Ok((Place { data_version, seq: newest }, news(untold)))
}

/// Rows that were to be told are gone, or too many.
fn start_anew(any: &mut AnyConnection, data_version: i64) -> QueryResult<(Place, News)> {
    let seq: i64 = NewestLogRow {}.get_result(any)?;
    Ok((Place { data_version, seq }, News::Everything))
}
