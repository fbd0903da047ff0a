//! Deleting the tokens of ended sessions, and later their traces: no statement and no transaction deletes more than a
//! bounded number of rows, however many a session has.
//!
//! A session is deleted only after it was emptied, so that its deletion cascades to no row.

use std::time::{Duration, Instant};

#[cfg(feature = "postgres")]
use diesel::sql_types::Array;
use diesel::sql_types::{BigInt, Binary, Nullable};
use diesel::{QueryResult, RunQueryDsl};

use super::any::{AnyConnection, on_each};
use super::hot::statement;
use super::sweep::BATCH;
use super::traces;
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;

/// The most tokens that are deleted in the transaction that ends a session.
pub(super) const AT_THE_END: i64 = 100;

/// The most tokens that sessions which end in one transaction delete together. On SQLite, 64 sessions at a time may
/// end so, and all of that must fit where little more than 4 MiB are free (`LOW` in `reserve.rs`): each token and its
/// trace change a page of their tables.
pub(super) const IN_A_GROUP: i64 = 300;

/// The most rows that one transaction deletes from a single session; from several it deletes [`BATCH`].
const MAX_BATCH_ROWS: usize = 500;

/// How long one transaction on a single large session should take, without the commit. On SQLite all
/// other writers wait for it.
const TARGET_TIME: Duration = Duration::from_millis(4);

statement! {
    /// Deletes some tokens of a session that is about to be forgotten, without traces.
    TakeTokens { session: Vec<u8> as Binary, limit: i64 as BigInt },
    [
        "DELETE FROM tokens WHERE digest IN (SELECT digest FROM tokens WHERE session_id = ", session, " LIMIT ",
        limit, ")",
    ]
}

statement! {
    /// The same from an expiry on, as [`traces::take_from`] does.
    TakeTokensFrom { session: Vec<u8> as Binary, from: i64 as BigInt, limit: i64 as BigInt } -> Nullable<BigInt>,
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

statement! {
    /// Records whose session this was.
    RecordRemoved { id: Vec<u8> as Binary, user: i64 as BigInt, at: i64 as BigInt },
    [
        "INSERT INTO removed_sessions (id, user_id, removed_at) VALUES (", id, ", ", user, ", ", at,
        ") ON CONFLICT DO NOTHING",
    ]
}

statement! {
    /// Deletes the record of a session that was removed with its user.
    DeleteRemoved { id: Vec<u8> as Binary },
    ["DELETE FROM removed_sessions WHERE id = ", id]
}

/// What happens to tokens, and to a session that has none left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Emptied {
    /// Tokens leave traces; the session is kept, and marked as empty.
    Keep,
    /// Tokens leave none; the session is deleted with its traces.
    Remove,
    /// Tokens leave traces; the session is deleted with its user, at this time, and that is recorded.
    Bury(UserId, Timestamp),
    /// The traces and the record of a buried session are deleted.
    Forget,
}

/// What a batch has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Tokens deleted.
    pub(super) tokens: usize,
    /// Traces deleted.
    pub(super) traces: usize,
    /// Sessions that are empty now, and were marked or deleted.
    pub(super) sessions: usize,
}

impl Done {
    /// All rows that were deleted or changed.
    pub(super) const fn rows(&self) -> usize {
        self.tokens + self.traces + self.sessions
    }

    pub(super) const fn add(&mut self, more: Self) {
        self.tokens += more.tokens;
        self.traces += more.traces;
        self.sessions += more.sessions;
    }
}

/// Empties sessions batch by batch.
#[derive(Debug)]
pub(super) struct Emptying {
    emptied: Emptied,
    /// The session that filled the last batch on its own, if there is one.
    large: Option<Large>,
}

/// A session with more rows than fit into a batch.
#[derive(Debug)]
struct Large {
    session: Vec<u8>,
    /// The expiry from which the next batch of tokens begins.
    from: i64,
    /// The trace after which the next batch of traces begins.
    after: Vec<u8>,
    pace: Pace,
}

impl Emptying {
    pub(super) const fn new(emptied: Emptied) -> Self {
        Self { emptied, large: None }
    }

    /// Deletes one batch of rows of these sessions, in their order. Call it in a separate
    /// transaction.
    pub(super) fn batch(&mut self, any: &mut AnyConnection, sessions: Vec<Vec<u8>>) -> QueryResult<Done> {
        let mut done = Done::default();
        let mut empty = Vec::new();
        for session in sessions {
            let large = self.large.take().filter(|large| large.session == session);
            let room = match &large {
                Some(large) => large.pace.rows,
                None => BATCH.saturating_sub(done.rows() + empty.len()),
            };
            if room == 0 {
                break;
            }
            let begun = Instant::now();
            let start = || Large { session, from: i64::MIN, after: Vec::new(), pace: Pace::default() };
            let mut large = large.unwrap_or_else(start);
            let taken = large.delete(any, room, self.emptied)?;
            done.add(taken);
            if taken.rows() < room {
                empty.push(large.session);
                continue;
            }
            if done == taken {
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
            Emptied::Bury(UserId(user), at) => empty.into_iter().try_for_each(|id| {
                RecordRemoved { id: id.clone(), user, at: at.as_micros() }.execute(any)?;
                DeleteSession { id }.execute(any).map(drop)
            }),
            Emptied::Forget => empty.into_iter().try_for_each(|id| DeleteRemoved { id }.execute(any).map(drop)),
        }
    }
}

impl Large {
    /// Deletes up to `room` rows, and returns their number; fewer than `room`: none is left.
    fn delete(&mut self, any: &mut AnyConnection, room: usize, emptied: Emptied) -> QueryResult<Done> {
        let mut done = Done::default();
        let (has_tokens, has_traces) = match emptied {
            Emptied::Keep | Emptied::Bury(..) => (true, false),
            Emptied::Remove => (true, true),
            Emptied::Forget => (false, true),
        };
        if has_tokens {
            done.tokens = self.delete_tokens(any, room, has_traces)?;
        }
        if has_traces && done.tokens < room {
            done.traces = traces::forget(any, &self.session, &mut self.after, limit(room - done.tokens))?;
        }
        Ok(done)
    }

    fn delete_tokens(&mut self, any: &mut AnyConnection, room: usize, without_traces: bool) -> QueryResult<usize> {
        let (session, from) = (self.session.clone(), self.from);
        let mut taken = 0;
        if from != i64::MIN {
            let ends = if without_traces {
                TakeTokensFrom { session, from, limit: limit(room) }.load(any)?
            } else {
                traces::take_from(any, &session, from, limit(room))?
            };
            self.from = ends.iter().copied().flatten().max().unwrap_or(from);
            taken = ends.len();
        } else {
            self.from += 1;
        }
        if taken < room {
            let (session, limit) = (self.session.clone(), limit(room - taken));
            taken += if without_traces {
                TakeTokens { session, limit }.execute(any)?
            } else {
                usize::try_from(traces::take(any, session, limit)?).unwrap_or(usize::MAX)
            };
        }
        Ok(taken)
    }
}

fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
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
