//! For how long a clock can be seen to run well.

use std::time::Duration;

use super::{Clock, Timestamp};

/// How far the wall clock and the monotonic one may drift apart before that counts as a step, besides a
/// thousandth of the time: clocks that are kept by NTP stay below it, clocks that are set do not.
const DRIFT: Duration = Duration::from_secs(1);

/// Compares how far the wall clock and the monotonic clock have come. While both have come equally
/// far, nobody has set the clock and the machine has not slept.
///
/// That says nothing about a clock that has been wrong from the beginning.
#[derive(Debug, Clone, Copy)]
pub struct Evenness {
    wall: Timestamp,
    monotonic: Duration,
}

impl Evenness {
    /// Begins to watch.
    pub fn begin(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), monotonic: clock.monotonic() }
    }

    /// For how long both clocks have run evenly, as seen now; zero after a step, which begins anew.
    pub fn observe(&mut self, clock: &dyn Clock) -> Duration {
        let now = Self::begin(clock);
        let passed = now.monotonic.saturating_sub(self.monotonic);
        let should_show = self.wall.saturating_add(passed);
        let apart = now.wall.since(should_show).max(should_show.since(now.wall));
        if apart > DRIFT + passed / 1000 {
            *self = now;
            return Duration::ZERO;
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ManualClock;

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
        // A slow drift is none.
        clock.advance(HOUR * 24);
        clock.set(clock.now().saturating_add(Duration::from_secs(10)));
        assert_eq!(evenness.observe(&clock), HOUR * 25);
    }
}
