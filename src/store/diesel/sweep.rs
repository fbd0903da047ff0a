//! Deleting what has expired or died, in small transactions, off the path of requests.
//!
//! What is swept was dead before by everybody's judgement, so nothing of it is written into
//! the revocation log. Rows that somebody else holds are left for the next time.

use std::time::Duration;

use diesel::sql_types::BigInt;
use diesel::{QueryResult, RunQueryDsl};

use super::DieselStore;
use super::any::{AnyConnection, on_each};
use super::hot::statement;
use crate::store::StoreResult;
use crate::time::Timestamp;

mod log;
#[cfg(feature = "postgres")]
mod postgres;
mod sessions;
#[cfg(feature = "sqlite")]
mod sqlite;

/// The most rows that one transaction deletes or changes.
pub(super) const BATCH: usize = 1_000;

/// How long what is dead stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepPolicy {
    /// How long after its expiry a token goes: longer than any two clocks may differ.
    pub token_grace: Duration,
    /// How long after its end a session can still be listed and explained.
    pub session_retention: Duration,
    /// How long the record of who did what is kept; `None`: for ever.
    pub audit_retention: Option<Duration>,
}

impl Default for SweepPolicy {
    /// A day, thirty days, for ever.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { token_grace: DAY, session_retention: DAY.saturating_mul(30), audit_retention: None }
    }
}

/// What one sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Tokens deleted because they had expired.
    pub expired_tokens: usize,
    /// Tokens deleted because their session was over.
    pub dead_tokens: usize,
    /// Sessions deleted because they were over for long enough.
    pub sessions: usize,
    /// Rows deleted from the revocation log.
    pub log_rows: usize,
    /// Audit events deleted.
    pub audit_events: usize,
}

impl DieselStore {
    /// Deletes what is dead for long enough at the moment `now`.
    ///
    /// # Errors
    /// When the database fails; what was deleted until then stays deleted.
    pub fn sweep(&self, now: Timestamp, policy: &SweepPolicy) -> StoreResult<SweepReport> {
        let expired_before = now.saturating_sub(policy.token_grace).as_micros();
        let ended_before = now.saturating_sub(policy.session_retention).as_micros();
        let mut report = SweepReport {
            expired_tokens: self.repeat(|any| expired_tokens(any, expired_before))?,
            ..Default::default()
        };
        report.dead_tokens = self.sweep_old_epochs()?;
        let recently = now.saturating_sub(Duration::from_secs(2 * 24 * 60 * 60)).as_micros();
        report.dead_tokens += self.repeat(|any| sessions::tokens_of_ended(any, recently))?;
        report.sessions = self.repeat(|any| sessions::delete_ended(any, ended_before))?;
        report.log_rows = self.prune_log(now)?;
        if let Some(retention) = policy.audit_retention {
            let before = now.saturating_sub(retention).as_micros();
            report.audit_events = self.repeat(|any| DeleteAudit { before }.execute(any))?;
        }
        Ok(report)
    }

    /// Runs a step, each time as a transaction of its own, until it finds nothing more.
    pub(super) fn repeat(&self, mut step: impl FnMut(&mut AnyConnection) -> QueryResult<usize>) -> StoreResult<usize> {
        let mut total = 0;
        loop {
            let done = self.admin(|connection| connection.write(&mut step))?;
            total += done;
            if done == 0 {
                return Ok(total);
            }
        }
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
    ["DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE at < ", before, " LIMIT 1000)"]
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
