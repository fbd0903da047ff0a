//! The very file that ships, with other locks, threads and time.

#[path = "../queue.rs"]
mod queue;

pub(super) use queue::{Lane, LaneOptions, Wanted};

mod sync {
    pub(super) use crate::service::tests::sync::{Arc, Condvar, Instant, Mutex, MutexGuard, PoisonError, thread};
}
