//! A clock that does not take back what it has shown for a minute.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Clock, Timestamp};

#[cfg(test)]
mod tests;

/// A wall clock that runs ahead counts for good once it has done so for this long.
const BELIEVED_AFTER: i64 = 60_000_000;

/// In microseconds: smaller differences are noise of reading two clocks, or a slow drift, and are
/// followed at once.
const SLIGHT: i64 = 10_000;

/// In microseconds: a step of less is not worth a line in the log.
const WORTH_TELLING: i64 = 1_000_000;

/// The wall clock, held to what it has said: by this one, tokens and sessions are judged.
///
/// What was refused as expired must not become good again because somebody sets the clock back. But a
/// clock that runs ahead for a moment (a wrong answer of a time server) and is put right must not end
/// everybody's sessions until a restart. So:
///
/// * It never shows less than the wall clock.
/// * It believes in a difference between the wall clock and the monotonic clock that it started with,
///   or that held for a minute (two, where the wall clock jumped more than once), and never shows less
///   than the monotonic clock and that difference say. So it goes on evenly when the wall clock is set back.
/// * While the wall clock stays behind, it gains only half of the time that passes, until both
///   agree again: a clock that was an hour ahead is right after two.
///
/// Given up: what is refused while the wall clock runs ahead for less than that minute is good again
/// afterwards. The clock begins anew with the process.
///
/// A reading costs a reading of the monotonic clock and two loads. It takes a lock only while the
/// clocks disagree.
pub struct SteadyClock {
    clock: Arc<dyn Clock>,
    /// The difference that is believed: wall clock less monotonic clock, in microseconds.
    believed: AtomicI64,
    /// Whether `disagreement` holds anything.
    is_disturbed: AtomicBool,
    disagreement: Mutex<Disagreement>,
}

/// How the wall clock differs from what is believed.
#[derive(Debug, Default)]
enum Disagreement {
    #[default]
    None,
    /// Since this monotonic time, it was ahead by at least the difference `least`.
    Ahead { since: i64, least: i64 },
    /// Since this monotonic time it was behind, and up to `paid` the half of that time is made up for.
    Behind { since: i64, paid: i64, is_told: bool },
}

/// One look at both clocks, in microseconds.
#[derive(Clone, Copy)]
struct Reading {
    wall: i64,
    monotonic: i64,
}

impl Reading {
    /// The wall clock comes first: a thread that is held up between the two sees a difference that
    /// is too small, which raises nothing.
    fn take(clock: &dyn Clock) -> Self {
        let wall = clock.now().as_micros();
        Self { wall, monotonic: i64::try_from(clock.monotonic().as_micros()).unwrap_or(i64::MAX) }
    }

    const fn difference(self) -> i64 {
        self.wall.saturating_sub(self.monotonic)
    }

    fn shown(self, believed: i64) -> Timestamp {
        Timestamp::from_micros(self.wall.max(self.monotonic.saturating_add(believed)))
    }
}

impl SteadyClock {
    /// Begins with what `clock` shows.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let believed = AtomicI64::new(Reading::take(&*clock).difference());
        Self { clock, believed, is_disturbed: AtomicBool::new(false), disagreement: Mutex::default() }
    }

    /// A reading while the clocks disagree, or may. Taken one after the other, so that each starts from
    /// what the one before has made of it.
    fn look_closer(&self) -> Timestamp {
        let mut disagreement = self.disagreement.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = Reading::take(&*self.clock);
        let (believed, next) = disagreement.after(reading, self.believed.load(Ordering::Acquire));
        self.believed.store(believed, Ordering::Release);
        self.is_disturbed.store(!matches!(next, Disagreement::None), Ordering::Release);
        *disagreement = next;
        reading.shown(believed)
    }
}

impl Disagreement {
    /// What is believed after this reading, and how the wall clock differs from that.
    fn after(&self, reading: Reading, believed: i64) -> (i64, Self) {
        let Reading { monotonic, .. } = reading;
        let seen = reading.difference();
        if seen > believed.saturating_add(SLIGHT) {
            let (since, least) = match *self {
                Self::Ahead { since, least } => (since, least.min(seen)),
                Self::None | Self::Behind { .. } => (monotonic, seen),
            };
            if monotonic.saturating_sub(since) < BELIEVED_AFTER {
                return (believed, Self::Ahead { since, least });
            }
            tell("the clock was set forward", least.saturating_sub(believed));
            // What it is ahead of that has to prove itself, too.
            let more = seen > least.saturating_add(SLIGHT);
            let next = if more { Self::Ahead { since: monotonic, least: seen } } else { Self::None };
            return (least, next);
        }
        if seen < believed.saturating_sub(SLIGHT) {
            let (since, paid, is_told) = match *self {
                Self::Behind { since, paid, is_told } => (since, paid, is_told),
                Self::None | Self::Ahead { .. } => (monotonic, monotonic, false),
            };
            // Half of the time since the last look; what is lost in halving is paid the next time.
            let half = monotonic.saturating_sub(paid).max(0) / 2;
            // Not at once: a thread that was held up while it looked saw the same.
            let tells = !is_told && monotonic.saturating_sub(since) >= WORTH_TELLING;
            if tells {
                tell(
                    "the clock was set back; until it has caught up, time passes at half its speed here",
                    believed - seen,
                );
            }
            let next = Self::Behind { since, paid: paid.saturating_add(2 * half), is_told: is_told || tells };
            return (seen.max(believed.saturating_sub(half)), next);
        }
        (believed.max(seen), Self::None)
    }
}

fn tell(what: &str, by: i64) {
    if by >= WORTH_TELLING {
        log::warn!(seconds = by / 1_000_000; "{what}");
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let believed = self.believed.load(Ordering::Acquire);
        let is_disturbed = self.is_disturbed.load(Ordering::Acquire);
        let reading = Reading::take(&*self.clock);
        let seen = reading.difference();
        if is_disturbed || seen.abs_diff(believed) > SLIGHT.unsigned_abs() {
            return self.look_closer();
        }
        if seen > believed {
            self.believed.fetch_max(seen, Ordering::AcqRel);
        }
        reading.shown(believed)
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}
