//! The types for threads and queues, under these names so that tests can replace them.

pub(super) use std::sync::Arc;
pub(super) use std::time::Instant;
