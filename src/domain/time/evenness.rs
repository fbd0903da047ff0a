//! For how long a clock has been seen to run without a step.

use std::time::Duration;

use super::{Clock, Timestamp};

/// A greater difference between the two clocks is a step. A thousandth of the elapsed time is allowed in
/// addition. Clocks that NTP adjusts stay below this; clocks that are set do not.
const MAX_DRIFT: Duration = Duration::from_secs(1);

/// Compares the time that has passed on the wall clock and on the monotonic clock. While both agree,
/// the clock was not set and the machine has not slept.
///
/// This cannot detect a clock that has been wrong from the beginning.
#[derive(Debug, Clone, Copy)]
pub struct Evenness {
    wall: Timestamp,
    monotonic: Duration,
}

impl Evenness {
    /// Starts watching.
    pub fn begin(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }

    /// For how long both clocks have run evenly; a step resets this to zero.
    pub fn observe(&mut self, clock: &dyn Clock) -> Duration {
        let now = Self::begin(clock);
        let passed = now.monotonic.saturating_sub(self.monotonic);
        let should_show = self.wall.saturating_add(passed);
        let apart = now.wall.since(should_show).max(should_show.since(now.wall));
        if apart > MAX_DRIFT + passed / 1000 {
            *self = now;
            return Duration::ZERO;
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::ManualClock;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_step_in_either_direction_and_a_sleep_begin_anew() {
        let clock = ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000));
        let mut evenness = Evenness::begin(&clock);
        clock.advance(HOUR);
        assert_eq!(evenness.observe(&clock), HOUR);
        for step in [Duration::from_secs(20), HOUR] {
            for to in [clock.now().saturating_add(step), clock.now().saturating_sub(step)] {
                clock.set(to);
                assert_eq!(evenness.observe(&clock), Duration::ZERO, "{to}");
                clock.advance(HOUR);
                assert_eq!(evenness.observe(&clock), HOUR);
            }
        }
        // A slow drift is not a step.
        clock.advance(HOUR * 24);
        clock.set(clock.now().saturating_add(Duration::from_secs(10)));
        assert_eq!(evenness.observe(&clock), HOUR * 25);
    }
}
