//! Deleting what has expired or died, in small transactions, off the path of requests.
//!
//! What is swept was dead before by everybody's judgement, so nothing of it is written into
//! the revocation log. Rows that somebody else holds are left for the next time.

use std::thread;
use std::time::{Duration, Instant};

use diesel::sql_types::BigInt;
use diesel::{QueryResult, RunQueryDsl};

use super::DieselStore;
use super::any::{AnyConnection, on_each};
use super::hot::statement;
use crate::store::{StoreResult, SweepPolicy, SweepReport};
use crate::time::Timestamp;

mod log;
mod moment;
#[cfg(feature = "postgres")]
mod postgres;
mod sessions;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use moment::LARGEST_STEP;

/// The most rows that one transaction deletes or changes, unless they are all of one session: less than
/// a millisecond's work, since a login may wait for the transaction, and a check for the processor. With 30, one check in a hundred
/// waited 0.8 instead of 0.5 ms on one core, and twice as much was swept.
pub(super) const BATCH: usize = 10;

/// After each transaction the sweeper rests for so many times what that took, so that those who come
/// meanwhile seldom meet it.
const REST: u32 = 2;

/// It rests no longer than this, and so ends soon when it is to.
const LONGEST_REST: Duration = Duration::from_millis(100);

impl DieselStore {
    /// Deletes what is dead for long enough at the moment `now`, for which the caller vouches:
    /// [`Self::begin_sweep`] says by which moment a sweeper may delete. Asks `go_on` before every small
    /// transaction, and returns with what was done so far once that says no.
    ///
    /// # Errors
    /// When the database fails: the first failure, after which the other steps were done all the
    /// same. What was deleted stays deleted.
    pub fn sweep(&self, now: Timestamp, policy: &SweepPolicy, go_on: &dyn Fn() -> bool) -> StoreResult<SweepReport> {
        self.sweep_until(Some(now), policy, go_on)
    }

    /// As [`Self::sweep`]; with `None`, only what is dead whatever the time is: the tokens of ended
    /// sessions.
    ///
    /// # Errors
    /// As there.
    pub fn sweep_until(
        &self,
        until: Option<Timestamp>,
        policy: &SweepPolicy,
        go_on: &dyn Fn() -> bool,
    ) -> StoreResult<SweepReport> {
        // Nothing of ours is as old as that.
        let now = until.unwrap_or(Timestamp::EPOCH);
        let before = |age: Duration| now.saturating_sub(age).as_micros();
        let (expired, ended) = (before(policy.token_grace), before(policy.session_retention));
        let expired_tokens = self.repeat(go_on, |any| expired_tokens(any, expired));
        let marked = self.mark_old_epochs(go_on);
        let dead_tokens = self.empty_ended_sessions(go_on);
        let removed = self.remove_ended_sessions(ended, go_on);
        let log_rows = self.prune_log(until, go_on);
        let unknown = before(policy.network_retention);
        let login_networks = self.repeat(go_on, |any| super::networks::delete_old(any, unknown));
        let audit_events = policy.audit_retention.map_or(Ok(0), |retention| {
            self.repeat(go_on, |any| DeleteAudit { before: before(retention) }.execute(any))
        });
        marked?;
        let removed = removed?;
        Ok(SweepReport {
            expired_tokens: expired_tokens?,
            dead_tokens: dead_tokens? + removed.tokens,
            sessions: removed.sessions,
            log_rows: log_rows?,
            login_networks: login_networks?,
            audit_events: audit_events?,
        })
    }

    /// Runs a step, each time as a transaction of its own, until it finds nothing more or may not
    /// go on.
    pub(super) fn repeat(
        &self,
        go_on: &dyn Fn() -> bool,
        mut step: impl FnMut(&mut AnyConnection) -> QueryResult<usize>,
    ) -> StoreResult<usize> {
        let mut total = 0;
        while go_on() {
            let begun = Instant::now();
            let done = self.admin(|connection| connection.write(&mut step))?;
            total += done;
            if done == 0 {
                break;
            }
            thread::sleep((begun.elapsed() * REST).min(LONGEST_REST));
        }
        Ok(total)
    }
}

statement! {
    /// Lets the triggers know, in this transaction alone, which tokens are dead by every clock.
    SetHorizon { at: i64 as BigInt },
    ["UPDATE sweep_state SET expired_before = ", at]
}

statement! {
    /// Takes a batch of the oldest audit events.
    DeleteAudit { before: i64 as BigInt },
    ["DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE at < ", before, " LIMIT ", {BATCH}, ")"]
}

/// A token's digest, its session, and when it expired.
type Expired = (Vec<u8>, Vec<u8>, Option<i64>);

/// One batch of expired tokens; a session that loses its last one is marked as ended then.
fn expired_tokens(any: &mut AnyConnection, before: i64) -> QueryResult<usize> {
    let found = on_each!(&mut *any, sqlite(c) => sqlite::find(c, before)?, postgres(c) => postgres::find(c, before)?);
    if found.is_empty() {
        return Ok(0);
    }
    SetHorizon { at: before }.execute(any)?;
    let deleted = found.len();
    on_each!(&mut *any,
        sqlite(c) => sqlite::delete_and_mark(c, found)?,
        postgres(c) => postgres::delete_and_mark(c, found)?,
    );
    SetHorizon { at: i64::MIN }.execute(any)?;
    Ok(deleted)
}
