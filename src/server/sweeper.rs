//! Deleting what is over, off the request path.

use std::sync::Arc;
use std::time::Duration;

use super::repeating::Repeating;
use crate::store::diesel::{CLOCK_TOLERANCE, DieselStore};
use crate::store::{ClockTrust, StoreResult, SweepPolicy, SweepReport};
use crate::time::{Clock, Evenness};

#[cfg(test)]
mod tests;

/// A clock that has run evenly for this long is believed, whatever it shows.
const PROVED_AFTER: Duration = Duration::from_secs(60 * 60);

/// Who sweeps: a store, a clock, and what has been seen of that clock.
struct Sweeper {
    store: Arc<DieselStore>,
    clock: Arc<dyn Clock>,
    evenness: Evenness,
    policy: SweepPolicy,
}

/// Sweeps now and then, until the value is dropped, which a sweep under way heeds.
pub(super) fn start(
    store: Arc<DieselStore>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    policy: SweepPolicy,
) -> std::io::Result<Repeating> {
    let mut sweeper = Sweeper::new(store, clock, policy);
    Repeating::start("sweeper", interval, move |go_on| match sweeper.sweep(go_on) {
        Ok(None) => log::warn!("nothing is swept until the clocks agree"),
        Ok(Some(report)) => log::info!(
            expired_tokens = report.expired_tokens, dead_tokens = report.dead_tokens,
            sessions = report.sessions, log_rows = report.log_rows, login_networks = report.login_networks;
            "swept"
        ),
        Err(error) => log::warn!("the sweep did not finish: {error}"),
    })
}

/// How often ended sessions are looked for that still have tokens: more often than the rest is
/// swept, so that millions of them are gone within minutes. A look that finds none reads nothing but
/// the end of an index.
const EMPTYING: Duration = Duration::from_secs(60);

/// Empties ended sessions now and then, until the value is dropped. That asks no clock.
pub(super) fn start_emptying(store: Arc<DieselStore>, interval: Duration) -> std::io::Result<Repeating> {
    Repeating::start("emptier", interval.min(EMPTYING), move |go_on| match store.empty_ended_sessions(go_on) {
        Ok(0) => {}
        Ok(tokens) => log::info!(dead_tokens = tokens; "emptied ended sessions"),
        Err(error) => log::warn!("ended sessions were not emptied: {error}"),
    })
}

impl Sweeper {
    fn new(store: Arc<DieselStore>, clock: Arc<dyn Clock>, policy: SweepPolicy) -> Self {
        let evenness = Evenness::begin(&*clock);
        Self { store, clock, evenness, policy }
    }

    /// Sweeps once. `None` if this machine's clock does not agree with the database's: by a wrong one,
    /// what other nodes still take for good would be deleted.
    fn sweep(&mut self, go_on: &dyn Fn() -> bool) -> StoreResult<Option<SweepReport>> {
        let even = self.evenness.observe(&*self.clock);
        if !clocks_agree(&self.store, &*self.clock)? {
            return Ok(None);
        }
        self.sweep_after(even, go_on).map(Some)
    }

    /// Sweeps by a clock that has run evenly for so long.
    fn sweep_after(&self, even: Duration, go_on: &dyn Fn() -> bool) -> StoreResult<SweepReport> {
        let trust = if even >= PROVED_AFTER { ClockTrust::Proved } else { ClockTrust::Unproved };
        let moment = self.store.begin_sweep(self.clock.now(), trust)?;
        match moment.until {
            Some(until) if moment.is_held => log::warn!(
                until = until.to_string().as_str();
                "the clock is more than a day from the last sweep: what was over later than then stays until it has \
                 run evenly for an hour"
            ),
            None => log::info!("nothing is deleted for its age in the first hour"),
            Some(_) => {}
        }
        self.store.sweep_until(moment.until, &self.policy, go_on)
    }
}

/// Whether this machine and the database agree on the time; if not, the log says so.
pub(super) fn clocks_agree(store: &DieselStore, clock: &dyn Clock) -> StoreResult<bool> {
    let difference = store.clock_difference(clock.now())?;
    let apart = Duration::from_micros(difference.unsigned_abs());
    if apart <= CLOCK_TOLERANCE {
        return Ok(true);
    }
    log::warn!(seconds = difference / 1_000_000;
        "the database's clock differs from this machine's: let both ask the same time servers");
    Ok(false)
}
