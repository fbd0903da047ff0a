//! A clock that does not take back what it has shown for a minute.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Clock, Timestamp};

#[cfg(test)]
mod tests;

/// In microseconds: a wall clock that has run ahead for this long is believed.
const BELIEVED_AFTER_MICROS: i64 = 60_000_000;

/// In microseconds: smaller differences come from reading two clocks one after the other, or from a slow
/// drift, and are followed at once.
const TOLERANCE_MICROS: i64 = 10_000;

/// In microseconds: smaller steps are not logged.
const LOGGED_STEP_MICROS: i64 = 1_000_000;

/// A wall clock that does not run back. Tokens and sessions are judged by this clock.
///
/// What was refused as expired must not become good again because the clock is set back. But if a
/// clock runs ahead for a moment (a time server gave a wrong answer) and is corrected, that must not end
/// all sessions until a restart. So:
///
/// * It never shows less than the wall clock.
/// * It believes the difference between the wall clock and the monotonic clock that it started with,
///   or that lasted for a minute (two, if the wall clock jumped more than once), and never shows less
///   than the monotonic clock plus that difference. So it goes on evenly when the wall clock is set back.
/// * While the wall clock stays behind, it gains only half of the time that passes, until both
///   agree again: a clock that was an hour ahead is right after two.
///
/// The price: what is refused while the wall clock runs ahead for less than that minute is good again afterwards. The
/// clock remembers nothing from before the start of the process.
///
/// A reading also reads the monotonic clock, which adds two atomic loads. It takes a lock only while the clocks
/// disagree.
pub struct SteadyClock {
    clock: Arc<dyn Clock>,
    /// The believed difference: wall clock minus monotonic clock, in microseconds.
    believed: AtomicI64,
    /// Whether `disagreement` is not `None`.
    is_disturbed: AtomicBool,
    disagreement: Mutex<Disagreement>,
}

/// How the wall clock deviates from the believed difference.
#[derive(Debug, Default)]
enum Disagreement {
    #[default]
    None,
    /// Since this monotonic time, the difference has been at least `least`.
    Ahead { since: i64, least: i64 },
    /// Since this monotonic time it has been behind; half of the time up to `paid` has been made up for.
    Behind { since: i64, paid: i64, is_logged: bool },
}

/// One reading of both clocks, in microseconds.
#[derive(Clone, Copy)]
struct Reading {
    wall: i64,
    monotonic: i64,
}

impl Reading {
    /// The wall clock comes first: a thread that is delayed between the two sees a difference that
    /// is too small, which does no harm.
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
    /// Starts with what `clock` shows.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let believed = AtomicI64::new(Reading::take(&*clock).difference());
        Self { clock, believed, is_disturbed: AtomicBool::new(false), disagreement: Mutex::default() }
    }

    /// A reading while the clocks disagree, or may. The lock makes each reading start from the
    /// result of the one before.
    fn read_locked(&self) -> Timestamp {
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
    /// The believed difference after this reading, and how the wall clock deviates from it.
    fn after(&self, reading: Reading, believed: i64) -> (i64, Self) {
        let Reading { monotonic, .. } = reading;
        let seen = reading.difference();
        if seen > believed.saturating_add(TOLERANCE_MICROS) {
            let (since, least) = match *self {
                Self::Ahead { since, least } => (since, least.min(seen)),
                Self::None | Self::Behind { .. } => (monotonic, seen),
            };
            if monotonic.saturating_sub(since) < BELIEVED_AFTER_MICROS {
                return (believed, Self::Ahead { since, least });
            }
            log_step("the clock was set forward", least.saturating_sub(believed));
            // If the wall clock is even further ahead, the rest has to last for a minute too.
            let more = seen > least.saturating_add(TOLERANCE_MICROS);
            let next = if more { Self::Ahead { since: monotonic, least: seen } } else { Self::None };
            return (least, next);
        }
        if seen < believed.saturating_sub(TOLERANCE_MICROS) {
            let (since, paid, is_logged) = match *self {
                Self::Behind { since, paid, is_logged } => (since, paid, is_logged),
                Self::None | Self::Ahead { .. } => (monotonic, monotonic, false),
            };
            // Half of the time since the last reading. The remainder of the division counts at the next one.
            let half = monotonic.saturating_sub(paid).max(0) / 2;
            // Not at once: a thread that is delayed between two readings sees the same.
            let logs_now = !is_logged && monotonic.saturating_sub(since) >= LOGGED_STEP_MICROS;
            if logs_now {
                log_step(
                    "the clock was set back; until it has caught up, time passes at half its speed here",
                    believed - seen,
                );
            }
            let next = Self::Behind { since, paid: paid.saturating_add(2 * half), is_logged: is_logged || logs_now };
            return (seen.max(believed.saturating_sub(half)), next);
        }
        (believed.max(seen), Self::None)
    }
}

fn log_step(what: &str, by: i64) {
    if by >= LOGGED_STEP_MICROS {
        log::warn!(seconds = by / 1_000_000; "{what}");
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let believed = self.believed.load(Ordering::Acquire);
        let is_disturbed = self.is_disturbed.load(Ordering::Acquire);
        let reading = Reading::take(&*self.clock);
        let seen = reading.difference();
        if is_disturbed || seen.abs_diff(believed) > TOLERANCE_MICROS.unsigned_abs() {
            return self.read_locked();
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
