//! What threads share here, all of it by these names.

pub(super) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub(super) use std::thread;
pub(super) use std::time::Instant;
