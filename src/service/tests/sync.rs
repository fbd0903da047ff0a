//! Replacements for locks, threads and time while orders are tried.
//!
//! Time stands still until a thread hangs, sleeps, or waits with a limit.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::ops::{Add, Deref, DerefMut};
use std::pin::Pin;
use std::sync::LockResult;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(in crate::service) use shuttle::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// More threads than any run has.
const THREADS: usize = 64;

/// No thread waits for longer than this in vain.
const FOR_EVER: Duration = Duration::from_secs(3_600);

#[derive(Default)]
struct Time {
    since_begin: Cell<Duration>,
    sleepers: RefCell<Vec<Waker>>,
}

thread_local! {
    // All threads of a run are one thread of the system's.
    static TIME: Time = Time::default();
}

/// Begins a run: time is zero, and no thread sleeps.
pub(in crate::service) fn begin() {
    TIME.with(|time| {
        time.since_begin.set(Duration::ZERO);
        time.sleepers.take();
    });
}

/// Lets time pass.
pub(in crate::service) fn pass(duration: Duration) {
    let sleepers = TIME.with(|time| {
        time.since_begin.set(time.since_begin.get() + duration);
        time.sleepers.take()
    });
    sleepers.into_iter().for_each(Waker::wake);
}

/// A moment since the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::service) struct Instant(Duration);

impl Instant {
    pub(in crate::service) fn now() -> Self {
        Self(TIME.with(|time| time.since_begin.get()))
    }

    pub(in crate::service) fn elapsed(&self) -> Duration {
        Self::now().saturating_duration_since(*self)
    }

    pub(in crate::service) fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

/// Ready when its moment has come.
pub(in crate::service) struct Sleep(Instant);

/// Waits for a moment.
pub(in crate::service) fn sleep_until(moment: Instant) -> Sleep {
    Sleep(moment)
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.0 {
            return Poll::Ready(());
        }
        TIME.with(|time| time.sleepers.borrow_mut().push(context.waker().clone()));
        Poll::Pending
    }
}

/// Ready when it is polled again after others may have been.
pub(in crate::service) struct TurnOver(bool);

/// Waits for the end of this turn.
pub(in crate::service) fn turn_over() -> TurnOver {
    TurnOver(false)
}

impl Future for TurnOver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Threads, of which each step is the scheduler's.
pub(in crate::service) mod thread {
    pub(in crate::service) use shuttle::thread::Builder;

    use super::{Duration, pass};

    pub(in crate::service) fn sleep(duration: Duration) {
        pass(duration);
        shuttle::thread::yield_now();
    }
}

/// A mutex that [`Condvar::wait_timeout`] can lock again.
#[derive(Default)]
pub(in crate::service) struct Mutex<T>(shuttle::sync::Mutex<T>);

pub(in crate::service) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    guard: shuttle::sync::MutexGuard<'a, T>,
}

impl<T> Mutex<T> {
    pub(in crate::service) const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(in crate::service) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        guard(self, self.0.lock())
    }
}

/// What a lock gave, with the mutex that it came from.
fn guard<'a, T>(
    mutex: &'a Mutex<T>,
    locked: LockResult<shuttle::sync::MutexGuard<'a, T>>,
) -> LockResult<MutexGuard<'a, T>> {
    match locked {
        Ok(guard) => Ok(MutexGuard { mutex, guard }),
        Err(poisoned) => Err(PoisonError::new(MutexGuard { mutex, guard: poisoned.into_inner() })),
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// A condition variable. Waiting with a limit comes back when some time has passed, but with a
/// limit of more than an hour only on request.
pub(in crate::service) struct Condvar(shuttle::sync::Condvar);

impl Condvar {
    pub(in crate::service) const fn new() -> Self {
        Self(shuttle::sync::Condvar::new())
    }

    pub(in crate::service) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(in crate::service) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(in crate::service) fn wait<'a, T>(&self, locked: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        guard(locked.mutex, self.0.wait(locked.guard))
    }

    pub(in crate::service) fn wait_timeout<'a, T>(
        &self,
        locked: MutexGuard<'a, T>,
        limit: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        if limit > FOR_EVER {
            return match self.wait(locked) {
                Ok(locked) => Ok((locked, ())),
                Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), ()))),
            };
        }
        let mutex = locked.mutex;
        drop(locked);
        thread::sleep(limit.div_f32(16.0).max(Duration::from_millis(1)));
        match mutex.lock() {
            Ok(locked) => Ok((locked, ())),
            Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), ()))),
        }
    }
}

/// A value for each thread of a run.
pub(in crate::service) struct ThreadLocal<T: Send>(thread_local::ThreadLocal<Vec<OnceCell<T>>>);

impl<T: Send + Default> ThreadLocal<T> {
    pub(in crate::service) const fn new() -> Self {
        Self(thread_local::ThreadLocal::new())
    }

    pub(in crate::service) fn get_or_default(&self) -> &T {
        let values = self.0.get_or(|| (0..THREADS).map(|_| OnceCell::new()).collect());
        values[usize::from(shuttle::thread::current().id())].get_or_init(T::default)
    }
}
