//! Deleting what is over, off the request path.

use std::sync::Arc;
use std::time::Duration;

use super::repeating::Repeating;
use crate::store::StoreResult;
use crate::store::diesel::{CLOCK_TOLERANCE, ClockTrust, DieselStore, SweepPolicy, SweepReport};
use crate::time::{Clock, Evenness};

/// A clock that has run evenly for this long is believed, whatever it shows.
const PROVED_AFTER: Duration = Duration::from_secs(60 * 60);

/// Who sweeps: a store, a clock, and what has been seen of that clock.
struct Sweeper {
    store: Arc<DieselStore>,
    clock: Arc<dyn Clock>,
    evenness: Evenness,
    policy: SweepPolicy,
}

/// Sweeps now and then, until the value is dropped, which a sweep under way heeds.
pub(super) fn start(
    store: Arc<DieselStore>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    policy: SweepPolicy,
) -> std::io::Result<Repeating> {
    let mut sweeper = Sweeper::new(store, clock, policy);
    Repeating::start("sweeper", interval, move |go_on| match sweeper.sweep(go_on) {
        Ok(None) => log::warn!("nothing is swept until the clocks agree"),
        Ok(Some(report)) => log::info!(
            expired_tokens = report.expired_tokens, dead_tokens = report.dead_tokens,
            sessions = report.sessions, log_rows = report.log_rows;
            "swept"
        ),
        Err(error) => log::warn!("the sweep did not finish: {error}"),
    })
}

impl Sweeper {
    fn new(store: Arc<DieselStore>, clock: Arc<dyn Clock>, policy: SweepPolicy) -> Self {
        let evenness = Evenness::begin(&*clock);
        Self { store, clock, evenness, policy }
    }

    /// Sweeps once. `None` if this machine's clock does not agree with the database's: by a wrong one,
    /// what other nodes still take for good would be deleted.
    fn sweep(&mut self, go_on: &dyn Fn() -> bool) -> StoreResult<Option<SweepReport>> {
        let even = self.evenness.observe(&*self.clock);
        if !clocks_agree(&self.store, &*self.clock)? {
            return Ok(None);
        }
        self.sweep_after(even, go_on).map(Some)
    }

    /// Sweeps by a clock that has run evenly for so long.
    fn sweep_after(&self, even: Duration, go_on: &dyn Fn() -> bool) -> StoreResult<SweepReport> {
        let trust = if even >= PROVED_AFTER { ClockTrust::Proved } else { ClockTrust::Unproved };
        let moment = self.store.begin_sweep(self.clock.now(), trust)?;
        match moment.until {
            Some(until) if moment.is_held => log::warn!(
                until = until.to_string().as_str();
                "the clock is more than a day from the last sweep: what was over later than then stays until it has \
                 run evenly for an hour"
            ),
            None => log::info!("nothing is deleted for its age in the first hour"),
            Some(_) => {}
        }
        self.store.sweep_until(moment.until, &self.policy, go_on)
    }
}

/// Whether this machine and the database agree on the time; if not, the log says so.
pub(super) fn clocks_agree(store: &DieselStore, clock: &dyn Clock) -> StoreResult<bool> {
    let difference = store.clock_difference(clock.now())?;
    let apart = Duration::from_micros(difference.unsigned_abs());
    if apart <= CLOCK_TOLERANCE {
        return Ok(true);
    }
    log::warn!(seconds = difference / 1_000_000;
        "the database's clock differs from this machine's: let both ask the same time servers");
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::{Actor, Cause, Origin, Reason};
    use crate::import::{ImportData, ImportToken, ImportUser};
    use crate::store::diesel::StoreOptions;
    use crate::time::{ManualClock, SystemClock, Timestamp};
    use crate::token::TokenDigest;
    use crate::user::{PasswordHash, UserId};

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn store(folder: &tempfile::TempDir) -> Arc<DieselStore> {
        let url = format!("sqlite://{}", folder.path().join("k.db").display());
        let store = DieselStore::open(&url, StoreOptions::default()).expect("a store");
        store.migrate().expect("the schema");
        Arc::new(store)
    }

    #[test]
    fn nothing_is_swept_by_a_clock_that_is_not_the_databases() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder);
        for (ahead, sweeps) in [(0, true), (60, false)] {
            let clock = ManualClock::new(SystemClock.now().saturating_add(Duration::from_secs(ahead)));
            assert_eq!(clocks_agree(&store, &clock), Ok(sweeps));
            let mut sweeper = Sweeper::new(Arc::clone(&store), Arc::new(clock), SweepPolicy::default());
            assert_eq!(sweeper.sweep(&|| true).expect("an answer").is_some(), sweeps, "{ahead} s ahead");
        }
    }

    /// A server that sweeps every ten minutes, on a clock that the test moves.
    struct Stage {
        sweeper: Sweeper,
        clock: ManualClock,
        folder: tempfile::TempDir,
    }

    impl Stage {
        /// With tokens that expire after so many days.
        fn with_tokens(days: &[u32]) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let store = store(&folder);
            let clock = ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000));
            let user = ImportUser {
                id: UserId(1),
                username: "alice".to_owned(),
                email: String::new(),
                password: PasswordHash::unusable(),
                is_active: true,
                is_staff: false,
                created: None,
                last_login: None,
            };
            let token = |(number, days): (usize, &u32)| ImportToken {
                digest: TokenDigest::from_bytes([number as u8; 64]),
                user: UserId(1),
                created: clock.now(),
                expires: Some(clock.now().saturating_add(DAY * *days)),
            };
            let data = ImportData { users: vec![user], tokens: days.iter().enumerate().map(token).collect() };
            let at = clock.now();
            let cause = Cause { reason: Reason::Imported, actor: Actor::System, origin: Origin::default(), at };
            store.import(&data, &cause).expect("an import");
            let sweeper = Sweeper::new(store, Arc::new(clock.clone()), SweepPolicy::default());
            Self { sweeper, clock, folder }
        }

        /// The same database under a new process, after its server was off for so long.
        fn restart_after(self, off: Duration) -> Self {
            self.clock.advance(off);
            let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
            let sweeper = Sweeper::new(self.sweeper.store, clock, self.sweeper.policy);
            Self { sweeper, ..self }
        }

        /// Sweeps so often, and returns how many tokens went.
        fn sweep(&mut self, times: u32) -> usize {
            let swept = (0..times).map(|_| {
                self.clock.advance(10 * MINUTE);
                let even = self.sweeper.evenness.observe(&self.clock);
                self.sweeper.sweep_after(even, &|| true).expect("a sweep").expired_tokens
            });
            swept.sum()
        }

        fn set_clock(&self, ahead: bool, by: Duration) {
            let now = self.clock.now();
            self.clock.set(if ahead { now.saturating_add(by) } else { now.saturating_sub(by) });
        }
    }

    #[test]
    fn a_clock_that_runs_ahead_for_less_than_an_hour_deletes_nothing() {
        let mut stage = Stage::with_tokens(&[10]);
        assert_eq!(stage.sweep(12), 0);
        for days in [30, 3650] {
            stage.set_clock(true, DAY * days);
            assert_eq!(stage.sweep(5), 0);
            stage.set_clock(false, DAY * days);
            assert_eq!(stage.sweep(12), 0);
        }
        // And the time after that is swept as ever.
        for _ in 0..11 {
            stage.clock.advance(DAY);
            stage.sweep(1);
        }
        assert_eq!(stage.sweep(1), 1);
    }

    #[test]
    fn after_a_week_off_and_on_a_new_database_sweeping_begins_after_an_hour() {
        let mut stage = Stage::with_tokens(&[1, 3]).restart_after(DAY * 3);
        // The sixth sweep is an hour after the start; the seventh deletes by its moment.
        assert_eq!((stage.sweep(6), stage.sweep(1)), (0, 1));
        let mut stage = stage.restart_after(DAY * 7);
        assert_eq!((stage.sweep(6), stage.sweep(1)), (0, 1));
        assert!(stage.folder.path().exists());
    }

    #[test]
    fn a_machine_that_slept_for_days_sweeps_again_after_an_hour() {
        let mut stage = Stage::with_tokens(&[1]);
        assert_eq!(stage.sweep(8), 0);
        // The monotonic clock stood still.
        stage.set_clock(true, DAY * 4);
        assert_eq!((stage.sweep(7), stage.sweep(1)), (0, 1));
    }
}
