//! Keeps the reserve on the disk for ending sessions.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::periodic::PeriodicTask;
use crate::store::diesel::DieselStore;

/// How often the disk is checked, which is also how soon logins are possible again once there is room.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Creates the reserve, and creates it again when there is room, until the returned value is dropped.
pub(super) fn follow(store: Arc<DieselStore>) -> io::Result<PeriodicTask> {
    let mut last_error = None;
    let mut keep = move || {
        // Each error is logged once, and again when it changes.
        let now = store.keep_reserve().err().map(|error| error.to_string());
        if last_error != now {
            if let Some(error) = &now {
                log::warn!("there is no reserve on the disk for ending sessions: {error}");
            }
            last_error = now;
        }
    };
    keep();
    PeriodicTask::start("reserve", CHECK_INTERVAL, move |_| keep())
}
