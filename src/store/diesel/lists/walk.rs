//! Searching rows along an index, portion by portion, for a bounded time
//! (`docs/adr/0050-pages-look-at-a-bounded-part.md`).

use std::time::Instant;

use diesel::QueryResult;

use diesel::Connection as _;

use super::super::any::{AnyConnection, on_each};
use super::super::mass_end::read_in_order;
use crate::store::Effort;

/// How many rows the first portion has. Most pages are full then.
const FIRST: u32 = 250;

/// By how much each portion is larger than the one before it, in which little was found.
const GROWTH: u32 = 4;

/// The size of the largest portion. A statement over this many rows is short, whatever it has to check of each row.
pub(in super::super) const LARGEST: u32 = 5_000;

/// Runs statements that read along an index and share one snapshot of the database. Without it, a row that is changed
/// or deleted between two statements would be missing, and the list would seem to end there.
pub(in super::super) fn in_snapshot<T>(
    any: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    any.transaction(|any| {
        take_snapshot(any)?;
        read_in_order(any)?;
        work(any)
    })
}

/// On SQLite, every transaction that reads has one.
fn take_snapshot(any: &mut AnyConnection) -> QueryResult<()> {
    on_each!(any,
        sqlite(_c) => Ok(()),
        postgres(c) => {
            let isolation = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
            diesel::connection::SimpleConnection::batch_execute(c, isolation)
        },
    )
}

/// Rows in the order of an index, of which some match.
pub(in super::super) trait InOrder {
    /// The position of a row in that order.
    type Position: Copy;
    /// A row that matches.
    type Row;

    /// The position of the row that follows `others` rows in the index, counted from a position.
    fn nth(
        &self,
        any: &mut AnyConnection,
        after: Option<Self::Position>,
        others: u32,
    ) -> QueryResult<Option<Self::Position>>;

    /// The first `wanted` rows that match, between a position and the row at `end`, which is included.
    fn matching(
        &self,
        any: &mut AnyConnection,
        after: Option<Self::Position>,
        end: Option<Self::Position>,
        wanted: usize,
    ) -> QueryResult<Vec<Self::Row>>;
}

/// The rows that were found, and where the search stopped before it had found enough.
type Part<R> = (Vec<<R as InOrder>::Row>, Option<<R as InOrder>::Position>);

/// Searches portion by portion until enough rows are found or the effort is used up.
pub(in super::super) fn walk<R: InOrder>(
    any: &mut AnyConnection,
    rows: &R,
    wanted: u32,
    effort: Effort,
) -> QueryResult<Part<R>> {
    let (begun, wanted) = (Instant::now(), usize::try_from(wanted).unwrap_or(usize::MAX));
    let (mut found, mut looked_at, mut after) = (Vec::new(), 0_u32, None);
    let mut portion = FIRST.min(effort.rows).max(1);
    loop {
        let end = rows.nth(any, after, portion - 1)?;
        found.extend(rows.matching(any, after, end, wanted.saturating_sub(found.len()))?);
        if found.len() >= wanted || end.is_none() {
            return Ok((found, None));
        }
        looked_at = looked_at.saturating_add(portion);
        if looked_at >= effort.rows && begun.elapsed() >= effort.time {
            return Ok((found, end));
        }
        after = end;
        portion = portion.saturating_mul(GROWTH).min(LARGEST);
    }
}
