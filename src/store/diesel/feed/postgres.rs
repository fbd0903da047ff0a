//! The revocation feed of a Postgres server. A log row is reported by the first poll whose snapshot sees
//! it. That is the difference between the snapshots of two polls, because transactions do not become
//! visible in the order of their numbers. One statement reads log rows, requested rows, and the snapshot for
//! the next poll, so that all of them are of one moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::data_types::PgTimestamp;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Oid, Text, Timestamptz};
use diesel::{OptionalExtension, PgConnection, QueryResult, Queryable, RunQueryDsl};

use super::super::any::{AnyConnection, on_each};
use super::super::connect::{Role, Target};
use super::super::connection::DieselConnection;
use super::super::error::logged;
use super::super::hot::{NO_RECORD, RECORD, TokenColumns, statement};
use super::super::rows::TokenRow;
use super::super::{sessions, triggers};
use super::{MAX_REVOKED, invalidation, log_triggers};
use crate::domain::token::TokenDigest;
use crate::store::{FeedUpdate, Invalidation, RevocationFeed, StoreError, StoreResult};

mod snapshot;
#[cfg(test)]
mod tests;

use snapshot::{PgSnapshot, Snapshot};

/// At most this many log rows that were reported before are skipped in a poll. They cannot be left out of
/// the query while an older transaction is open.
const MAX_SKIPPED: i64 = 2_000;

/// How often a poll also checks the triggers. Manual changes made while they were disabled are noticed
/// within this time.
const TRIGGER_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// How often the rows that a poll skips are counted, if a transaction has been open for this long.
const COUNT_INTERVAL: Duration = Duration::from_millis(200);

type HeadColumns = (PgSnapshot, PgSnapshot, Integer, Timestamptz, Bool, Oid);
type LogColumns = (Bool, Nullable<BigInt>, Nullable<Binary>);

/// The columns of the head, and where they are from.
const HEAD: &str =
    "pg_current_snapshot(), pruned, pg_backend_pid(), pg_postmaster_start_time(), pg_is_in_recovery(), tableoid";

/// As many columns without values, of the same types; and those of a log row.
const NO_HEAD: &str =
    "NULL::pg_snapshot, NULL::pg_snapshot, NULL::integer, NULL::timestamptz, NULL::boolean, NULL::oid";
const NO_LOG: &str = "NULL::boolean, NULL::bigint, NULL::bytea";

statement! {
    /// A poll without requested rows. Log rows of future transactions were restored from another
    /// server's backup, and are ignored.
    Changes { known: Option<Snapshot> as Nullable<PgSnapshot> } -> (Nullable<HeadColumns>, Nullable<LogColumns>),
    [
        "(SELECT ", (NO_HEAD), ", TRUE, user_id, session_id FROM revocation_log WHERE xid >= pg_snapshot_xmin(", known,
        ") AND xid < pg_snapshot_xmax(pg_current_snapshot()) AND NOT pg_visible_in_snapshot(xid, ", known,
        ") ORDER BY xid LIMIT ", {MAX_REVOKED + 1},
        ") UNION ALL SELECT ", (HEAD), ", ", (NO_LOG), " FROM revocation_horizon WHERE id = 1",
    ]
}

statement! {
    /// A poll with requested rows.
    ChangesAndTokens {
        known: Option<Snapshot> as Nullable<PgSnapshot>,
        digests: Vec<[u8; 64]> as Array<Binary>,
    } -> (Nullable<HeadColumns>, Nullable<LogColumns>, Nullable<TokenColumns>),
    [
        "(SELECT ", (NO_HEAD), ", TRUE, user_id, session_id, ", (NO_RECORD),
        " FROM revocation_log WHERE xid >= pg_snapshot_xmin(", known,
        ") AND xid < pg_snapshot_xmax(pg_current_snapshot()) AND NOT pg_visible_in_snapshot(xid, ", known,
        ") ORDER BY xid LIMIT ", {MAX_REVOKED + 1},
        ") UNION ALL SELECT ", (HEAD), ", ", (NO_LOG), ", ", (NO_RECORD), " FROM revocation_horizon WHERE id = 1 \
         UNION ALL SELECT ", (NO_HEAD), ", ", (NO_LOG), ", ", (RECORD), " = ANY(", digests, ")",
    ]
}

statement! {
    /// Identifies the triggers, their functions and tables; empty if they are not as expected. A separate
    /// statement, because it is seldom sent: as a part of the others it would have them planned each time.
    TriggerStamp {} -> Nullable<Text>,
    ["SELECT (SELECT stamp FROM revocation_trigger_stamp)"]
}

statement! {
    /// How many log rows the next poll would skip, up to a bound.
    Behind {} -> BigInt,
    [
        "SELECT count(*) FROM (SELECT FROM revocation_log WHERE xid >= pg_snapshot_xmin(pg_current_snapshot()) \
         AND xid < pg_snapshot_xmax(pg_current_snapshot()) LIMIT ", {MAX_SKIPPED + 1}, ") behind",
    ]
}

statement! {
    /// The oldest open transaction: its process, its name, and for how many seconds it has been
    /// open.
    Oldest {} -> (Nullable<Integer>, Text, BigInt),
    [
        "SELECT pid, coalesce(application_name, ''), coalesce(extract(epoch FROM now() - xact_start), 0)::bigint \
         FROM pg_stat_activity WHERE backend_xid = pg_snapshot_xmin(pg_current_snapshot())::xid \
         UNION ALL SELECT NULL, gid, extract(epoch FROM now() - prepared)::bigint \
         FROM pg_prepared_xacts WHERE transaction = pg_snapshot_xmin(pg_current_snapshot())::xid LIMIT 1",
    ]
}

#[derive(Queryable)]
struct HeadRow {
    snapshot: Snapshot,
    pruned: Snapshot,
    process: i32,
    started: PgTimestamp,
    is_standby: bool,
    table: u32,
}

type LogRow = (bool, Option<i64>, Option<Vec<u8>>);

/// A separate connection, and what its last poll saw.
pub(super) struct PostgresFeed {
    connection: DieselConnection,
    position: Option<Position>,
    oldest: Option<OldestTransaction>,
    held_back: bool,
    triggers: Triggers,
}

struct Position {
    snapshot: Snapshot,
    server: Server,
}

/// The server process, which a pooler may replace under an open connection, and the table of the horizon, which
/// is a different one after a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Server {
    process: i32,
    started: PgTimestamp,
    table: u32,
}

/// The last check of the triggers.
#[derive(Default)]
struct Triggers {
    checked: Option<Instant>,
    /// Changes whenever a trigger, its function or its table is changed; empty while they are not as
    /// expected.
    stamp: Option<String>,
}

impl Triggers {
    fn is_due(&self) -> bool {
        self.checked.is_none_or(|checked| checked.elapsed() >= TRIGGER_CHECK_INTERVAL)
    }

    fn are_intact(&self) -> bool {
        self.stamp.as_ref().is_some_and(|stamp| !stamp.is_empty())
    }
}

/// The oldest open transaction, and when the rows behind it were last counted.
#[derive(Clone, Copy)]
struct OldestTransaction {
    transaction: u64,
    seen: Instant,
}

/// The result of a poll's statement.
#[derive(Default)]
struct PollRows {
    head: Option<HeadRow>,
    log: Vec<LogRow>,
    tokens: Vec<TokenRow>,
}

impl PostgresFeed {
    pub(super) fn open(target: &Arc<Target>) -> StoreResult<Self> {
        let connection = DieselConnection::open(target, Role::RevocationFeed).map_err(logged)?;
        Ok(Self { connection, position: None, oldest: None, held_back: false, triggers: Triggers::default() })
    }

    /// Whether an old transaction makes polls too expensive. Then the log is not read until it has
    /// ended.
    fn is_held_back(&mut self) -> StoreResult<bool> {
        let Some(open) = self.oldest.filter(|open| open.seen.elapsed() >= COUNT_INTERVAL) else {
            return Ok(self.held_back);
        };
        let behind: i64 = self.connection.read(|any| Behind {}.get_result(any))?;
        self.oldest = Some(OldestTransaction { seen: Instant::now(), ..open });
        // A lower bound for the way back, so that it does not alternate.
        let bound = if self.held_back { MAX_SKIPPED / 2 } else { MAX_SKIPPED };
        let held_back = behind > bound;
        match (self.held_back, held_back) {
            (false, true) => {
                let oldest = self.connection.read(|any| Oldest {}.get_result(any).optional())?;
                log::warn!("{}; until it ends, every check reads the database", describe_oldest(oldest));
                self.position = None;
            }
            (true, false) => {
                log::info!("the old transaction has ended; checks are answered from the cache again");
                self.oldest = None;
            }
            (false, false) | (true, true) => {}
        }
        self.held_back = held_back;
        Ok(held_back)
    }

    /// Checks the triggers, if it is time to, and returns whether they have not changed since the last check. If
    /// they have, changes made in between may be missing in the log.
    fn check_triggers(&mut self) -> StoreResult<bool> {
        if !self.triggers.is_due() {
            return Ok(true);
        }
        let stamp: Option<String> = self.connection.read(|any| TriggerStamp {}.get_result(any))?;
        let were_intact = self.triggers.checked.is_none() || self.triggers.are_intact();
        let unchanged = self.triggers.stamp == stamp;
        self.triggers = Triggers { checked: Some(Instant::now()), stamp };
        if !unchanged {
            let are_intact = self.triggers.are_intact();
            let differences = if are_intact { Vec::new() } else { self.connection.read(triggers::differences)? };
            log_triggers(were_intact, &differences);
        }
        Ok(unchanged)
    }

    fn note_oldest(&mut self, snapshot: &Snapshot) {
        self.oldest = snapshot.oldest_running().map(|transaction| match self.oldest {
            Some(known) if known.transaction == transaction => known,
            Some(_) | None => OldestTransaction { transaction, seen: Instant::now() },
        });
    }
}

impl RevocationFeed for PostgresFeed {
    fn poll(&mut self, digests: &[TokenDigest]) -> StoreResult<FeedUpdate> {
        if self.is_held_back()? {
            let found = self.connection.read(|any| sessions::find_many(any, digests))?;
            return Ok(FeedUpdate { invalidation: Invalidation::Everything, found, cacheable: false });
        }
        // Taken, so that no poll continues from a position before a failure.
        let position = self.position.take();
        let known = position.as_ref().map(|position| position.snapshot.clone());
        // First: what the poll reads after this check may be cached.
        let unchanged = self.check_triggers()?;
        let (head, revoked, found) = self.connection.read(|any| {
            let PollRows { head, log, tokens } = ask(any, known, digests)?;
            let revoked = invalidation(log.into_iter().map(|(_, user, session)| (user, session)));
            Ok((head, revoked, sessions::in_order(tokens, digests)?))
        })?;
        let Some(HeadRow { snapshot, pruned, process, started, is_standby, table }) = head else {
            return Err(logged(StoreError::Failed("the horizon of the revocation log is missing".to_owned())));
        };
        if is_standby {
            let text = "the server has become a standby, whose answers may be old";
            return Err(logged(StoreError::Unavailable(text.to_owned())));
        }
        let server = Server { process, started, table };
        let continues = position.is_some_and(|known| {
            // The last condition: rows behind the horizon may have been deleted, so they must have been read.
            known.server == server && snapshot.covers(&known.snapshot) && known.snapshot.covers(&pruned)
        });
        let cacheable = self.triggers.are_intact();
        let invalidation = if continues && unchanged && cacheable { revoked } else { Invalidation::Everything };
        self.note_oldest(&snapshot);
        self.position = Some(Position { snapshot, server });
        Ok(FeedUpdate { invalidation, found, cacheable })
    }
}

/// Sends the one statement of a poll.
fn ask(any: &mut AnyConnection, known: Option<Snapshot>, digests: &[TokenDigest]) -> QueryResult<PollRows> {
    on_each!(any,
        sqlite(_c) => Err(diesel::result::Error::NotFound),
        postgres(c) => if digests.is_empty() {
            ask_for_changes(c, known)
        } else {
            ask_for_tokens(c, known, digests)
        },
    )
}

fn ask_for_changes(connection: &mut PgConnection, known: Option<Snapshot>) -> QueryResult<PollRows> {
    let rows: Vec<(Option<HeadRow>, Option<LogRow>)> = Changes { known }.load(connection)?;
    let mut answer = PollRows::default();
    for (head, log) in rows {
        answer.head = answer.head.or(head);
        answer.log.extend(log);
    }
    Ok(answer)
}

fn ask_for_tokens(
    connection: &mut PgConnection,
    known: Option<Snapshot>,
    digests: &[TokenDigest],
) -> QueryResult<PollRows> {
    let digests = digests.iter().map(|digest| *digest.as_bytes()).collect();
    let rows: Vec<(Option<HeadRow>, Option<LogRow>, Option<TokenRow>)> =
        ChangesAndTokens { known, digests }.load(connection)?;
    let mut answer = PollRows { tokens: Vec::with_capacity(rows.len()), ..PollRows::default() };
    for (head, log, token) in rows {
        answer.head = answer.head.or(head);
        answer.log.extend(log);
        answer.tokens.extend(token);
    }
    Ok(answer)
}

/// Names the transaction's session, but never its statement.
fn describe_oldest(oldest: Option<(Option<i32>, String, i64)>) -> String {
    match oldest {
        Some((Some(process), name, age)) => {
            format!(
                "an old transaction blocks the revocation log: server process {process}, {name:?}, open for {age} s"
            )
        }
        Some((None, name, age)) => {
            format!("a prepared transaction blocks the revocation log: {name:?}, open for {age} s")
        }
        None => "an old transaction blocks the revocation log; this role may not see its session".to_owned(),
    }
}
