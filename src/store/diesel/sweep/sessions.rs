//! Sweeping what ended sessions left behind, and in the end the sessions.

use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl};

use super::super::DieselStore;
use super::super::admin::{EpochEvents, find_epoch_events};
use super::super::any::{AnyConnection, on_each};
use super::super::hot::statement;
use super::BATCH;
use crate::store::StoreResult;

statement! {
    /// The next so many users, and whether sessions of old epochs are left of each.
    FindUsers { after: i64 as BigInt } -> (BigInt, BigInt, Bool, Bool),
    [
        "SELECT u.id, u.auth_epoch, u.is_active, EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = u.id \
         AND s.ended_at IS NULL AND s.auth_epoch < u.auth_epoch) FROM users u WHERE u.id > ", after,
        " ORDER BY u.id LIMIT 1000",
    ]
}

#[cfg(feature = "sqlite")]
statement! {
    /// Some of a user's sessions of old epochs.
    FindOld { user: i64 as BigInt, epoch: i64 as BigInt } -> (Binary, BigInt, BigInt),
    [
        "SELECT id, auth_epoch, last_seen FROM sessions WHERE user_id = ", user, " AND ended_at IS NULL \
         AND auth_epoch < ", epoch, " LIMIT ", {BATCH},
    ]
}

#[cfg(feature = "postgres")]
statement! {
    /// Some of a user's sessions of old epochs that nobody is using.
    FindOldUnlocked { user: i64 as BigInt, epoch: i64 as BigInt } -> (Binary, BigInt, BigInt),
    [
        "SELECT id, auth_epoch, last_seen FROM sessions WHERE user_id = ", user, " AND ended_at IS NULL \
         AND auth_epoch < ", epoch, " LIMIT ", {BATCH}, " FOR UPDATE SKIP LOCKED",
    ]
}

statement! {
    /// Takes some tokens of a session.
    DeleteSomeTokens { session: Vec<u8> as Binary, limit: i64 as BigInt },
    [
        "DELETE FROM tokens WHERE digest IN (SELECT digest FROM tokens WHERE session_id = ", session, " LIMIT ",
        limit, ")",
    ]
}

statement! {
    /// Writes into the session itself what until now only its user's epoch said.
    MarkEnded {
        at: i64 as BigInt, reason: Option<String> as Nullable<Text>, actor: Option<String> as Nullable<Text>,
        id: Vec<u8> as Binary,
    },
    ["UPDATE sessions SET ended_at = ", at, ", ended_reason = ", reason, ", ended_by = ", actor, " WHERE id = ", id]
}

#[cfg(feature = "sqlite")]
statement! {
    /// Takes tokens that an ended session still has; those of inactive users stay, so that
    /// their holders are told why.
    DeleteTokensOfEnded { from: i64 as BigInt },
    [
        "DELETE FROM tokens WHERE digest IN (SELECT t.digest FROM sessions s JOIN users u ON u.id = s.user_id \
         JOIN tokens t ON t.session_id = s.id WHERE s.ended_at >= ", from, " AND u.is_active LIMIT 1000)",
    ]
}

#[cfg(feature = "postgres")]
statement! {
    /// The same, of sessions that nobody is using.
    DeleteTokensOfEndedUnlocked { from: i64 as BigInt },
    [
        "DELETE FROM tokens WHERE digest IN (SELECT t.digest FROM sessions s JOIN users u ON u.id = s.user_id \
         JOIN tokens t ON t.session_id = s.id WHERE s.ended_at >= ", from,
        " AND u.is_active LIMIT 1000 FOR UPDATE OF s, t SKIP LOCKED)",
    ]
}

#[cfg(feature = "sqlite")]
statement! {
    /// Takes sessions that ended long ago, with what tokens they have.
    DeleteEnded { before: i64 as BigInt },
    [
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ended_at < ", before,
        " ORDER BY ended_at LIMIT ", {BATCH}, ")",
    ]
}

#[cfg(feature = "postgres")]
statement! {
    /// The same, of sessions that nobody is using.
    DeleteEndedUnlocked { before: i64 as BigInt },
    [
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ended_at < ", before,
        " ORDER BY ended_at LIMIT ", {BATCH}, " FOR UPDATE SKIP LOCKED)",
    ]
}

/// See [`DeleteTokensOfEnded`]; older ones go with their sessions.
pub(super) fn tokens_of_ended(any: &mut AnyConnection, from: i64) -> QueryResult<usize> {
    on_each!(any,
        sqlite(c) => DeleteTokensOfEnded { from }.execute(c),
        postgres(c) => DeleteTokensOfEndedUnlocked { from }.execute(c),
    )
}

/// See [`DeleteEnded`].
pub(super) fn delete_ended(any: &mut AnyConnection, before: i64) -> QueryResult<usize> {
    on_each!(any,
        sqlite(c) => DeleteEnded { before }.execute(c),
        postgres(c) => DeleteEndedUnlocked { before }.execute(c),
    )
}

/// A user whose old sessions are swept.
#[derive(Clone, Copy)]
struct Owner {
    id: i64,
    epoch: i64,
    is_active: bool,
}

impl DieselStore {
    /// Takes the tokens of sessions that ended with all of their user's, and marks the sessions
    /// as ended. Returns the number of tokens.
    pub(super) fn sweep_old_epochs(&self, go_on: &dyn Fn() -> bool) -> StoreResult<usize> {
        let mut after = i64::MIN;
        let mut total = 0;
        while go_on() {
            let users: Vec<(i64, i64, bool, bool)> =
                self.admin(|connection| connection.read(|any| FindUsers { after }.load(any)))?;
            let Some((last, ..)) = users.last() else { break };
            after = *last;
            for (id, epoch, is_active, _) in users.into_iter().filter(|(.., has_old)| *has_old) {
                let owner = Owner { id, epoch, is_active };
                self.repeat(go_on, |any| {
                    let (tokens, sessions) = sweep_owner(any, owner)?;
                    total += tokens;
                    Ok(tokens + sessions)
                })?;
            }
        }
        Ok(total)
    }
}

type Old = (Vec<u8>, i64, i64);

/// One batch of one user's; returns how many tokens were deleted and sessions marked.
fn sweep_owner(any: &mut AnyConnection, owner: Owner) -> QueryResult<(usize, usize)> {
    let Owner { id: user, epoch, is_active } = owner;
    let old: Vec<Old> = on_each!(&mut *any,
        sqlite(c) => FindOld { user, epoch }.load(c)?,
        postgres(c) => FindOldUnlocked { user, epoch }.load(c)?,
    );
    let epochs = old.iter().map(|(_, epoch, _)| epoch + 1).collect();
    let users = if old.is_empty() { Vec::new() } else { vec![user] };
    let events = find_epoch_events(any, users, epochs)?;
    let (mut tokens, mut sessions) = (0, 0);
    for session in old {
        let room = BATCH.saturating_sub(tokens + sessions + 1);
        if room == 0 {
            break;
        }
        let limit = i64::try_from(room).unwrap_or(i64::MAX);
        // Whoever holds a token of an inactive user is told so, for as long as the session is kept.
        let deleted = if is_active { DeleteSomeTokens { session: session.0.clone(), limit }.execute(any)? } else { 0 };
        tokens += deleted;
        if deleted < room {
            mark_ended(any, user, session, &events)?;
            sessions += 1;
        }
    }
    Ok((tokens, sessions))
}

fn mark_ended(any: &mut AnyConnection, user: i64, session: Old, events: &EpochEvents) -> QueryResult<()> {
    let (id, epoch, last_seen) = session;
    let (at, reason, actor) = match events.get(&(user, epoch + 1)) {
        Some((at, event, actor)) => (*at, Some(event.clone()), Some(actor.clone())),
        // Somebody raised the epoch by hand: it was over after its last use at any rate.
        None => (last_seen, None, None),
    };
    MarkEnded { at, reason, actor, id }.execute(any).map(drop)
}
