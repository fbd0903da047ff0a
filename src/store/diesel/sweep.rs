//! Deleting what has expired or ended, in small transactions, outside of requests.
//!
//! Every node already refuses the tokens that are swept, so nothing is written to the revocation log.
//! Rows that other transactions have locked are left for the next sweep.

use std::thread;
use std::time::{Duration, Instant};

use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::{QueryResult, Queryable, RunQueryDsl};

use super::DieselStore;
use super::any::{AnyConnection, on_each};
use super::hot::statement;
use super::traces;
use crate::domain::time::Timestamp;
use crate::store::{StoreResult, SweepPolicy, SweepReport};

mod log;
mod moment;
#[cfg(feature = "postgres")]
mod postgres;
mod sessions;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use moment::LARGEST_STEP;

/// The most rows that one transaction deletes or changes, unless they all belong to one session: less than
/// a millisecond of work, because logins wait for the transaction, and checks for the processor. With 30,
/// one check in a hundred took 0.8 instead of 0.5 ms on one core, and twice as much was swept.
pub(super) const BATCH: usize = 10;

/// After each transaction the sweeper pauses for the transaction's duration times this, so that requests
/// seldom have to wait for it.
const PAUSE_FACTOR: u32 = 2;

/// The longest pause. It delays the end of a stopping server.
const MAX_PAUSE: Duration = Duration::from_millis(100);

impl DieselStore {
    /// Deletes what expired or ended long enough before `now`. The caller is responsible for that moment:
    /// [`Self::begin_sweep`] returns one that is safe. Calls `go_on` before every small transaction, and
    /// returns early once it returns `false`.
    ///
    /// # Errors
    /// When the database fails. The other kinds of rows are swept all the same, and the first error is
    /// returned. What was deleted stays deleted.
    pub fn sweep(&self, now: Timestamp, policy: &SweepPolicy, go_on: &dyn Fn() -> bool) -> StoreResult<SweepReport> {
        self.sweep_until(Some(now), policy, go_on)
    }

    /// As [`Self::sweep`]. With `None` it deletes only what needs no clock: the tokens of ended
    /// sessions.
    ///
    /// # Errors
    /// As [`Self::sweep`].
    pub fn sweep_until(
        &self,
        until: Option<Timestamp>,
        policy: &SweepPolicy,
        go_on: &dyn Fn() -> bool,
    ) -> StoreResult<SweepReport> {
        // No row is that old.
        let now = until.unwrap_or(Timestamp::EPOCH);
        let before = |age: Duration| now.saturating_sub(age).as_micros();
        let (expired, ended) = (before(policy.token_grace), before(policy.session_retention));
        let expired_tokens = self.repeat(go_on, |any| expired_tokens(any, expired));
        let marked = self.mark_old_epochs(go_on);
        let dead_tokens = self.empty_ended_sessions(go_on);
        let removed = self.remove_ended_sessions(ended, go_on);
        let forgotten = self.forget_traces(ended, go_on);
        let log_rows = self.prune_log(until, go_on);
        let unknown = before(policy.network_retention);
        let login_networks = self.repeat(go_on, |any| super::networks::delete_old(any, unknown));
        let audit = self.sweep_audit(now, policy, go_on);
        marked?;
        let (removed, (audit_events, audit_addresses)) = (removed?, audit?);
        Ok(SweepReport {
            expired_tokens: expired_tokens?,
            dead_tokens: dead_tokens? + removed.tokens,
            sessions: removed.sessions,
            log_rows: log_rows?,
            login_networks: login_networks?,
            audit_events,
            audit_addresses,
            traces: removed.traces + forgotten?,
        })
    }

    /// Runs `step` in one transaction after the other, until it finds nothing more or `go_on`
    /// returns `false`.
    pub(super) fn repeat(
        &self,
        go_on: &dyn Fn() -> bool,
        mut step: impl FnMut(&mut AnyConnection) -> QueryResult<usize>,
    ) -> StoreResult<usize> {
        let mut total = 0;
        while go_on() {
            let begun = Instant::now();
            let done = self.write(&mut step)?;
            total += done;
            if done == 0 {
                break;
            }
            thread::sleep((begun.elapsed() * PAUSE_FACTOR).min(MAX_PAUSE));
        }
        Ok(total)
    }
}

statement! {
    /// Tells the triggers, for this transaction only, which tokens have expired by every clock.
    SetHorizon { at: i64 as BigInt },
    ["UPDATE sweep_state SET expired_before = ", at]
}

/// An expired token.
#[derive(Queryable)]
struct Expired {
    digest: Vec<u8>,
    session: Vec<u8>,
    expires: Option<i64>,
    kind: String,
    consumed: Option<i64>,
    /// The key of a JWT.
    key: Option<i64>,
}

type ExpiredColumns = (Binary, Binary, Nullable<BigInt>, Text, Nullable<BigInt>, Nullable<BigInt>);

/// A session that is over, and since when.
type Over = (Vec<u8>, i64);

/// Deletes one batch of expired tokens. A session that loses its last token is marked as ended.
fn expired_tokens(any: &mut AnyConnection, before: i64) -> QueryResult<usize> {
    let found = on_each!(&mut *any, sqlite(c) => sqlite::find(c, before)?, postgres(c) => postgres::find(c, before)?);
    if found.is_empty() {
        return Ok(0);
    }
    SetHorizon { at: before }.execute(any)?;
    let deleted = found.len();
    let over = on_each!(&mut *any,
        sqlite(c) => sqlite::delete_and_mark(c, &found)?,
        postgres(c) => postgres::delete_and_mark(c, &found)?,
    );
    SetHorizon { at: i64::MIN }.execute(any)?;
    trace(any, found, &over)?;
    Ok(deleted)
}

/// Keeps a trace of the tokens of sessions that are over. If a session goes on, its holder has newer tokens, and there
/// may be any number of old ones. A JWT says itself when it expired, but not that its session had ended before.
fn trace(any: &mut AnyConnection, found: Vec<Expired>, over: &[Over]) -> QueryResult<()> {
    for Expired { digest, session, expires, kind, consumed, key } in found {
        let Some((_, since)) = over.iter().find(|(id, _)| *id == session) else { continue };
        if key.is_none() || expires.is_some_and(|at| at > *since) {
            traces::keep_one(any, digest, session, (&kind, expires, consumed))?;
        }
    }
    Ok(())
}
