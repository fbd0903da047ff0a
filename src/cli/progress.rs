//! How far a long command is, for a person who watches.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error, if a person sees that.
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

    /// So many are done.
    pub(super) fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
