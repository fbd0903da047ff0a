//! Sweeping the tokens of ended sessions, and later the sessions themselves.

use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl};

use super::super::DieselStore;
use super::super::any::{AnyConnection, on_each};
use super::super::cutoff::{self, Ended, Opened};
use super::super::emptying::{Done, Emptied, Emptying};
use super::super::hot::{CUTOFF_EPOCH, ISSUED_BEFORE, statement};
use super::super::traces;
use super::BATCH;
use crate::domain::audit::Event;
use crate::store::StoreResult;

/// How many users are looked at in one statement.
const USERS: usize = 1_000;

/// A session's id, its epoch, when it was opened, and when it was last used.
type Old = (Vec<u8>, i64, i64, i64);

/// Defines a function that finds rows by a statement; on Postgres those that no other transaction has locked.
macro_rules! find_unlocked {
    (
        $(#[$meta:meta])*
        fn $name:ident($($field:ident: $rust:ty as $sql:ty),*) -> $row:ty as $columns:ty,
        [$($piece:tt),* $(,)?]
    ) => {
        $(#[$meta])*
        fn $name(any: &mut AnyConnection, $($field: $rust),*) -> QueryResult<Vec<$row>> {
            #[cfg(feature = "sqlite")]
            statement! { All { $($field: $rust as $sql),* } -> $columns, [$($piece),*] }
            #[cfg(feature = "postgres")]
            statement! { Unlocked { $($field: $rust as $sql),* } -> $columns, [$($piece,)* " FOR UPDATE SKIP LOCKED"] }
            on_each!(any,
                sqlite(c) => All { $($field),* }.load(c),
                postgres(c) => Unlocked { $($field),* }.load(c),
            )
        }
    };
}

statement! {
    /// The next users, and whether each has sessions of old epochs or from before the cutoff.
    FindUsers { after: i64 as BigInt } -> (BigInt, BigInt, Bool, Bool),
    [
        "SELECT u.id, u.auth_epoch + ", (CUTOFF_EPOCH), ", u.is_active, EXISTS (SELECT 1 FROM sessions s \
         WHERE s.user_id = u.id AND s.ended_at IS NULL AND s.auth_epoch < u.auth_epoch + ", (CUTOFF_EPOCH), ") \
         OR EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = u.id AND s.auth_epoch = u.auth_epoch + ", (CUTOFF_EPOCH), " AND s.created < ", (ISSUED_BEFORE),
        " AND s.ended_at IS NULL) FROM users u WHERE u.id > ", after,
        " ORDER BY u.id LIMIT ", {USERS},
    ]
}

find_unlocked! {
    /// Some of a user's sessions of old epochs or from before the cutoff.
    fn find_old(user: i64 as BigInt, epoch: i64 as BigInt) -> Old as (Binary, BigInt, BigInt, BigInt),
    [
        "SELECT id, auth_epoch, created, last_seen FROM sessions WHERE user_id = ", user, " AND ended_at IS NULL \
         AND (auth_epoch < ", epoch, " OR created < ", (ISSUED_BEFORE), ") LIMIT ", {BATCH},
    ]
}

statement! {
    /// Records in the session that it has ended, which until now only the user's epoch or the cutoff implied.
    MarkEnded {
        at: i64 as BigInt, event: Option<String> as Nullable<Text>, actor: Option<String> as Nullable<Text>,
        id: Vec<u8> as Binary,
    },
    ["UPDATE sessions SET ended_at = ", at, ", ended_reason = ", event, ", ended_by = ", actor, " WHERE id = ", id]
}

find_unlocked! {
    /// Ended sessions that may have tokens, except those whose clients have to learn that their user is
    /// inactive. The condition has to be literally that of the index.
    fn find_to_empty(from: i64 as BigInt) -> (Vec<u8>, i64) as (Binary, BigInt),
    [
        "SELECT id, ended_at FROM sessions WHERE ended_at IS NOT NULL AND NOT emptied \
         AND (ended_reason IS NULL OR ended_reason NOT IN ('deactivated', 'imported')) AND ended_at >= ", from,
        " ORDER BY ended_at LIMIT ", {BATCH},
    ]
}

find_unlocked! {
    /// Sessions that ended long ago.
    fn find_ended(before: i64 as BigInt) -> Vec<u8> as Binary,
    ["SELECT id FROM sessions WHERE ended_at < ", before, " ORDER BY ended_at LIMIT ", {BATCH}]
}

statement! {
    /// Sessions that were removed with their users long ago.
    FindRemoved { before: i64 as BigInt } -> Binary,
    ["SELECT id FROM removed_sessions WHERE removed_at < ", before, " ORDER BY removed_at LIMIT ", {BATCH}]
}

impl DieselStore {
    /// Deletes the tokens that ended sessions still have, and returns their number. This needs no clock,
    /// because such tokens are refused as unknown already. Calls `go_on` before every small
    /// transaction.
    ///
    /// # Errors
    /// When the database fails. What was deleted stays deleted.
    pub fn empty_ended_sessions(&self, go_on: &dyn Fn() -> bool) -> StoreResult<usize> {
        let mut emptying = Emptying::new(Emptied::Keep);
        let (mut from, mut tokens) = (i64::MIN, 0);
        self.repeat(go_on, |any| {
            let found = find_to_empty(any, from)?;
            // Sessions before it are empty or locked.
            from = found.first().map_or(from, |(_, ended)| *ended);
            let done = emptying.batch(any, found.into_iter().map(|(id, _)| id).collect())?;
            tokens += done.tokens;
            Ok(done.rows())
        })?;
        Ok(tokens)
    }

    /// Deletes sessions that ended before a moment, each after its tokens and traces.
    pub(super) fn remove_ended_sessions(&self, before: i64, go_on: &dyn Fn() -> bool) -> StoreResult<Done> {
        let mut emptying = Emptying::new(Emptied::Remove);
        let mut total = Done::default();
        self.repeat(go_on, |any| {
            let found = find_ended(any, before)?;
            let done = emptying.batch(any, found)?;
            total.add(done);
            Ok(done.rows())
        })?;
        Ok(total)
    }

    /// Deletes what is left of sessions that were removed with their users before a moment, and the traces of tokens
    /// that gave way before it. Returns the number of traces.
    pub(super) fn forget_traces(&self, before: i64, go_on: &dyn Fn() -> bool) -> StoreResult<usize> {
        let mut emptying = Emptying::new(Emptied::Forget);
        let mut forgotten = 0;
        self.repeat(go_on, |any| {
            let found = FindRemoved { before }.load(any)?;
            let done = emptying.batch(any, found)?;
            forgotten += done.traces;
            Ok(done.rows())
        })?;
        let evicted = self.repeat(go_on, |any| traces::forget_evicted(any, before))?;
        Ok(forgotten + evicted)
    }
}

/// A user whose old sessions are swept.
#[derive(Clone, Copy)]
struct Owner {
    id: i64,
    epoch: i64,
    is_active: bool,
}

impl DieselStore {
    /// Marks sessions of old epochs, and those from before the cutoff, as ended. Their tokens are then deleted like those of other ended
    /// sessions.
    pub(super) fn mark_old_epochs(&self, go_on: &dyn Fn() -> bool) -> StoreResult<()> {
        let mut after = i64::MIN;
        while go_on() {
            let users: Vec<(i64, i64, bool, bool)> = self.read(|any| FindUsers { after }.load(any))?;
            let Some((last, ..)) = users.last() else { break };
            after = *last;
            for (id, epoch, is_active, _) in users.into_iter().filter(|(.., has_old)| *has_old) {
                let owner = Owner { id, epoch, is_active };
                self.repeat(go_on, |any| mark_some(any, owner))?;
            }
        }
        Ok(())
    }
}

/// Marks one batch of a user's sessions, and returns their number.
fn mark_some(any: &mut AnyConnection, owner: Owner) -> QueryResult<usize> {
    let Owner { id: user, epoch, .. } = owner;
    let old = find_old(any, user, epoch)?;
    if old.is_empty() {
        return Ok(0);
    }
    let opened: Vec<_> = old.iter().map(|session| owner.opened(session)).collect();
    let ends = cutoff::ends(any, &opened)?;
    let marked = old.len();
    for ((id, epoch, ..), ended) in old.into_iter().zip(ends) {
        let Some(Ended { at, event, actor }) = ended else { continue };
        // If the user was deactivated with SQL, without an audit event, the clients learn it.
        let is_shut_out = event.is_none() && !owner.is_active && epoch + 1 == owner.epoch;
        let event = if is_shut_out { Some(Event::Deactivated.as_str().to_owned()) } else { event };
        MarkEnded { at, event, actor, id }.execute(any)?;
    }
    Ok(marked)
}

impl Owner {
    const fn opened(self, (_, epoch, created, last_seen): &Old) -> Opened {
        Opened { user: self.id, user_epoch: self.epoch, epoch: *epoch, created: *created, last_seen: *last_seen }
    }
}
