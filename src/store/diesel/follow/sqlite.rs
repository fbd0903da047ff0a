//! Following a file. `PRAGMA data_version` is a number of this connection that changes when
//! another one has committed; while it stands still, nothing has been revoked. It is read
//! outside of any transaction, in which it would stand still by itself.

use std::sync::Arc;

use diesel::sql_types::{BigInt, Binary, Nullable};
use diesel::{OptionalExtension, QueryResult, RunQueryDsl};

use super::super::any::AnyConnection;
use super::super::connect::{Role, Target};
use super::super::connection::DieselConnection;
use super::super::error::logged;
use super::super::hot::statement;
use super::super::{sessions, triggers};
use super::{MANY, news};
use crate::store::{Follower, News, Round, StoreResult};
use crate::token::TokenDigest;

statement! {
    /// Changes when another connection has committed.
    DataVersion {} -> BigInt,
    ["PRAGMA data_version"]
}

statement! {
    /// Changes with every statement that changes a table or a trigger, and when the whole content is
    /// replaced by that of a backup.
    SchemaVersion {} -> BigInt,
    ["PRAGMA schema_version"]
}

statement! {
    /// The newest row of the log; the newest one is never pruned.
    NewestLogRow {} -> (BigInt, Nullable<BigInt>),
    ["SELECT seq, mark FROM revocation_log ORDER BY seq DESC LIMIT 1"]
}

statement! {
    /// Rows of the log from a known one on.
    LogRowsFrom { seq: i64 as BigInt, limit: i64 as BigInt } ->
        (BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<Binary>),
    ["SELECT seq, mark, user_id, session_id FROM revocation_log WHERE seq >= ", seq, " ORDER BY seq LIMIT ", limit]
}

type LogRow = (i64, Option<i64>, Option<i64>, Option<Vec<u8>>);

/// A connection of its own, and how far it has read.
pub(super) struct SqliteFollower {
    connection: DieselConnection,
    place: Option<Place>,
}

/// The numbers as they were before the log was read up to its row `last`.
#[derive(Clone, Copy)]
struct Place {
    data_version: i64,
    schema_version: i64,
    /// Whether the triggers of that schema are what the migrations made.
    is_intact: bool,
    last: LogPlace,
}

/// A row of the log: its number, and its mark, which no row of another copy of the database has. Without any
/// row, the number is 0.
#[derive(Clone, Copy, PartialEq, Eq)]
struct LogPlace {
    seq: i64,
    mark: Option<i64>,
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
        let news = if place.is_intact { news } else { News::Everything };
        Ok(Round { news, found, lasting: place.is_intact })
    }
}

fn catch_up(any: &mut AnyConnection, place: Option<Place>) -> QueryResult<(Place, News)> {
    // Before the log: a commit in between is then seen once too often, never too seldom.
    let data_version: i64 = DataVersion {}.get_result(any)?;
    let Some(place) = place else { return begin(any, data_version, None) };
    if data_version == place.data_version {
        return Ok((place, News::Revoked(Vec::new())));
    }
    // While the triggers were others, what was changed may be in no log.
    let schema_version: i64 = SchemaVersion {}.get_result(any)?;
    if schema_version != place.schema_version {
        return begin(any, data_version, Some(place));
    }
    let LogPlace { seq, .. } = place.last;
    let limit = i64::try_from(MANY + 2).unwrap_or(i64::MAX);
    let rows: Vec<LogRow> = LogRowsFrom { seq, limit }.load(any)?;
    // The newest row is never pruned: if the one that was told last is gone or another one, there are too many
    // behind it, or somebody emptied the log or put an old file's content here, or there never was one.
    let told = usize::from(rows.first().is_some_and(|(seq, mark, ..)| at(*seq, *mark) == place.last));
    let is_known = told == 1 || seq == 0;
    let untold = rows.len() - told;
    let last = rows.last().map_or(at(0, None), |(seq, mark, ..)| at(*seq, *mark));
    // Numbers leave no gap, since those of transactions that are undone are given again.
    if !is_known || untold > MANY || i64::try_from(untold).ok() != last.seq.checked_sub(seq) {
        return begin(any, data_version, Some(place));
    }
    let untold = rows.into_iter().skip(told).map(|(_, _, user, session)| (user, session));
    Ok((Place { data_version, last, ..place }, news(untold)))
}

/// A new beginning: rows that were to be told are gone, or too many, or there is nothing to go on from.
fn begin(any: &mut AnyConnection, data_version: i64, before: Option<Place>) -> QueryResult<(Place, News)> {
    // Before the triggers, for the same reason as above.
    let schema_version: i64 = SchemaVersion {}.get_result(any)?;
    let is_intact = match before.filter(|before| before.schema_version == schema_version) {
        Some(before) => before.is_intact,
        None => look_at_triggers(any, before)?,
    };
    let newest: Option<(i64, Option<i64>)> = NewestLogRow {}.get_result(any).optional()?;
    let last = newest.map_or(at(0, None), |(seq, mark)| at(seq, mark));
    Ok((Place { data_version, schema_version, is_intact, last }, News::Everything))
}

/// Whether the triggers are what the migrations made.
fn look_at_triggers(any: &mut AnyConnection, before: Option<Place>) -> QueryResult<bool> {
    let differences = triggers::differences(any)?;
    super::tell_of_triggers(before.is_none_or(|before| before.is_intact), &differences);
    Ok(differences.is_empty())
}

const fn at(seq: i64, mark: Option<i64>) -> LogPlace {
    LogPlace { seq, mark }
}
