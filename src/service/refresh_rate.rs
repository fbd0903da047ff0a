//! Limits how often a session is refreshed: counted by this process, in a fixed amount of memory.
//!
//! Each session has a bucket that leaks at a constant rate (the generic cell rate algorithm, ITU-T
//! I.371). The table stores the moment at which it will be empty. A bucket has several slots in the
//! table, found by a hash, and is as full as the least full of them. So sessions that share one slot do
//! not throttle each other, and the table does not grow with the number of sessions.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::policy::RefreshRate;
use crate::domain::session::SessionId;
use crate::domain::time::Timestamp;

/// The number of slots, of 8 bytes each: 2 MiB, which the operating system allocates as it is used.
const SLOTS: usize = 1 << 18;

/// How many slots a bucket has. With 10,000 sessions at their limit at once, another session is
/// throttled because of them with a probability of about 1 in 2,500.
const SLOTS_EACH: usize = 4;

/// The buckets of all sessions.
pub(super) struct RefreshRates {
    rate: RefreshRate,
    /// When each slot will be empty, in microseconds.
    empty_at: Mutex<Vec<i64>>,
}

impl RefreshRates {
    pub(super) fn new(rate: RefreshRate) -> Self {
        Self { rate, empty_at: Mutex::new(if rate.burst.is_some() { vec![0; SLOTS] } else { Vec::new() }) }
    }

    /// Counts one refresh of the session at `now`.
    ///
    /// # Errors
    /// The time until the next one is allowed, if it was refreshed too often. Then nothing is counted.
    pub(super) fn admit(&self, session: SessionId, now: Timestamp) -> Result<(), Duration> {
        let RefreshRate { burst: Some(burst), interval } = self.rate else { return Ok(()) };
        let (now, interval) = (now.as_micros(), i64::try_from(interval.as_micros()).unwrap_or(i64::MAX));
        let full = interval.saturating_mul(i64::from(burst.max(1)));
        let mut slots = self.empty_at.lock().unwrap_or_else(PoisonError::into_inner);
        // A later moment than that of a full bucket means that the clock has been set back since.
        let level = |empty_at: i64| if empty_at.saturating_sub(now) > full { now } else { empty_at.max(now) };
        let indexes = slots_of(session);
        let lowest = indexes.iter().filter_map(|index| slots.get(*index)).map(|slot| level(*slot)).min();
        let after = lowest.unwrap_or(now).saturating_add(interval);
        let over = after.saturating_sub(now).saturating_sub(full);
        if over > 0 {
            return Err(Duration::from_micros(over.unsigned_abs()));
        }
        for index in indexes {
            if let Some(slot) = slots.get_mut(index) {
                *slot = level(*slot).max(after);
            }
        }
        Ok(())
    }

    /// Takes back one [`RefreshRates::admit`], after which nothing was refreshed. Sessions that share a slot
    /// with this one may gain a part of what it gets back.
    pub(super) fn give_back(&self, session: SessionId) {
        let RefreshRate { interval, .. } = self.rate;
        let interval = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX);
        let mut slots = self.empty_at.lock().unwrap_or_else(PoisonError::into_inner);
        let indexes = slots_of(session);
        let Some(lowest) = indexes.iter().filter_map(|index| slots.get(*index)).min().copied() else { return };
        for index in indexes {
            if let Some(slot) = slots.get_mut(index).filter(|slot| **slot == lowest) {
                *slot = lowest.saturating_sub(interval);
            }
        }
    }
}

/// The slots of a session's bucket. Clients do not choose the ids of sessions, so the hash needs no
/// secret key.
fn slots_of(session: SessionId) -> [usize; SLOTS_EACH] {
    let mut number = 0_u8;
    [(); SLOTS_EACH].map(|()| {
        let mut hasher = DefaultHasher::new();
        (session.as_bytes(), number).hash(&mut hasher);
        number += 1;
        usize::try_from(hasher.finish() % SLOTS as u64).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn after(millis: u64) -> Timestamp {
        START.saturating_add(Duration::from_millis(millis))
    }

    fn session(number: u8) -> SessionId {
        SessionId::new(START, &[number; 10])
    }

    fn rates() -> RefreshRates {
        RefreshRates::new(RefreshRate { burst: Some(3), interval: Duration::from_secs(10) })
    }

    #[test]
    fn a_session_has_a_burst_and_then_one_an_interval() {
        let rates = rates();
        for _ in 0..3 {
            assert_eq!(rates.admit(session(1), START), Ok(()));
        }
        assert_eq!(rates.admit(session(1), after(2_500)), Err(Duration::from_millis(7_500)));
        assert_eq!(rates.admit(session(2), after(2_500)), Ok(()), "another session");
        assert_eq!(rates.admit(session(1), after(10_000)), Ok(()));
        assert_eq!(rates.admit(session(1), after(10_001)), Err(Duration::from_millis(9_999)));
        // Refusals are not counted, and a long pause allows no more than the burst.
        let admitted = (0..10).filter(|_| rates.admit(session(1), after(1_000_000)).is_ok());
        assert_eq!(admitted.count(), 3);
    }

    #[test]
    fn a_clock_that_is_set_back_throttles_nobody() {
        let rates = rates();
        for _ in 0..3 {
            assert_eq!(rates.admit(session(1), after(3_600_000)), Ok(()));
        }
        assert_eq!(rates.admit(session(1), START), Ok(()));
    }

    #[test]
    fn a_full_bucket_fills_no_other() {
        let rates = rates();
        while rates.admit(session(1), START).is_ok() {}
        for number in 2..200 {
            assert_eq!(rates.admit(session(number), START), Ok(()), "{number}");
        }
    }

    #[test]
    fn what_is_given_back_was_never_counted() {
        let rates = rates();
        for _ in 0..100 {
            assert_eq!(rates.admit(session(1), START), Ok(()));
            rates.give_back(session(1));
        }
        for _ in 0..3 {
            assert_eq!(rates.admit(session(1), START), Ok(()));
        }
        assert_eq!(rates.admit(session(1), START), Err(Duration::from_secs(10)));
        // Of several that are under way at once, each one gives back its own.
        rates.give_back(session(1));
        rates.give_back(session(1));
        assert_eq!([rates.admit(session(1), START), rates.admit(session(1), START)], [Ok(()); 2]);
        assert_eq!(rates.admit(session(1), START), Err(Duration::from_secs(10)));
    }

    #[test]
    fn without_a_rate_nothing_is_counted() {
        let rates = RefreshRates::new(RefreshRate { burst: None, ..RefreshRate::default() });
        for _ in 0..1_000 {
            assert_eq!(rates.admit(session(1), START), Ok(()));
        }
    }
}
