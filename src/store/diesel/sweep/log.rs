//! Pruning the revocation log, so that no revocation feed misses a row.

#[cfg(feature = "postgres")]
use diesel::sql_types::BigInt;
use diesel::{QueryResult, RunQueryDsl};

use super::super::DieselStore;
use super::super::any::on_each;
use super::super::hot::statement;
use super::BATCH;
use crate::domain::time::Timestamp;
use crate::store::StoreResult;

/// How old a snapshot is before the rows that it sees are deleted, in microseconds: a feed that was polled
/// within this time never loses rows.
#[cfg(feature = "postgres")]
const HORIZON_AGE_MICROS: i64 = 60 * 60 * 1_000_000;

/// How many rows stay. A feed that has not read older ones yet notices the gap.
#[cfg(feature = "sqlite")]
const KEPT_ROWS: usize = 10_000;

#[cfg(feature = "sqlite")]
statement! {
    /// Deletes rows that are behind the newest by more.
    DeleteAllButNewest {},
    [
        "DELETE FROM revocation_log WHERE seq IN (SELECT seq FROM revocation_log WHERE seq <= \
         (SELECT max(seq) - ", {KEPT_ROWS}, " FROM revocation_log) ORDER BY seq LIMIT ", {BATCH}, ")",
    ]
}

#[cfg(feature = "postgres")]
statement! {
    /// Publishes the snapshot of an hour ago as the horizon, and takes the next one. A snapshot from
    /// the future was restored from another server's backup and is meaningless. The current one
    /// replaces it, because no feed could ever be newer than the old one.
    MoveHorizon { now: i64 as BigInt, age: i64 as BigInt },
    [
        "UPDATE revocation_horizon SET pruned = CASE WHEN pg_snapshot_xmax(next) > \
         pg_snapshot_xmax(pg_current_snapshot()) THEN pg_current_snapshot() ELSE next END, \
         next = pg_current_snapshot(), next_taken = ", now,
        " WHERE next_taken <= ", now, " - ", age, " OR next_taken > ", now,
        " OR pg_snapshot_xmax(next) > pg_snapshot_xmax(pg_current_snapshot())",
    ]
}

#[cfg(feature = "postgres")]
statement! {
    /// Deletes rows that all feeds newer than the horizon have seen.
    DeleteBehindHorizon {},
    [
        "DELETE FROM revocation_log WHERE seq IN (SELECT l.seq FROM revocation_log l, revocation_horizon h \
         WHERE l.xid < pg_snapshot_xmax(h.pruned) AND pg_visible_in_snapshot(l.xid, h.pruned) \
         ORDER BY l.seq LIMIT ", {BATCH}, " FOR UPDATE OF l SKIP LOCKED)",
    ]
}

impl DieselStore {
    /// Prunes the log and returns the number of rows. The horizon is committed before the first row
    /// behind it is deleted. It does not move while the time is uncertain.
    pub(super) fn prune_log(&self, now: Option<Timestamp>, go_on: &dyn Fn() -> bool) -> StoreResult<usize> {
        if !go_on() {
            return Ok(0);
        }
        if let Some(now) = now {
            self.move_horizon(now)?;
        }
        self.repeat(go_on, |any| -> QueryResult<usize> {
            on_each!(any,
                sqlite(c) => DeleteAllButNewest {}.execute(c),
                postgres(c) => DeleteBehindHorizon {}.execute(c),
            )
        })
    }

    fn move_horizon(&self, now: Timestamp) -> StoreResult<()> {
        self.write(|any| {
            on_each!(any,
                sqlite(_c) => {
                    let _ = now;
                    Ok(())
                },
                postgres(c) => MoveHorizon { now: now.as_micros(), age: HORIZON_AGE_MICROS }.execute(c).map(drop),
            )
        })
    }
}
