//! The shipped files, with other locks, threads and time.

#[path = "../connector.rs"]
mod connector;
#[path = "../database.rs"]
mod database;
#[path = "../link.rs"]
mod link;
#[path = "../../../threads/worker.rs"]
#[expect(dead_code, reason = "other kinds of work use more of it")]
pub(super) mod worker;

pub(super) use database::{DbPool, DbPoolOptions, OnDisconnect};

mod sync {
    pub(super) use crate::service::tests::sync::{Arc, Condvar, Instant, Mutex, MutexGuard, PoisonError, thread};
}
