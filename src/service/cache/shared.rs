//! The cache of a database that is asked over a network (Postgres): one feed and one
//! memory for all threads.
//!
//! A check that arrives joins the batch of its thread. What is not remembered is asked for. When
//! all that are ready now have joined, the batch goes to the owner of the feed; others may join
//! until the owner takes it for a poll. After that poll each check looks into the memory again.

mod batch;
mod find;
mod owner;
mod sync;
#[cfg(test)]
mod tests;

use crate::service::workers::connector;
use crate::threads::worker;

pub(in crate::service) use find::{Find, SharedCache};
