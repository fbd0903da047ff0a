//! The revocation feed of a SQLite file. `PRAGMA data_version` is a number of this connection that
//! changes when another connection has committed; while it does not change, nothing has been revoked.
//! It is read outside of transactions, in which it never changes.

use std::sync::Arc;

use diesel::sql_types::{BigInt, Binary, Nullable};
use diesel::{OptionalExtension, QueryResult, RunQueryDsl};

use super::super::any::AnyConnection;
use super::super::connect::{Role, Target};
use super::super::connection::DieselConnection;
use super::super::error::logged;
use super::super::hot::statement;
use super::super::{sessions, triggers};
use super::{MAX_REVOKED, invalidation};
use crate::domain::token::TokenDigest;
use crate::store::{FeedUpdate, Invalidation, RevocationFeed, StoreResult};

statement! {
    /// Changes when another connection has committed.
    DataVersion {} -> BigInt,
    ["PRAGMA data_version"]
}

statement! {
    /// Changes when a table or a trigger is changed, and when the whole content is replaced by that of
    /// a backup.
    SchemaVersion {} -> BigInt,
    ["PRAGMA schema_version"]
}

statement! {
    /// The newest row of the log, which is never pruned.
    NewestLogRow {} -> (BigInt, Nullable<BigInt>),
    ["SELECT seq, mark FROM revocation_log ORDER BY seq DESC LIMIT 1"]
}

statement! {
    /// Rows of the log, from a known one on.
    LogRowsFrom { seq: i64 as BigInt, limit: i64 as BigInt } ->
        (BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<Binary>),
    ["SELECT seq, mark, user_id, session_id FROM revocation_log WHERE seq >= ", seq, " ORDER BY seq LIMIT ", limit]
}

type LogRow = (i64, Option<i64>, Option<i64>, Option<Vec<u8>>);

/// A separate connection, and how far it has read.
pub(super) struct SqliteFeed {
    connection: DieselConnection,
    position: Option<Position>,
}

/// The version numbers from before the log was read up to its row `last`.
#[derive(Clone, Copy)]
struct Position {
    data_version: i64,
    schema_version: i64,
    /// Whether the triggers of that schema are those of the migrations.
    is_intact: bool,
    last: LogPosition,
}

/// A row of the log: its number, and its mark, which no row of another copy of the database has. If the log is
/// empty, the number is 0.
#[derive(Clone, Copy, PartialEq, Eq)]
struct LogPosition {
    seq: i64,
    mark: Option<i64>,
}

impl SqliteFeed {
    pub(super) fn open(target: &Arc<Target>) -> StoreResult<Self> {
        let connection = DieselConnection::open(target, Role::RevocationFeed).map_err(logged)?;
        Ok(Self { connection, position: None })
    }
}

impl RevocationFeed for SqliteFeed {
    fn poll(&mut self, digests: &[TokenDigest]) -> StoreResult<FeedUpdate> {
        let position = self.position;
        let (position, invalidation, found) = self.connection.read(|any| {
            let (position, invalidation) = catch_up(any, position)?;
            // Read after the log: what is revoked in between is reported by the next poll.
            let found = if digests.is_empty() { Vec::new() } else { sessions::find_many(any, digests)? };
            Ok((position, invalidation, found))
        })?;
        self.position = Some(position);
        let invalidation = if position.is_intact { invalidation } else { Invalidation::Everything };
        Ok(FeedUpdate { invalidation, found, cacheable: position.is_intact })
    }
}

fn catch_up(any: &mut AnyConnection, position: Option<Position>) -> QueryResult<(Position, Invalidation)> {
    // Before the log: a commit in between is then reported twice, never missed.
    let data_version: i64 = DataVersion {}.get_result(any)?;
    let Some(position) = position else { return begin(any, data_version, None) };
    if data_version == position.data_version {
        return Ok((position, Invalidation::Revoked(Vec::new())));
    }
    // Changes made while the triggers were different may be missing in the log.
    let schema_version: i64 = SchemaVersion {}.get_result(any)?;
    if schema_version != position.schema_version {
        return begin(any, data_version, Some(position));
    }
    let LogPosition { seq, .. } = position.last;
    let limit = i64::try_from(MAX_REVOKED + 2).unwrap_or(i64::MAX);
    let rows: Vec<LogRow> = LogRowsFrom { seq, limit }.load(any)?;
    // The newest row is never pruned. So if the row that was read last is missing or different, too many rows
    // follow it, the log was emptied, an old file was restored, or no row has been read yet.
    let already_read = usize::from(rows.first().is_some_and(|(seq, mark, ..)| at(*seq, *mark) == position.last));
    let is_known = already_read == 1 || seq == 0;
    let unread = rows.len() - already_read;
    let last = rows.last().map_or(at(0, None), |(seq, mark, ..)| at(*seq, *mark));
    // Numbers have no gaps, because those of transactions that were rolled back are used again.
    if !is_known || unread > MAX_REVOKED || i64::try_from(unread).ok() != last.seq.checked_sub(seq) {
        return begin(any, data_version, Some(position));
    }
    let unread = rows.into_iter().skip(already_read).map(|(_, _, user, session)| (user, session));
    Ok((Position { data_version, last, ..position }, invalidation(unread)))
}

/// Starts afresh, without a known position, or because unread rows are missing or too many.
fn begin(
    any: &mut AnyConnection,
    data_version: i64,
    before: Option<Position>,
) -> QueryResult<(Position, Invalidation)> {
    // Before the triggers, for the same reason as in `catch_up`.
    let schema_version: i64 = SchemaVersion {}.get_result(any)?;
    let is_intact = match before.filter(|before| before.schema_version == schema_version) {
        Some(before) => before.is_intact,
        None => check_triggers(any, before)?,
    };
    let newest: Option<(i64, Option<i64>)> = NewestLogRow {}.get_result(any).optional()?;
    let last = newest.map_or(at(0, None), |(seq, mark)| at(seq, mark));
    Ok((Position { data_version, schema_version, is_intact, last }, Invalidation::Everything))
}

/// Whether the triggers are those of the migrations. Logs a change.
fn check_triggers(any: &mut AnyConnection, before: Option<Position>) -> QueryResult<bool> {
    let differences = triggers::differences(any)?;
    super::log_triggers(before.is_none_or(|before| before.is_intact), &differences);
    Ok(differences.is_empty())
}

const fn at(seq: i64, mark: Option<i64>) -> LogPosition {
    LogPosition { seq, mark }
}
