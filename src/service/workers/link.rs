//! The connection of a pool's thread: opened when it is needed, replaced when it breaks.
//!
//! A connection that broke while it was idle shows this only when it is used. So steps that cannot have
//! had any effect run once more on a new connection, if a client still waits for them: reads, and
//! writes whose transaction could not be opened. A write whose commit was not answered may have
//! happened; it is repeated only if it ends one session, since that has no effect the second time.

use std::cell::Cell;

use super::connector::Connector;
use super::sync::Arc;
use crate::store::around::{Around, Repeat, Surrounded};
use crate::store::{Connection, Store, StoreError, StoreResult};

/// A thread's connection, and the store that opens another one.
pub(super) struct Link {
    store: Arc<dyn Store>,
    pub(super) connector: Connector<Box<dyn Connection>>,
}

impl Link {
    pub(super) const fn new(store: Arc<dyn Store>) -> Self {
        Self { store, connector: Connector::new() }
    }

    pub(super) fn close(&mut self) {
        self.connector.close();
    }

    /// Probes the connection, and replaces one that does not answer.
    pub(super) fn probe(&mut self) {
        let Some(connection) = self.connector.get() else { return };
        if connection.ping().is_err_and(|error| error.is_broken_connection()) {
            self.close();
            // If that fails too, the next job tries again and gets the error.
            let _ = self.open();
        }
    }

    /// A connection for one step, which is repeated while `is_wanted`.
    pub(super) const fn step<'b>(&'b mut self, is_wanted: &'b (dyn Fn() -> bool + Sync)) -> Surrounded<LinkStep<'b>> {
        Surrounded(LinkStep { link: self, is_wanted })
    }

    fn open(&mut self) -> StoreResult<&mut dyn Connection> {
        let connection = match self.connector.take() {
            Some(connection) => connection,
            None => self.connector.connect(|| self.store.connect())?,
        };
        Ok(&mut **self.connector.keep(connection))
    }

    fn run<T>(
        &mut self,
        repeat: Repeat,
        is_wanted: &dyn Fn() -> bool,
        mut work: impl FnMut(&mut dyn Connection) -> StoreResult<T>,
    ) -> StoreResult<T> {
        // The step found no connection: a second attempt would find none either.
        self.open()?;
        match self.attempt(&mut work) {
            Err(error) if repeat.allows(&error) && is_wanted() => self.attempt(&mut work),
            outcome => outcome,
        }
    }

    fn attempt<T>(&mut self, work: &mut impl FnMut(&mut dyn Connection) -> StoreResult<T>) -> StoreResult<T> {
        let outcome = work(self.open()?);
        if outcome.as_ref().is_err_and(StoreError::is_broken_connection) {
            self.close();
        }
        outcome
    }
}

/// See [`Link::step`].
pub(super) struct LinkStep<'b> {
    link: &'b mut Link,
    is_wanted: &'b (dyn Fn() -> bool + Sync),
}

impl Around for LinkStep<'_> {
    fn around<T>(
        &mut self,
        _: &'static str,
        repeat: Repeat,
        work: impl FnMut(&mut dyn Connection) -> StoreResult<T>,
    ) -> StoreResult<T> {
        self.link.run(repeat, self.is_wanted, work)
    }

    /// Runs `work` once: a failure in it fails the group.
    fn group(&mut self, work: &mut dyn FnMut(&mut dyn Connection)) -> StoreResult<()> {
        let has_run = Cell::new(false);
        self.link.run(Repeat::IfNotBegun, &|| !has_run.get(), |connection| {
            connection.group(&mut |inside| {
                has_run.set(true);
                work(inside);
            })
        })
    }
}
