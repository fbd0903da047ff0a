//! Deleting what has expired or ended, outside of requests.

use std::sync::Arc;
use std::time::Duration;

use super::periodic::PeriodicTask;
use crate::domain::time::{Clock, Evenness};
use crate::store::diesel::{CLOCK_TOLERANCE, DieselStore};
use crate::store::{ClockTrust, StoreResult, SweepPolicy, SweepReport};

#[cfg(test)]
mod tests;

/// A clock that has run evenly for this long is trusted, whatever it shows.
const PROVED_AFTER: Duration = Duration::from_secs(60 * 60);

/// Sweeps a store, and watches whether the clock can be trusted.
struct Sweeper {
    store: Arc<DieselStore>,
    clock: Arc<dyn Clock>,
    evenness: Evenness,
    policy: SweepPolicy,
}

/// Sweeps at intervals, until the returned value is dropped. That also ends a running sweep.
pub(super) fn start(
    store: Arc<DieselStore>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    policy: SweepPolicy,
) -> std::io::Result<PeriodicTask> {
    let mut sweeper = Sweeper::new(store, clock, policy);
    PeriodicTask::start("sweeper", interval, move |go_on| match sweeper.sweep(go_on) {
        Ok(None) => log::warn!("nothing is swept until the clocks agree"),
        Ok(Some(report)) => log::info!(
            expired_tokens = report.expired_tokens, dead_tokens = report.dead_tokens,
            sessions = report.sessions, log_rows = report.log_rows, login_networks = report.login_networks,
            audit_events = report.audit_events, audit_addresses = report.audit_addresses,
            traces = report.traces;
            "swept"
        ),
        Err(error) => log::warn!("the sweep did not finish: {error}"),
    })
}

/// How often the tokens of ended sessions are deleted: more often than other rows, so that millions of them are gone
/// within minutes. If there are none, only the end of an index is read.
const EMPTYING_INTERVAL: Duration = Duration::from_secs(60);

/// Empties ended sessions at intervals, until the returned value is dropped. This needs no clock.
pub(super) fn start_emptying(store: Arc<DieselStore>, interval: Duration) -> std::io::Result<PeriodicTask> {
    PeriodicTask::start("emptier", interval.min(EMPTYING_INTERVAL), move |go_on| {
        match store.empty_ended_sessions(go_on) {
            Ok(0) => {}
            Ok(tokens) => log::info!(dead_tokens = tokens; "emptied ended sessions"),
            Err(error) => log::warn!("ended sessions were not emptied: {error}"),
        }
    })
}

impl Sweeper {
    fn new(store: Arc<DieselStore>, clock: Arc<dyn Clock>, policy: SweepPolicy) -> Self {
        let evenness = Evenness::begin(&*clock);
        Self { store, clock, evenness, policy }
    }

    /// Sweeps once. `None` if this machine's clock does not agree with the database's: with a wrong clock,
    /// tokens would be deleted that other nodes still accept.
    fn sweep(&mut self, go_on: &dyn Fn() -> bool) -> StoreResult<Option<SweepReport>> {
        let even = self.evenness.observe(&*self.clock);
        if !clocks_agree(&self.store, &*self.clock)? {
            return Ok(None);
        }
        self.sweep_after(even, go_on).map(Some)
    }

    /// Sweeps with a clock that has run evenly for the time `even`.
    fn sweep_after(&self, even: Duration, go_on: &dyn Fn() -> bool) -> StoreResult<SweepReport> {
        let trust = if even >= PROVED_AFTER { ClockTrust::Proved } else { ClockTrust::Unproved };
        let moment = self.store.begin_sweep(self.clock.now(), trust)?;
        match moment.until {
            Some(until) if moment.is_held => log::warn!(
                until = until.to_string().as_str();
                "the clock differs from the last sweep by more than a day: what ended after that sweep is kept until \
                 the clock has run evenly for an hour"
            ),
            None => log::info!("nothing is deleted by age in the first hour"),
            Some(_) => {}
        }
        self.store.sweep_until(moment.until, &self.policy, go_on)
    }
}

/// Whether this machine and the database agree on the time. Logs a disagreement.
pub(super) fn clocks_agree(store: &DieselStore, clock: &dyn Clock) -> StoreResult<bool> {
    let difference = store.clock_difference(clock.now())?;
    let apart = Duration::from_micros(difference.unsigned_abs());
    if apart <= CLOCK_TOLERANCE {
        return Ok(true);
    }
    log::warn!(seconds = difference / 1_000_000;
        "the database's clock differs from this machine's: synchronise both with the same time servers");
    Ok(false)
}
