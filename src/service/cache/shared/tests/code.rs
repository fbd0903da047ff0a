//! The shipped files, with other locks, threads and time.

#[path = "../batch.rs"]
mod batch;
#[path = "../../../workers/connector.rs"]
#[expect(dead_code, reason = "a pool uses more of it")]
mod connector;
#[path = "../find.rs"]
mod find;
#[path = "../many.rs"]
mod many;
#[path = "../owner.rs"]
mod owner;
#[path = "../prove.rs"]
mod prove;
#[path = "../../../../threads/worker.rs"]
#[expect(dead_code, reason = "other kinds of work use more of it")]
mod worker;

pub(super) use find::SharedCache;

mod sync {
    pub(super) use crate::service::tests::sync::{
        Arc, Condvar, Instant, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Sleep,
        ThreadLocal, TurnOver, sleep_until, thread, turn_over,
    };
}
