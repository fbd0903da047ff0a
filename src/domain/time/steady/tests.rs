//! Plays every short history of what may happen to a machine's clocks, and compares the behaviour of the clock with its
//! promises. Simpler clocks must fail.

use super::*;
use crate::domain::time::ManualClock;

const SECOND: i64 = 1_000_000;
const START: i64 = 1_700_000_000 * SECOND;

/// What may happen before the next reading: how far the monotonic clock and the wall clock move.
const EVENTS: [(i64, i64); 8] = [
    (20 * SECOND, 20 * SECOND),
    (70 * SECOND, 70 * SECOND),
    // The clock is set, by a little or by a lot.
    (0, 5 * SECOND),
    (0, 3600 * SECOND),
    (0, -5 * SECOND),
    (0, -3600 * SECOND),
    // The machine slept: its monotonic clock stood still.
    (0, 7200 * SECOND),
    // Time servers that disagree.
    (30 * SECOND, -600 * SECOND),
];

const DEPTH: u32 = 5;

/// One reading: what both clocks showed, and what the clock under test showed.
#[derive(Debug, Clone, Copy)]
struct Look {
    monotonic: i64,
    wall: i64,
    shown: i64,
}

impl Look {
    const fn difference(&self) -> i64 {
        self.wall - self.monotonic
    }
}

/// A clock under test, which reads the machine's clock.
trait Candidate {
    fn over(clock: &ManualClock) -> Self;
    fn show(&mut self, clock: &ManualClock) -> i64;
}

impl Candidate for SteadyClock {
    fn over(clock: &ManualClock) -> Self {
        Self::new(Arc::new(clock.clone()))
    }

    fn show(&mut self, _: &ManualClock) -> i64 {
        self.now().as_micros()
    }
}

/// The machine's clock as it is.
struct Plain;

impl Candidate for Plain {
    fn over(_: &ManualClock) -> Self {
        Self
    }

    fn show(&mut self, clock: &ManualClock) -> i64 {
        clock.now().as_micros()
    }
}

/// The greatest time that was ever shown.
struct HighWater(i64);

impl Candidate for HighWater {
    fn over(_: &ManualClock) -> Self {
        Self(i64::MIN)
    }

    fn show(&mut self, clock: &ManualClock) -> i64 {
        self.0 = self.0.max(clock.now().as_micros());
        self.0
    }
}

/// Keeps the greatest difference between the two clocks that it has seen.
struct Kept(i64);

impl Candidate for Kept {
    fn over(_: &ManualClock) -> Self {
        Self(i64::MIN)
    }

    fn show(&mut self, clock: &ManualClock) -> i64 {
        let monotonic = clock.monotonic().as_micros() as i64;
        self.0 = self.0.max(clock.now().as_micros() - monotonic);
        self.0 + monotonic
    }
}

fn step(clock: &ManualClock, monotonic: i64, wall: i64) {
    let wall = clock.now().as_micros() + wall;
    clock.advance(Duration::from_micros(monotonic.unsigned_abs()));
    clock.set(Timestamp::from_micros(wall));
}

/// Plays a history; returns the first promise that was broken.
fn live<J: Candidate>(history: &[(i64, i64)]) -> Result<(), &'static str> {
    let clock = ManualClock::new(Timestamp::from_micros(START));
    let mut candidate = J::over(&clock);
    let mut looks = Vec::new();
    let mut look = |clock: &ManualClock, candidate: &mut J| {
        let shown = candidate.show(clock);
        let look = Look { monotonic: clock.monotonic().as_micros() as i64, wall: clock.now().as_micros(), shown };
        looks.push(look);
        check(&looks).map(|()| look)
    };
    look(&clock, &mut candidate)?;
    for (monotonic, wall) in history {
        step(&clock, *monotonic, *wall);
        look(&clock, &mut candidate)?;
    }
    // Then the clocks run well again. A deviation must be gone after twice its length.
    let last = look(&clock, &mut candidate)?;
    let off = last.shown - last.wall;
    let mut healed = last;
    for _ in 0..10 {
        step(&clock, off / 4 + 20 * SECOND, off / 4 + 20 * SECOND);
        healed = look(&clock, &mut candidate)?;
    }
    if (healed.shown - healed.wall).abs() > TOLERANCE_MICROS { Err("it heals") } else { Ok(()) }
}

/// Checks the last reading against all before it.
fn check(looks: &[Look]) -> Result<(), &'static str> {
    let Some(last) = looks.last() else { return Ok(()) };
    if last.shown < last.wall {
        return Err("never behind the wall clock");
    }
    let most = looks.iter().map(Look::difference).max().unwrap_or(0);
    if last.shown > last.monotonic + most + TOLERANCE_MICROS {
        return Err("never ahead of all that was seen");
    }
    // The difference at the start, or one that lasted for two minutes, is never taken back. Readings
    // are up to 70 s apart here, and each minute ends with a reading.
    for (index, from) in looks.iter().enumerate() {
        let mut least = i64::MAX;
        for to in &looks[index..] {
            least = least.min(to.difference());
            let held = index == 0 || to.monotonic - from.monotonic >= 2 * (BELIEVED_AFTER_MICROS + 70 * SECOND);
            if held && last.shown < to.monotonic + least {
                return Err("what held is not taken back");
            }
        }
    }
    // A clock that was never behind, and never ahead for as long as a minute, leaves no trace.
    let start = looks[0].difference();
    let mut ahead_since = None;
    let harmless = looks.iter().all(|look| {
        let is_ahead = look.difference() > start;
        let since = *ahead_since.get_or_insert(look.monotonic);
        if !is_ahead {
            ahead_since = None;
        }
        look.difference() >= start && (!is_ahead || look.monotonic - since < BELIEVED_AFTER_MICROS)
    });
    if harmless && last.difference() == start && last.shown != last.wall {
        return Err("a moment ahead leaves no trace");
    }
    Ok(())
}

/// Plays all histories of this depth, and returns the promises that they break.
fn explore<J: Candidate>() -> std::collections::BTreeSet<&'static str> {
    let mut broken = std::collections::BTreeSet::new();
    for number in 0..EVENTS.len().pow(DEPTH) {
        let history: Vec<_> = (0..DEPTH).map(|place| EVENTS[number / EVENTS.len().pow(place) % EVENTS.len()]).collect();
        if let Err(promise) = live::<J>(&history) {
            if std::any::type_name::<J>().ends_with("SteadyClock") {
                panic!("{promise}: {history:?}");
            }
            broken.insert(promise);
        }
    }
    broken
}

#[test]
fn every_short_history_keeps_every_promise() {
    explore::<SteadyClock>();
}

#[test]
fn one_step_forward_counts_after_a_minute_and_is_healed_in_twice_its_length() {
    let clock = ManualClock::new(Timestamp::from_micros(START));
    let steady = SteadyClock::new(Arc::new(clock.clone()));
    let after = |seconds, wall| {
        step(&clock, seconds * SECOND, wall * SECOND);
        (steady.now().as_micros() - START) / SECOND
    };
    // An hour ahead for less than a minute leaves no trace; after a minute it is believed.
    assert_eq!([after(0, 3600), after(59, 59), after(0, -3600)], [3600, 3659, 59]);
    assert_eq!([after(0, 3600), after(60, 60), after(0, -3600)], [3659, 3719, 3719]);
    // It goes on at half its speed, until the wall clock has caught up.
    assert_eq!([after(60, 60), after(60, 60), after(7079, 7079), after(60, 60)], [3749, 3779, 7318, 7378]);
}

#[test]
fn simpler_clocks_are_caught() {
    assert!(explore::<Plain>().contains("what held is not taken back"));
    assert!(explore::<HighWater>().contains("a moment ahead leaves no trace"));
    let broken = explore::<Kept>();
    assert!(broken.contains("a moment ahead leaves no trace") && broken.contains("it heals"), "{broken:?}");
}

/// A thread that is delayed between reading the wall clock and reading the monotonic one.
struct HeldUp(ManualClock, AtomicBool);

impl Clock for HeldUp {
    fn now(&self) -> Timestamp {
        let now = self.0.now();
        if self.1.swap(false, Ordering::SeqCst) {
            self.0.advance(Duration::from_secs(2));
        }
        now
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

#[test]
fn a_thread_that_is_held_up_between_the_two_clocks_changes_nothing() {
    let clock = ManualClock::new(Timestamp::from_micros(START));
    let held_up = Arc::new(HeldUp(clock.clone(), AtomicBool::new(false)));
    let steady = SteadyClock::new(Arc::<HeldUp>::clone(&held_up));
    for _ in 0..3 {
        held_up.1.store(true, Ordering::SeqCst);
        // Once the thread goes on, the clock is right.
        assert_eq!(steady.now(), clock.now());
        clock.advance(Duration::from_secs(1));
        assert_eq!(steady.now(), clock.now());
        assert!(!steady.is_disturbed.load(Ordering::SeqCst));
    }
}

#[test]
fn time_does_not_run_back_between_threads_while_the_clock_is_behind() {
    let clock = ManualClock::new(Timestamp::from_micros(START));
    let steady = SteadyClock::new(Arc::new(clock.clone()));
    clock.advance(Duration::from_secs(100));
    let latest = AtomicI64::new(steady.now().as_micros());
    clock.set(Timestamp::from_micros(START));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let before = latest.load(Ordering::SeqCst);
                    let shown = steady.now().as_micros();
                    assert!(shown >= before, "{shown} after {before}");
                    latest.fetch_max(shown, Ordering::SeqCst);
                    clock.advance(Duration::from_millis(1));
                }
            });
        }
    });
}
