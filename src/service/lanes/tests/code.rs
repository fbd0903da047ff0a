//! The very files that ship, with other locks, threads and time.

#[path = "../link.rs"]
mod link;
#[path = "../queue.rs"]
mod queue;

pub(super) use queue::{Lane, LaneOptions, Wanted};

mod sync {
    pub(super) use crate::service::tests::sync::{Arc, Condvar, Instant, Mutex, MutexGuard, PoisonError, thread};
}
