//! Postgres snapshots: which transactions a statement saw.

use std::io::Write;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};
use diesel::query_builder::QueryId;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::SqlType;

/// The type `pg_snapshot`; its number is the same in all versions that have it.
#[derive(Debug, Clone, Copy, QueryId, SqlType)]
#[diesel(postgres_type(oid = 5038, array_oid = 5039))]
pub(in super::super) struct PgSnapshot;

/// All transactions below `xmax`, except those `running`, of which `xmin` is the oldest.
#[derive(Debug, Clone, PartialEq, Eq, FromSqlRow)]
pub(in super::super) struct Snapshot {
    xmin: u64,
    xmax: u64,
    running: Vec<u64>,
}

impl Snapshot {
    /// The oldest transaction that was running, if there was one.
    pub(super) fn oldest_running(&self) -> Option<u64> {
        (!self.running.is_empty()).then_some(self.xmin)
    }

    /// Whether this snapshot sees everything that `other` sees.
    pub(super) fn covers(&self, other: &Self) -> bool {
        other.xmax <= self.xmax && !self.running.iter().any(|transaction| other.sees(*transaction))
    }

    fn sees(&self, transaction: u64) -> bool {
        transaction < self.xmin || transaction < self.xmax && !self.running.contains(&transaction)
    }
}

impl FromSql<PgSnapshot, Pg> for Snapshot {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let bytes = value.as_bytes();
        let (count, bytes) = bytes.split_first_chunk().ok_or("a snapshot is cut off")?;
        let count = usize::try_from(u32::from_be_bytes(*count))?;
        let (numbers, rest) = bytes.as_chunks();
        match numbers {
            [xmin, xmax, running @ ..] if running.len() == count && rest.is_empty() => Ok(Self {
                xmin: u64::from_be_bytes(*xmin),
                xmax: u64::from_be_bytes(*xmax),
                running: running.iter().map(|number| u64::from_be_bytes(*number)).collect(),
            }),
            _ => Err("a snapshot is cut off".into()),
        }
    }
}

impl ToSql<PgSnapshot, Pg> for Snapshot {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&u32::try_from(self.running.len())?.to_be_bytes())?;
        for number in [self.xmin, self.xmax].iter().chain(&self.running) {
            out.write_all(&number.to_be_bytes())?;
        }
        Ok(IsNull::No)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(xmin: u64, xmax: u64, running: &[u64]) -> Snapshot {
        Snapshot { xmin, xmax, running: running.to_vec() }
    }

    #[test]
    fn a_later_snapshot_covers_an_earlier_one_and_not_the_reverse() {
        let early = snapshot(5, 9, &[5, 7]);
        assert!(early.covers(&early));
        // One committed; one began and ended; a new one is running.
        for late in [snapshot(7, 9, &[7]), snapshot(5, 10, &[5, 7]), snapshot(5, 12, &[5, 7, 9])] {
            assert!(late.covers(&early), "{late:?}");
            assert!(!early.covers(&late) || late == snapshot(5, 12, &[5, 7, 9]), "{late:?}");
        }
        assert!(!early.covers(&snapshot(5, 12, &[5, 7, 9])));
        assert!(!early.covers(&snapshot(9, 9, &[])));
        // However long ago the oldest one began.
        assert!(snapshot(2, 90, &[2, 80]).covers(&snapshot(2, 50, &[2, 40])));
    }
}
