//! Deleting the tokens of ended sessions: no statement and no transaction deletes more than a bounded
//! number of them, however many a session has.
//!
//! A session is deleted only after it was emptied, so that its deletion cascades to no row.

use std::time::{Duration, Instant};

#[cfg(feature = "postgres")]
use diesel::sql_types::Array;
use diesel::sql_types::{BigInt, Binary};
use diesel::{QueryResult, RunQueryDsl};

use super::any::{AnyConnection, on_each};
use super::hot::statement;
use super::sweep::BATCH;

/// The most tokens that are deleted in the transaction that ends a session.
pub(super) const AT_THE_END: i64 = 100;

/// The most tokens that sessions which end in one transaction delete together. On SQLite, 64 sessions at a time may
/// end so, and all of that must fit where little more than 4 MiB are free (`LOW` in `reserve.rs`).
pub(super) const IN_A_GROUP: i64 = 500;

/// The most rows that one transaction deletes from a single session; from several it deletes [`BATCH`].
const MAX_BATCH_ROWS: usize = 500;

/// How long one transaction on a single large session should take, without the commit. On SQLite all
/// other writers wait for it.
const TARGET_TIME: Duration = Duration::from_millis(4);

statement! {
    /// Deletes some tokens of a session.
    TakeTokens { session: Vec<u8> as Binary, limit: i64 as BigInt },
    [
        "DELETE FROM tokens WHERE digest IN (SELECT digest FROM tokens WHERE session_id = ", session, " LIMIT ",
        limit, ")",
    ]
}

statement! {
    /// Deletes some tokens of a session that expire at `from` or later and are not consumed, and returns
    /// when each expires. Postgres keeps deleted rows in its indexes for a while: a batch that begins
    /// where the last one ended need not skip all of them again.
    TakeTokensFrom { session: Vec<u8> as Binary, from: i64 as BigInt, limit: i64 as BigInt } -> BigInt,
    [
        "DELETE FROM tokens WHERE digest IN (SELECT digest FROM tokens WHERE session_id = ", session,
        " AND consumed IS NULL AND expires >= ", from, " ORDER BY consumed, expires LIMIT ", limit,
        ") RETURNING expires",
    ]
}

statement! {
    /// Deletes a session that was emptied.
    DeleteSession { id: Vec<u8> as Binary },
    ["DELETE FROM sessions WHERE id = ", id]
}

#[cfg(feature = "sqlite")]
statement! {
    /// Records that a session has no token left.
    MarkEmptied { id: Vec<u8> as Binary },
    ["UPDATE sessions SET emptied = TRUE WHERE id = ", id]
}

#[cfg(feature = "postgres")]
statement! {
    /// Records that these sessions have no token left.
    MarkAllEmptied { ids: Vec<Vec<u8>> as Array<Binary> },
    ["UPDATE sessions SET emptied = TRUE WHERE id = ANY(", ids, ")"]
}

/// What happens to a session that has no token left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Emptied {
    /// It is kept, and marked as empty.
    Keep,
    /// It is deleted.
    Remove,
}

/// What a batch has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Tokens deleted.
    pub(super) tokens: usize,
    /// Sessions that are empty now, and were marked or deleted.
    pub(super) sessions: usize,
}

/// Empties sessions batch by batch.
#[derive(Debug)]
pub(super) struct Emptying {
    emptied: Emptied,
    /// The session that filled the last batch on its own, if there is one.
    large: Option<Large>,
}

/// A session with more tokens than fit into a batch.
#[derive(Debug)]
struct Large {
    session: Vec<u8>,
    /// The expiry from which the next batch begins.
    from: i64,
    pace: Pace,
}

impl Emptying {
    pub(super) const fn new(emptied: Emptied) -> Self {
        Self { emptied, large: None }
    }

    /// Deletes one batch of tokens of these sessions, in their order. Call it in a separate
    /// transaction.
    pub(super) fn batch(&mut self, any: &mut AnyConnection, sessions: Vec<Vec<u8>>) -> QueryResult<Done> {
        let mut done = Done::default();
        let mut empty = Vec::new();
        for session in sessions {
            let large = self.large.take().filter(|large| large.session == session);
            let room = match &large {
                Some(large) => large.pace.rows,
                None => BATCH.saturating_sub(done.tokens + empty.len()),
            };
            if room == 0 {
                break;
            }
            let begun = Instant::now();
            let mut large = large.unwrap_or(Large { session, from: i64::MIN, pace: Pace::default() });
            let taken = large.delete(any, room)?;
            done.tokens += taken;
            if taken < room {
                empty.push(large.session);
                continue;
            }
            if done.tokens == taken {
                large.pace.adjust(begun.elapsed());
                self.large = Some(large);
            }
            break;
        }
        done.sessions = empty.len();
        self.finish(any, empty)?;
        Ok(done)
    }

    fn finish(&self, any: &mut AnyConnection, empty: Vec<Vec<u8>>) -> QueryResult<()> {
        match self.emptied {
            Emptied::Keep => on_each!(any,
                sqlite(c) => empty.into_iter().try_for_each(|id| MarkEmptied { id }.execute(c).map(drop)),
                postgres(c) => MarkAllEmptied { ids: empty }.execute(c).map(drop),
            ),
            Emptied::Remove => empty.into_iter().try_for_each(|id| DeleteSession { id }.execute(any).map(drop)),
        }
    }
}

impl Large {
    /// Deletes up to `room` tokens, and returns their number; fewer than `room`: none is left.
    fn delete(&mut self, any: &mut AnyConnection, room: usize) -> QueryResult<usize> {
        let mut taken = 0;
        if self.from != i64::MIN {
            let limit = i64::try_from(room).unwrap_or(i64::MAX);
            let ends: Vec<i64> = TakeTokensFrom { session: self.session.clone(), from: self.from, limit }.load(any)?;
            self.from = ends.iter().copied().max().unwrap_or(self.from);
            taken = ends.len();
        } else {
            self.from += 1;
        }
        if taken < room {
            let limit = i64::try_from(room - taken).unwrap_or(i64::MAX);
            taken += TakeTokens { session: self.session.clone(), limit }.execute(any)?;
        }
        Ok(taken)
    }
}

/// How many rows the next transaction deletes, or changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    rows: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rows: BATCH }
    }
}

impl Pace {
    pub(super) const fn rows(self) -> usize {
        self.rows
    }

    /// Adjusts the number of rows to the time that a batch took.
    pub(super) fn adjust(&mut self, took: Duration) {
        if took > TARGET_TIME {
            self.rows = (self.rows / 2).max(BATCH);
        } else if took < TARGET_TIME / 2 {
            self.rows = (self.rows * 2).min(MAX_BATCH_ROWS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_while_they_are_quick_and_shrink_when_they_are_slow() {
        let mut pace = Pace { rows: BATCH };
        (0..20).for_each(|_| pace.adjust(Duration::from_micros(500)));
        assert_eq!(pace.rows, MAX_BATCH_ROWS);
        pace.adjust(TARGET_TIME);
        assert_eq!(pace.rows, MAX_BATCH_ROWS, "the target is met");
        (0..20).for_each(|_| pace.adjust(TARGET_TIME * 2));
        assert_eq!(pace.rows, BATCH);
    }
}
