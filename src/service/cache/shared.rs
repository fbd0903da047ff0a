//! The cache of a database that is reached over a network (Postgres): one feed and one
//! cache for all threads.
//!
//! A check that arrives joins the batch of its thread, and requests the row of its token if that is not cached. When
//! all checks that are ready now have joined, the batch is handed to the owner of the feed; others may join until the
//! owner takes it for a poll. After that poll, a check that requested its row takes it from the answer; the others look
//! into the cache again.

mod batch;
mod find;
mod many;
mod owner;
mod prove;
mod sync;
#[cfg(test)]
mod tests;

use crate::service::workers::connector;
use crate::threads::worker;

pub(in crate::service) use find::{Find, SharedCache};
pub(in crate::service) use prove::Prove;
