//! The progress of a long command, for a person who watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the spinner moves during a step whose parts cannot be counted.
const TICK: Duration = Duration::from_millis(100);

/// A bar or a spinner on standard error, if a person watches it.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar that is full at `total`.
    pub(super) fn bar(is_watched: bool, total: u64) -> Self {
        if !is_watched {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(total);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len}, {eta} left") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// A spinner that shows how long the step has taken.
    pub(super) fn of_unknown_length(is_watched: bool, what: String) -> Self {
        if !is_watched {
            return Self(ProgressBar::hidden());
        }
        let sign = ProgressBar::new_spinner().with_message(what);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed}") {
            sign.set_style(style);
        }
        sign.enable_steady_tick(TICK);
        Self(sign)
    }

    /// Sets how much is done.
    pub(super) fn set(&self, done: u64) {
        self.0.set_position(done);
    }
}

/// Nothing stays on the screen, whatever the outcome of the command.
impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
