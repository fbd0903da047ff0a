//! Pruning the revocation log, so that no view of the database misses a row.

#[cfg(feature = "postgres")]
use diesel::sql_types::BigInt;
use diesel::{QueryResult, RunQueryDsl};

use super::super::DieselStore;
use super::super::any::on_each;
use super::super::hot::statement;
use super::BATCH;
use crate::store::StoreResult;
use crate::time::Timestamp;

/// How long a snapshot is kept before the rows that it sees are deleted, in microseconds: a
/// view that lived through less of it is never emptied.
#[cfg(feature = "postgres")]
const HORIZON_AGE: i64 = 60 * 60 * 1_000_000;

#[cfg(feature = "sqlite")]
statement! {
    /// Takes rows that lie more than 10,000 behind the newest: a view that has not come so far
    /// sees the gap.
    DeleteAllButNewest {},
    [
        "DELETE FROM revocation_log WHERE seq IN (SELECT seq FROM revocation_log WHERE seq <= \
         (SELECT max(seq) - 10000 FROM revocation_log) ORDER BY seq LIMIT ", {BATCH}, ")",
    ]
}

#[cfg(feature = "postgres")]
statement! {
    /// Publishes the snapshot taken an hour ago as the horizon, and takes the next one. A
    /// snapshot from the future was restored from another server's backup and means nothing; the
    /// present one takes its place, since no view could ever be newer than it.
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
    /// Takes rows that every view newer than the horizon has seen.
    DeleteBehindHorizon {},
    [
        "DELETE FROM revocation_log WHERE seq IN (SELECT l.seq FROM revocation_log l, revocation_horizon h \
         WHERE l.xid < pg_snapshot_xmax(h.pruned) AND pg_visible_in_snapshot(l.xid, h.pruned) \
         ORDER BY l.seq LIMIT ", {BATCH}, " FOR UPDATE OF l SKIP LOCKED)",
    ]
}

impl DieselStore {
    /// Prunes the log and returns the number of rows. The horizon is committed before the first
    /// row behind it goes; it stays where it is while nobody knows the time.
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
        self.admin(|connection| {
            connection.write(|any| {
                on_each!(any,
                    sqlite(_c) => {
                        let _ = now;
                        Ok(())
                    },
                    postgres(c) => MoveHorizon { now: now.as_micros(), age: HORIZON_AGE }.execute(c).map(drop),
                )
            })
        })
    }
}
