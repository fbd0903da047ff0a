//! A thread's connection: opened when it is needed, probed while it is idle.

use std::time::Duration;

use super::sync::Instant;
use crate::store::{StoreError, StoreResult};

/// After a failed attempt to connect there is no other one for this long: jobs that need the connection fail at once.
pub(in crate::service) const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// A connection, if there is one.
pub(in crate::service) struct Connector<C> {
    connection: Option<C>,
    failed: Option<(Instant, StoreError)>,
    idle_since: Option<Instant>,
}

impl<C> Connector<C> {
    pub(in crate::service) const fn new() -> Self {
        Self { connection: None, failed: None, idle_since: None }
    }

    /// Takes the connection. If it still works, [`Connector::keep`] puts it back.
    pub(in crate::service) fn take(&mut self) -> Option<C> {
        self.connection.take()
    }

    pub(in crate::service) fn keep(&mut self, connection: C) -> &mut C {
        self.connection.insert(connection)
    }

    pub(in crate::service) fn get(&mut self) -> Option<&mut C> {
        self.connection.as_mut()
    }

    pub(in crate::service) const fn is_open(&self) -> bool {
        self.connection.is_some()
    }

    pub(in crate::service) fn close(&mut self) {
        self.connection = None;
    }

    /// Opens a new one with `open`, unless that failed a moment ago.
    pub(in crate::service) fn connect(&mut self, open: impl FnOnce() -> StoreResult<C>) -> StoreResult<C> {
        if let Some((_, error)) = self.failed.as_ref().filter(|(at, _)| at.elapsed() < RECONNECT_PAUSE) {
            return Err(error.clone());
        }
        let opened = open();
        self.failed = opened.as_ref().err().map(|error| (Instant::now(), error.clone()));
        opened
    }

    /// The thread is busy now.
    pub(in crate::service) fn begin_use(&mut self) {
        self.idle_since = None;
    }

    /// The thread is idle now: how long until the connection needs a probe, if there is one.
    pub(in crate::service) fn probe_in(&mut self, probe_after: Duration) -> Option<Duration> {
        let idle_since = *self.idle_since.get_or_insert_with(Instant::now);
        self.is_open().then(|| probe_after.saturating_sub(idle_since.elapsed()))
    }
}
