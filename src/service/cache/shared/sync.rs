//! The types for threads and waiting, under these names so that tests can replace
//! them.

pub(super) use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub(super) use std::time::Instant;
pub(super) use thread_local::ThreadLocal;
pub(super) use tokio::time::Sleep;

pub(super) use super::super::turn::{TurnOver, turn_over};

/// Waits for a moment.
pub(super) fn sleep_until(moment: Instant) -> Sleep {
    tokio::time::sleep_until(moment.into())
}
