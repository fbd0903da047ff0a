//! Deleting what is over, off the request path.

use std::sync::Arc;
use std::time::Duration;

use super::repeating::Repeating;
use crate::store::diesel::{DieselStore, SweepPolicy};
use crate::time::Clock;

/// Sweeps now and then, until the value is dropped.
pub(super) fn start(
    store: Arc<DieselStore>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    policy: SweepPolicy,
) -> std::io::Result<Repeating> {
    Repeating::start("sweeper", interval, move || match store.sweep(clock.now(), &policy) {
        Ok(report) => log::info!(
            expired_tokens = report.expired_tokens, dead_tokens = report.dead_tokens,
            sessions = report.sessions, log_rows = report.log_rows;
            "swept"
        ),
        Err(error) => log::warn!("the sweep did not finish: {error}"),
    })
}
