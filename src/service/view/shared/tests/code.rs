//! The very files that ship, with other locks, threads and time.

#[path = "../batch.rs"]
mod batch;
#[path = "../find.rs"]
mod find;
#[path = "../owner.rs"]
mod owner;

pub(super) use find::SharedView;

mod sync {
    pub(super) use crate::service::tests::sync::{
        Arc, Condvar, Instant, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Sleep,
        ThreadLocal, TurnOver, sleep_until, thread, turn_over,
    };
}
