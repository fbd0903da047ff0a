//! Time as an argument: a [`Timestamp`] counts microseconds, a [`Clock`] is handed in.
//!
//! Nothing else in this crate reads the system's clock, so tests move time at will, and an expiry never depends on the
//! clock of a database. [`SteadyClock`] and [`Evenness`] deal with a system clock that is set forward or back.

mod evenness;
mod steady;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

pub use evenness::Evenness;
use jiff::fmt::StdFmtWrite;
use jiff::fmt::temporal::DateTimePrinter;
pub use steady::SteadyClock;

/// 1970-01-01T00:00:00, on the calendar.
const CALENDAR_EPOCH: jiff::civil::DateTime = jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// A moment: microseconds since 1970-01-01T00:00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(inline, description = "A time in UTC.", extend("format" = "date-time"))]
pub struct Timestamp(#[schemars(with = "String")] i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The moment `micros` microseconds after 1970-01-01T00:00:00Z.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This moment moved forward, but not beyond the end of the range.
    #[must_use]
    pub fn saturating_add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This moment moved backward, but not beyond the start of the range.
    #[must_use]
    pub fn saturating_sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down, as JWTs count.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This moment without its fraction of a second.
    #[must_use]
    pub const fn whole_seconds(self) -> Self {
        Self(self.as_seconds().saturating_mul(1_000_000))
    }

    /// ISO 8601 in UTC with exactly three decimals: `2024-01-02T03:04:05.678Z`.
    pub fn to_millis_text(self) -> String {
        jiff::Timestamp::from_microsecond(self.0).map_or_else(|_| self.to_string(), |time| format!("{time:.3}"))
    }

    /// The calendar's date and time of day in UTC. jiff's own timestamps end a day before the year
    /// 9999 does, so that every time zone can show them; Django stores its last microsecond.
    fn date_and_time(self) -> Option<jiff::civil::DateTime> {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => Some(jiff::tz::Offset::UTC.to_datetime(time)),
            Err(_) => CALENDAR_EPOCH.checked_add(jiff::SignedDuration::from_micros(self.0)).ok(),
        }
    }

    fn print(self, mut out: impl jiff::fmt::Write) -> Result<(), jiff::Error> {
        // Beyond the calendar's years -9999 to 9999: still a true, readable answer.
        let Some(time) = self.date_and_time() else { return out.write_str(&format!("{}us", self.0)) };
        let decimals = if self.0.rem_euclid(1_000_000) == 0 { 0 } else { 6 };
        DateTimePrinter::new().precision(Some(decimals)).print_datetime(&time, &mut out)?;
        out.write_char('Z')
    }

    /// Appends the text that `Display` shows, in a third of the time.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        let _ = self.print(out);
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads an RFC 3339 time such as `2024-01-02T03:04:05.678901Z`, up to the last microsecond of
    /// the year 9999.
    pub fn parse(text: &str) -> Option<Self> {
        match text.parse::<jiff::Timestamp>() {
            Ok(time) => Some(Self(time.as_microsecond())),
            Err(_) => Self::parse_last_day(text),
        }
    }

    /// Reads a time that jiff's own timestamps cannot hold: see [`Self::date_and_time`].
    fn parse_last_day(text: &str) -> Option<Self> {
        let pieces = jiff::fmt::temporal::Pieces::parse(text).ok()?;
        let local = pieces.date().to_datetime(pieces.time()?);
        let ahead = jiff::SignedDuration::from_secs(pieces.to_numeric_offset()?.seconds().into());
        let since = local.duration_since(CALENDAR_EPOCH).checked_sub(ahead)?;
        let time = Self(i64::try_from(since.as_micros()).ok()?);
        time.date_and_time().map(|_| time)
    }
}

/// ISO 8601 in UTC, microseconds only when there are any: `2024-01-02T03:04:05.678901Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(StdFmtWrite(f)).map_err(|_| fmt::Error)
    }
}

/// The text that `Display` shows.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The current time, by the wall clock, which may be set forward or back.
    fn now(&self) -> Timestamp;

    /// The time since some moment in the past, by the monotonic clock, which cannot be
    /// set. It may stand still while the machine sleeps.
    ///
    /// An implementation without a monotonic clock relies on its wall clock alone: setting that back makes expired
    /// tokens good again.
    fn monotonic(&self) -> Duration {
        self.now().since(Timestamp::EPOCH)
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> Timestamp {
        let now = std::time::SystemTime::now();
        let micros = match now.duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |m| -m),
        };
        Timestamp(micros)
    }

    fn monotonic(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
        Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
    }
}

/// A clock that stands still until it is moved: for tests and simulations.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<ManualHands>);

#[derive(Debug)]
struct ManualHands {
    wall: AtomicI64,
    /// In microseconds.
    monotonic: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(ManualHands { wall: AtomicI64::new(start.0), monotonic: AtomicU64::new(0) }))
    }

    /// Lets time pass: the wall clock and the monotonic one move forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(by));
        self.0.monotonic.fetch_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Sets the wall clock, as an administrator or the end of a machine's sleep does: the monotonic
    /// clock does not move.
    pub fn set(&self, to: Timestamp) {
        self.0.wall.store(to.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.monotonic.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_iso_times() {
        for text in [
            "2024-01-02T03:04:05.678901Z",
            "2024-01-02T03:04:05Z",
            "2024-02-29T23:59:59.000001Z",
            "1969-12-31T23:59:59.999999Z",
            "0000-01-01T00:00:00Z",
            "9999-12-30T21:59:59.999999Z",
            "9999-12-31T23:59:59.999999Z",
            "9999-12-31T00:00:00Z",
            "-000001-12-31T23:59:59Z",
        ] {
            assert_eq!(Timestamp::parse(text).expect("a time").to_string(), text);
        }
        assert_eq!(Timestamp::parse("2024-01-02T05:04:05+02:00"), Timestamp::parse("2024-01-02T03:04:05Z"));
        assert_eq!(
            Timestamp::parse("9999-12-31T23:59:59.999999+02:00").expect("a time").to_string(),
            "9999-12-31T21:59:59.999999Z"
        );
        for no_moment in ["yesterday", "9999-12-31T23:59:59", "9999-12-31", "9999-12-31T23:59:59-02:00"] {
            assert_eq!(Timestamp::parse(no_moment), None, "{no_moment}");
        }
    }

    #[test]
    fn written_times_are_printed_ones() {
        for micros in [0, 1_795_386_142_123_456, -62_200_000_000_000_000, i64::MIN, i64::MAX] {
            let time = Timestamp::from_micros(micros);
            let mut out = b"at ".to_vec();
            time.write(&mut out);
            assert_eq!(String::from_utf8(out).expect("UTF-8"), format!("at {time}"));
        }
    }

    #[test]
    fn arithmetic_stays_in_range() {
        let end = Timestamp::from_micros(i64::MAX);
        assert_eq!(end.saturating_add(Duration::MAX), end);
        assert_eq!(Timestamp::EPOCH.since(end), Duration::ZERO);
        assert_eq!(Timestamp::from_micros(i64::MIN).saturating_sub(Duration::MAX).as_micros(), i64::MIN);
        assert!(!end.to_string().is_empty());
    }
}
