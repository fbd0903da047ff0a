//! Sweeping while the clock is set forward or back.

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};

use super::*;
use crate::domain::time::{ManualClock, SystemClock, Timestamp};
use crate::store::diesel::StoreOptions;

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

/// A server that sweeps every ten minutes, with a manual clock.
struct Stage {
    sweeper: Sweeper,
    clock: ManualClock,
    folder: tempfile::TempDir,
}

impl Stage {
    /// With tokens that expire after these numbers of days.
    fn with_tokens(days: &[u32]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder);
        let clock = ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000));
        let path = folder.path().join("k.db").display().to_string();
        let mut connection = SqliteConnection::establish(&path).expect("a connection");
        let mut run = |sql: &str| connection.batch_execute(sql).expect("a statement");
        run("INSERT INTO users (id, username, lookalike_key, email, password_hash, is_active, is_staff, created)
             VALUES (1, 'alice', 'alice', '', '!', 1, 0, 0);
             INSERT INTO sessions (id, user_id, kind, created, last_seen, auth_epoch, opened_reason, opened_by)
             VALUES (zeroblob(16), 1, 'knox', 0, 0, 0, 'login', 'system')");
        for days in days {
            run(&format!(
                "INSERT INTO tokens (digest, session_id, kind, created, expires)
                 VALUES (randomblob(64), zeroblob(16), 'access', 0, {})",
                clock.now().saturating_add(DAY * *days).as_micros()
            ));
        }
        let sweeper = Sweeper::new(store, Arc::new(clock.clone()), SweepPolicy::default());
        Self { sweeper, clock, folder }
    }

    /// The same database with a new process, after a pause.
    fn restart_after(self, off: Duration) -> Self {
        self.clock.advance(off);
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let sweeper = Sweeper::new(self.sweeper.store, clock, self.sweeper.policy);
        Self { sweeper, ..self }
    }

    /// Sweeps several times, and returns how many tokens were deleted.
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
    // Later times are swept as usual.
    for _ in 0..11 {
        stage.clock.advance(DAY);
        stage.sweep(1);
    }
    assert_eq!(stage.sweep(1), 1);
}

#[test]
fn after_a_week_off_and_on_a_new_database_sweeping_begins_after_an_hour() {
    let mut stage = Stage::with_tokens(&[1, 3]).restart_after(DAY * 3);
    // The sixth sweep is an hour after the start; the seventh deletes by its time.
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
