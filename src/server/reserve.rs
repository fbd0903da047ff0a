//! Keeping room on the disk for ending sessions.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::repeating::Repeating;
use crate::store::diesel::DieselStore;

/// How soon after there is room again logins are taken again.
const INTERVAL: Duration = Duration::from_secs(5);

/// Makes the reserve, and makes it anew whenever there is room again, until the value is dropped.
pub(super) fn follow(store: Arc<DieselStore>) -> io::Result<Repeating> {
    let mut complaint = None;
    let mut keep = move || {
        // What is wrong is said once, and again when it changes.
        let now = store.keep_reserve().err().map(|error| error.to_string());
        if complaint != now {
            if let Some(error) = &now {
                log::warn!("no room is kept on the disk for ending sessions: {error}");
            }
            complaint = now;
        }
    };
    keep();
    Repeating::start("reserve", INTERVAL, move |_| keep())
}
