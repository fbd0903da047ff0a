//! Limits how many requests a second each client makes: counted by this process.
//!
//! Each client has a bucket that leaks at a constant rate (the generic cell rate algorithm, ITU-T I.371) and holds the
//! requests of one second. Only clients that have proved who they are have one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::client::ClientId;
use crate::domain::time::Timestamp;

/// What a bucket holds, in microseconds.
const FULL: i64 = 1_000_000;

/// With more buckets than this, those that are empty are removed before another one is added.
const MANY: usize = 10_000;

/// The buckets of all clients.
#[derive(Default)]
pub(in crate::service) struct RequestLimits {
    /// When each bucket will be empty, in microseconds.
    empty_at: Mutex<HashMap<ClientId, i64>>,
}

impl RequestLimits {
    /// Counts a request of a client that may make `limit` a second; `None`: any number.
    ///
    /// # Errors
    /// The time until the next one is allowed. Then nothing is counted.
    pub(super) fn admit(&self, client: ClientId, limit: Option<u32>, now: Timestamp) -> Result<(), Duration> {
        let Some(limit) = limit else { return Ok(()) };
        // A limit of zero, which only SQL can set, admits nothing.
        let Some(interval) = FULL.checked_div(i64::from(limit)) else { return Err(Duration::from_secs(1)) };
        let now = now.as_micros();
        let mut buckets = self.empty_at.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MANY && !buckets.contains_key(&client) {
            buckets.retain(|_, empty_at| *empty_at > now);
        }
        let bucket = buckets.entry(client).or_insert(now);
        // A later moment than that of a full bucket means that the clock has been set back since.
        let level = if bucket.saturating_sub(now) > FULL { now } else { (*bucket).max(now) };
        let after = level.saturating_add(interval);
        let over = after.saturating_sub(now).saturating_sub(FULL);
        if over > 0 {
            return Err(Duration::from_micros(over.unsigned_abs()));
        }
        *bucket = after;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn after(millis: u64) -> Timestamp {
        START.saturating_add(Duration::from_millis(millis))
    }

    fn client(number: u8) -> ClientId {
        ClientId::from_bytes([number; 16])
    }

    #[test]
    fn a_client_has_the_requests_of_a_second_at_once_and_then_one_after_the_other() {
        let limits = RequestLimits::default();
        let admit = |number, at| limits.admit(client(number), Some(4), at);
        for _ in 0..4 {
            assert_eq!(admit(1, START), Ok(()));
        }
        assert_eq!(admit(1, after(100)), Err(Duration::from_millis(150)));
        assert_eq!(admit(2, after(100)), Ok(()), "another client");
        assert_eq!(admit(1, after(250)), Ok(()));
        assert_eq!(admit(1, after(250)), Err(Duration::from_millis(250)));
        // Refusals are not counted, and a long pause allows no more than one second's requests.
        assert_eq!((0..10).filter(|_| admit(1, after(100_000)).is_ok()).count(), 4);
    }

    #[test]
    fn the_least_limit_is_one_a_second_and_the_greatest_is_kept_to() {
        let limits = RequestLimits::default();
        assert_eq!(limits.admit(client(1), Some(1), START), Ok(()));
        assert_eq!(limits.admit(client(1), Some(1), START), Err(Duration::from_secs(1)));
        assert_eq!(limits.admit(client(2), Some(0), START), Err(Duration::from_secs(1)));
        let many = (0..2_000_000).take_while(|_| limits.admit(client(3), Some(1_000_000), START).is_ok());
        assert_eq!(many.count(), 1_000_000);
        assert!((0..10_000).all(|_| limits.admit(client(4), None, START).is_ok()));
    }

    #[test]
    fn a_clock_that_is_set_back_refuses_nobody() {
        let limits = RequestLimits::default();
        assert_eq!(limits.admit(client(1), Some(1), after(3_600_000)), Ok(()));
        assert_eq!(limits.admit(client(1), Some(1), START), Ok(()));
    }

    #[test]
    fn empty_buckets_make_room() {
        let limits = RequestLimits::default();
        for number in 0..2 * MANY {
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
            let at = after(u64::try_from(number).expect("a small number"));
            assert_eq!(limits.admit(ClientId::from_bytes(bytes), Some(1_000), at), Ok(()));
        }
        assert!(limits.empty_at.lock().expect("no panic").len() <= MANY);
    }
}
