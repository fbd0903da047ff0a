//! Deleting what is over, off the request path.

use std::sync::Arc;
use std::time::Duration;

use super::repeating::Repeating;
use crate::store::StoreResult;
use crate::store::diesel::{CLOCK_TOLERANCE, DieselStore, SweepPolicy, SweepReport};
use crate::time::Clock;

/// Sweeps now and then, until the value is dropped, which a sweep under way heeds.
pub(super) fn start(
    store: Arc<DieselStore>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    policy: SweepPolicy,
) -> std::io::Result<Repeating> {
    Repeating::start("sweeper", interval, move |go_on| match sweep(&store, &*clock, &policy, go_on) {
        Ok(None) => log::warn!("nothing is swept until the clocks agree"),
        Ok(Some(report)) => log::info!(
            expired_tokens = report.expired_tokens, dead_tokens = report.dead_tokens,
            sessions = report.sessions, log_rows = report.log_rows, login_networks = report.login_networks;
            "swept"
        ),
        Err(error) => log::warn!("the sweep did not finish: {error}"),
    })
}

/// Sweeps once. `None` if this machine's clock does not agree with the database's: by a wrong one,
/// what other nodes still take for good would be deleted.
fn sweep(
    store: &DieselStore,
    clock: &dyn Clock,
    policy: &SweepPolicy,
    go_on: &dyn Fn() -> bool,
) -> StoreResult<Option<SweepReport>> {
    if !clocks_agree(store, clock)? {
        return Ok(None);
    }
    store.sweep(clock.now(), policy, go_on).map(Some)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::diesel::StoreOptions;
    use crate::time::{ManualClock, SystemClock};

    #[test]
    fn nothing_is_swept_by_a_wrong_clock() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("k.db").display());
        let store = DieselStore::open(&url, StoreOptions::default()).expect("a store");
        store.migrate().expect("the schema");
        for (ahead, sweeps) in [(0, true), (60, false)] {
            let clock = ManualClock::new(SystemClock.now().saturating_add(Duration::from_secs(ahead)));
            assert_eq!(clocks_agree(&store, &clock), Ok(sweeps));
            let swept = sweep(&store, &clock, &SweepPolicy::default(), &|| true).expect("an answer");
            assert_eq!(swept.is_some(), sweeps, "{ahead} s ahead");
        }
    }
}
