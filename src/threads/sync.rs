//! The synchronisation primitives that threads use, under names for which tests substitute other types.

pub(super) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
pub(super) use std::thread;
pub(super) use std::time::Instant;
