//! The moment by which a sweep deletes: not the clock's current time, which may be wrong.

use std::time::Duration;

use diesel::prelude::*;

use super::super::DieselStore;
use super::super::any::{AnyConnection, on_each};
use super::super::schema::sweep_clock;
use crate::domain::time::Timestamp;
use crate::store::{ClockTrust, StoreResult, SweepMoment};

/// The largest step of the clock between two sweeps that is believed at once. Expired tokens stay for a
/// day ([`SweepPolicy::token_grace`](crate::store::SweepPolicy::token_grace)), so a clock that is wrong by at
/// most this deletes no live token.
pub const LARGEST_STEP: Duration = Duration::from_secs(24 * 60 * 60);

impl DieselStore {
    /// Begins a sweep at the time `now`: records it for the next sweep, if it can be believed, and
    /// returns the moment by which this sweep may delete. That is the time of the previous sweep, or
    /// `now` if that is earlier: by both readings of the clock it is in the past.
    ///
    /// # Errors
    /// When the database fails.
    pub fn begin_sweep(&self, now: Timestamp, trust: ClockTrust) -> StoreResult<SweepMoment> {
        self.write(|any| begin(any, now, trust))
    }
}

fn begin(any: &mut AnyConnection, now: Timestamp, trust: ClockTrust) -> QueryResult<SweepMoment> {
    let last = sweep_clock::table.select(sweep_clock::swept_at);
    let found: Option<i64> = on_each!(&mut *any,
        sqlite(c) => last.get_result(c)?,
        // Other sweepers wait.
        postgres(c) => last.for_update().get_result(c)?,
    );
    let before = found.map(Timestamp::from_micros);
    let (moment, is_recorded) = decide(before, now, trust);
    if is_recorded {
        diesel::update(sweep_clock::table).set(sweep_clock::swept_at.eq(now.as_micros())).execute(any)?;
    }
    Ok(moment)
}

/// The moment by which to delete, and whether `now` is recorded for the next sweep.
fn decide(before: Option<Timestamp>, now: Timestamp, trust: ClockTrust) -> (SweepMoment, bool) {
    let step = before.map(|before| now.since(before).max(before.since(now)));
    let is_small = step.is_some_and(|step| step <= LARGEST_STEP);
    let until = match trust {
        ClockTrust::Vouched => Some(now),
        ClockTrust::Proved | ClockTrust::Unproved => before.map(|before| before.min(now)),
    };
    let is_recorded = is_small || trust != ClockTrust::Unproved;
    (SweepMoment { until, is_held: !is_recorded }, is_recorded)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    #[test]
    fn no_sweep_deletes_by_a_moment_that_only_one_clock_has_seen() {
        use ClockTrust::{Proved, Unproved, Vouched};

        let day = LARGEST_STEP;
        let earlier = |by: Duration| NOW.saturating_sub(by);
        let more = day + Duration::from_micros(1);
        for (before, trust, until, is_recorded) in [
            (None, Unproved, None, false),
            (None, Proved, None, true),
            (None, Vouched, Some(NOW), true),
            (Some(earlier(day)), Unproved, Some(earlier(day)), true),
            (Some(earlier(more)), Unproved, Some(earlier(more)), false),
            (Some(earlier(more)), Proved, Some(earlier(more)), true),
            (Some(earlier(more)), Vouched, Some(NOW), true),
            // The previous sweep may have had a wrong clock, and so may this one.
            (Some(NOW.saturating_add(day)), Unproved, Some(NOW), true),
            (Some(NOW.saturating_add(more)), Unproved, Some(NOW), false),
            (Some(NOW.saturating_add(more)), Proved, Some(NOW), true),
        ] {
            let expected = (SweepMoment { until, is_held: !is_recorded }, is_recorded);
            assert_eq!(decide(before, NOW, trust), expected, "{before:?} {trust:?}");
        }
    }
}
