//! Times for people: how long ago, and the exact time.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// A time, relative to now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RelativeTime {
    /// In ISO 8601, for programs.
    pub(super) iso: String,
    /// In UTC, to the second.
    pub(super) exact: String,
    /// In words, such as `2 days ago`.
    pub(super) words: String,
}

impl RelativeTime {
    /// This time, relative to `now`.
    pub(super) fn of(time: Timestamp, now: Timestamp) -> Self {
        let iso = time.whole_seconds().to_string();
        let exact = iso.replacen('T', " ", 1).replace('Z', " UTC");
        let words = if time > now {
            format!("in {}", span(time.since(now)))
        } else {
            match span(now.since(time)) {
                just if just == NO_TIME => "just now".to_owned(),
                span => format!("{span} ago"),
            }
        };
        Self { iso, exact, words }
    }
}

const NO_TIME: &str = "a few seconds";

/// A length of time in the largest unit that fits, rounded down.
pub(super) fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    let units = [(365 * 86_400, "year"), (30 * 86_400, "month"), (86_400, "day"), (3600, "hour"), (60, "minute")];
    let found = units.into_iter().find(|(unit, _)| seconds >= *unit);
    let Some((unit, name)) = found else { return NO_TIME.to_owned() };
    let count = seconds / unit;
    if count == 1 { format!("1 {name}") } else { format!("{count} {name}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_now() {
        let now = Timestamp::parse("2026-11-26T12:00:00.5Z").expect("a time");
        let seen = |text: &str| RelativeTime::of(Timestamp::parse(text).expect("a time"), now).words;
        assert_eq!(seen("2026-11-26T12:00:00.4Z"), "just now");
        assert_eq!(seen("2026-11-26T11:58:59Z"), "1 minute ago");
        assert_eq!(seen("2026-11-26T10:00:01Z"), "1 hour ago");
        assert_eq!(seen("2026-11-24T11:00:00Z"), "2 days ago");
        assert_eq!(seen("2026-09-01T00:00:00Z"), "2 months ago");
        assert_eq!(seen("2020-01-01T00:00:00Z"), "6 years ago");
        assert_eq!(seen("2026-11-26T12:00:10Z"), "in a few seconds");
        assert_eq!(seen("2026-11-26T20:00:01Z"), "in 8 hours");
        let time = RelativeTime::of(Timestamp::parse("2026-01-02T03:04:05.678901Z").expect("a time"), now);
        assert_eq!((time.iso.as_str(), time.exact.as_str()), ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05 UTC"));
    }
}
