//! Pools of threads for blocking work. Only the polls of the caches do not use them (`src/service/cache.rs`).
//!
//! A [`DbPool`] is a named queue with a few threads. A thread of a database pool owns a connection, takes *all* waiting
//! jobs at once (up to the pool's batch), and answers every check among them from one read that is sent after the last
//! of them arrived; steps that write share one [group](Connection::group). Queues are bounded, each caller has a
//! deadline, and a thread that has been silent for too long is given up and replaced (`src/threads/worker.rs`). A
//! broken connection is replaced, and steps that cannot have had any effect on it run again. Idle connections are
//! probed before a job needs them.
//!
//! No request takes a connection: it waits for a thread that has one. No connection waits for a password to be hashed.

pub(super) mod connector;
mod database;
mod fair_queue;
mod hashing;
mod link;
mod sync;
#[cfg(test)]
mod tests;

use crate::threads::worker;

pub(super) use database::{DbPool, DbPoolOptions, OnDisconnect};
pub(super) use hashing::{HashPool, HashPoolOptions, Work};
