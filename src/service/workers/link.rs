//! The connection of a pool's thread: opened when it is needed, replaced when it breaks.
//!
//! A connection that broke while it was idle shows this only when it is used. So steps that cannot have
//! had any effect run once more on a new connection, if a client still waits for them: reads, and
//! writes whose transaction could not be opened. A write whose commit was not answered may have
//! happened; it is repeated only if it ends one session, since that has no effect the second time.

use std::cell::Cell;

use super::connector::Connector;
use super::sync::Arc;
use crate::domain::audit::AuditContext;
use crate::domain::client::{ClientId, ClientRecord};
use crate::domain::session::{SessionEntry, SessionId, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenDigest;
use crate::domain::user::{Account, Epoch, LoginName, NewUser, PasswordHash, UserId};
use crate::store::{
    Connection, EventFilter, EventList, NewEvent, NewSession, Opening, PasswordChange, Refresh, Refreshed,
    SessionFilter, SessionList, Store, StoreError, StoreResult, Successor,
};

/// A thread's connection, and the store that opens another one.
pub(super) struct Link {
    store: Arc<dyn Store>,
    pub(super) connector: Connector<Box<dyn Connection>>,
}

/// When a step on a broken connection may run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retry {
    /// If it cannot have had any effect.
    IfNotBegun,
    /// In any case: doing it twice is the same as doing it once.
    Always,
}

impl Retry {
    const fn allows(self, error: &StoreError) -> bool {
        match self {
            Self::IfNotBegun => matches!(error, StoreError::NotBegun(_)),
            Self::Always => error.is_broken_connection(),
        }
    }
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
    pub(super) const fn step<'b>(&'b mut self, is_wanted: &'b (dyn Fn() -> bool + Sync)) -> LinkStep<'b> {
        LinkStep { link: self, is_wanted }
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
        retry: Retry,
        is_wanted: &dyn Fn() -> bool,
        mut work: impl FnMut(&mut dyn Connection) -> StoreResult<T>,
    ) -> StoreResult<T> {
        // The step found no connection: a second attempt would find none either.
        self.open()?;
        match self.attempt(&mut work) {
            Err(error) if retry.allows(&error) && is_wanted() => self.attempt(&mut work),
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

impl LinkStep<'_> {
    fn read<T>(&mut self, work: impl FnMut(&mut dyn Connection) -> StoreResult<T>) -> StoreResult<T> {
        self.link.run(Retry::Always, self.is_wanted, work)
    }

    fn write<T>(&mut self, work: impl FnMut(&mut dyn Connection) -> StoreResult<T>) -> StoreResult<T> {
        self.link.run(Retry::IfNotBegun, self.is_wanted, work)
    }

    /// Ends one session. If the answer to the first attempt was lost, the second one may find the
    /// session ended.
    fn end_one(&mut self, work: impl FnMut(&mut dyn Connection) -> StoreResult<bool>) -> StoreResult<bool> {
        self.link.run(Retry::Always, self.is_wanted, work)
    }
}

impl Connection for LinkStep<'_> {
    fn ping(&mut self) -> StoreResult<()> {
        self.read(|connection| connection.ping())
    }

    fn check_room(&mut self) -> StoreResult<()> {
        self.read(|connection| connection.check_room())
    }

    fn find_many(&mut self, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>> {
        self.read(|connection| connection.find_many(digests))
    }

    fn find_account(&mut self, login: &LoginName) -> StoreResult<Option<Account>> {
        self.read(|connection| connection.find_account(login))
    }

    fn find_account_by_id(&mut self, user: UserId) -> StoreResult<Option<Account>> {
        self.read(|connection| connection.find_account_by_id(user))
    }

    fn last_login_from(&mut self, user: UserId, network: &str) -> StoreResult<Option<Timestamp>> {
        self.read(|connection| connection.last_login_from(user, network))
    }

    fn find_successor(&mut self, digest: &TokenDigest) -> StoreResult<Option<Successor>> {
        self.read(|connection| connection.find_successor(digest))
    }

    fn end_session(&mut self, session: SessionId, audit: &AuditContext) -> StoreResult<bool> {
        self.end_one(|connection| connection.end_session(session, audit))
    }

    fn end_idle_session(
        &mut self,
        session: SessionId,
        last_seen: Timestamp,
        audit: &AuditContext,
    ) -> StoreResult<bool> {
        self.end_one(|connection| connection.end_idle_session(session, last_seen, audit))
    }

    fn open_session(&mut self, new: &NewSession) -> StoreResult<Opening> {
        self.write(|connection| connection.open_session(new))
    }

    fn refresh(&mut self, refresh: &Refresh) -> StoreResult<Refreshed> {
        self.write(|connection| connection.refresh(refresh))
    }

    fn end_all_sessions(&mut self, user: UserId, audit: &AuditContext) -> StoreResult<bool> {
        self.write(|connection| connection.end_all_sessions(user, audit))
    }

    fn end_other_sessions(&mut self, user: UserId, keep: SessionId, audit: &AuditContext) -> StoreResult<bool> {
        self.write(|connection| connection.end_other_sessions(user, keep, audit))
    }

    fn list_sessions(&mut self, filter: &SessionFilter) -> StoreResult<SessionList> {
        self.read(|connection| connection.list_sessions(filter))
    }

    fn find_session(&mut self, session: SessionId) -> StoreResult<Option<SessionEntry>> {
        self.read(|connection| connection.find_session(session))
    }

    fn change_password(&mut self, change: &PasswordChange, audit: &AuditContext) -> StoreResult<bool> {
        self.write(|connection| connection.change_password(change, audit))
    }

    fn upgrade_password_hash(&mut self, user: UserId, old: &PasswordHash, new: &PasswordHash) -> StoreResult<bool> {
        self.write(|connection| connection.upgrade_password_hash(user, old, new))
    }

    fn put_shadow_user(&mut self, user: &NewUser, audit: &AuditContext) -> StoreResult<Epoch> {
        self.write(|connection| connection.put_shadow_user(user, audit))
    }

    fn record_events(&mut self, events: &[NewEvent]) -> StoreResult<()> {
        self.write(|connection| connection.record_events(events))
    }

    fn list_events(&mut self, filter: &EventFilter) -> StoreResult<EventList> {
        self.read(|connection| connection.list_events(filter))
    }

    fn touch(&mut self, seen: &[(SessionId, Timestamp)]) -> StoreResult<()> {
        self.write(|connection| connection.touch(seen))
    }

    fn find_client(&mut self, client: ClientId) -> StoreResult<Option<ClientRecord>> {
        self.read(|connection| connection.find_client(client))
    }

    fn touch_clients(&mut self, used: &[(ClientId, Timestamp)]) -> StoreResult<()> {
        self.write(|connection| connection.touch_clients(used))
    }

    /// Runs `work` once: a failure in it fails the group.
    fn group(&mut self, work: &mut dyn FnMut(&mut dyn Connection)) -> StoreResult<()> {
        let has_run = Cell::new(false);
        self.link.run(Retry::IfNotBegun, &|| !has_run.get(), |connection| {
            connection.group(&mut |inside| {
                has_run.set(true);
                work(inside);
            })
        })
    }
}
