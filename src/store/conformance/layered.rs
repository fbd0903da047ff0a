//! A wrapper around a store, for tests: all calls pass through, and a [`Layer`] may count them,
//! refuse them or falsify their results.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::super::{AdminStore, Connection, FeedKind, RevocationFeed, Store, StoreResult};
use super::super::{
    ClientCreation, ClientRotation, ClockTrust, EventFilter, EventList, Findings, ImportError, ImportReport, KeyEntry,
    KeyError, LastAdmin, LiveSet, NewClient, NewEvent, NewSession, Opening, PasswordChange, Refresh, Refreshed,
    Retiring, SessionCount, SessionFilter, SessionList, SharedEmail, Subject, Successor, SweepMoment, SweepPolicy,
    SweepReport, UserChange, UserChanged, UserCreation, UserEntry, UserFilter,
};
use crate::domain::audit::AuditContext;
use crate::domain::client::{ClientEntry, ClientId, ClientRecord};
use crate::domain::import::ImportData;
use crate::domain::jwt::{Algorithm, KeySecret, StoredKey};
use crate::domain::random::Random;
use crate::domain::session::{SessionEntry, SessionId, TokenRecord};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::token::TokenDigest;
use crate::domain::user::{Account, Epoch, LoginName, NewUser, PasswordHash, UserId};

/// What happens between a caller and the inner store.
pub trait Layer: Send + Sync + 'static {
    /// Runs before each step, with the name of its method. If it fails, the caller gets the error, and the step is not
    /// done.
    ///
    /// # Errors
    /// The error with which the step fails.
    fn before(&self, method: &'static str) -> StoreResult<()> {
        let _ = method;
        Ok(())
    }

    /// The kind of the store's feed; a layer that falsifies [`Connection::find_many`] returns none, because
    /// checks would bypass it.
    fn feed_kind(&self, behind: FeedKind) -> FeedKind {
        behind
    }

    /// Runs [`Connection::find_many`].
    ///
    /// # Errors
    /// As that method.
    fn find_many(&self, behind: &mut dyn Connection, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>> {
        behind.find_many(digests)
    }

    /// Runs [`Connection::end_session`].
    ///
    /// # Errors
    /// As that method.
    fn end_session(&self, behind: &mut dyn Connection, session: SessionId, audit: &AuditContext) -> StoreResult<bool> {
        behind.end_session(session, audit)
    }
}

/// A store with a layer around it.
pub struct Layered<S, L> {
    behind: S,
    layer: Arc<L>,
}

impl<S, L> Layered<S, L> {
    /// Puts `layer` around a store.
    pub fn new(behind: S, layer: L) -> Self {
        Self { behind, layer: Arc::new(layer) }
    }

    /// The layer.
    pub fn layer(&self) -> &Arc<L> {
        &self.layer
    }

    /// The inner store.
    pub const fn behind(&self) -> &S {
        &self.behind
    }
}

impl<S: Clone, L> Clone for Layered<S, L> {
    fn clone(&self) -> Self {
        Self { behind: self.behind.clone(), layer: Arc::clone(&self.layer) }
    }
}

impl<S: Store, L: Layer> Store for Layered<S, L> {
    fn connect(&self) -> StoreResult<Box<dyn Connection>> {
        self.layer.before("connect")?;
        Ok(Box::new(LayeredConnection { behind: self.behind.connect()?, layer: Arc::clone(&self.layer) }))
    }

    fn writers(&self) -> usize {
        // These two cannot fail.
        let _ = self.layer.before("writers");
        self.behind.writers()
    }

    fn feed_kind(&self) -> FeedKind {
        let _ = self.layer.before("feed_kind");
        self.layer.feed_kind(self.behind.feed_kind())
    }

    fn feed(&self) -> StoreResult<Box<dyn RevocationFeed>> {
        self.layer.before("feed")?;
        self.behind.feed()
    }
}

/// Methods that ask the layer, and then call the inner store or connection.
macro_rules! pass {
    ($(fn $name:ident($receiver:tt $(, $argument:ident: $type:ty)*) -> $answer:ty;)+) => {
        $(pass!(@ $receiver $name ($($argument: $type),*) $answer);)+
    };
    (@ store $name:ident ($($argument:ident: $type:ty),*) $answer:ty) => {
        fn $name(&self, $($argument: $type),*) -> $answer {
            self.layer.before(stringify!($name))?;
            self.behind.$name($($argument),*)
        }
    };
    (@ connection $name:ident ($($argument:ident: $type:ty),*) $answer:ty) => {
        fn $name(&mut self, $($argument: $type),*) -> $answer {
            self.layer.before(stringify!($name))?;
            self.behind.get().$name($($argument),*)
        }
    };
}

impl<S: AdminStore, L: Layer> AdminStore for Layered<S, L> {
    pass! {
        fn create_user(
            store, new: &NewUser, shared: SharedEmail, audit: &AuditContext
        ) -> StoreResult<UserCreation>;
        fn change_user(store, user: UserId, change: &UserChange, audit: &AuditContext) -> StoreResult<UserChanged>;
        fn set_password(
            store, user: UserId, new: &PasswordHash, keep: Option<SessionId>, audit: &AuditContext
        ) -> StoreResult<UserChanged>;
        fn set_active(
            store, user: UserId, active: bool, last: LastAdmin, audit: &AuditContext
        ) -> StoreResult<UserChanged>;
        fn delete_user(store, user: UserId, last: LastAdmin, audit: &AuditContext) -> StoreResult<UserChanged>;
        fn end_everybody(store, audit: &AuditContext) -> StoreResult<()>;
        fn end_issued_before(store, moment: Timestamp, audit: &AuditContext) -> StoreResult<()>;
        fn list_users(store, filter: &UserFilter) -> StoreResult<Vec<UserEntry>>;
        fn list_sessions(store, filter: &SessionFilter) -> StoreResult<SessionList>;
        fn count_sessions(
            store, set: &LiveSet, progress: &mut dyn FnMut(u64) -> ControlFlow<()>
        ) -> StoreResult<SessionCount>;
        fn end_sessions(
            store, set: &LiveSet, audit: &AuditContext, clock: &dyn Clock, progress: &mut dyn FnMut(u64)
        ) -> StoreResult<u64>;
        fn list_events(store, filter: &EventFilter) -> StoreResult<EventList>;
        fn count_events(store, from: Timestamp) -> StoreResult<BTreeMap<String, u64>>;
        fn note_password_given(store, session: SessionId, audit: &AuditContext) -> StoreResult<bool>;
        fn password_given_at(store, session: SessionId) -> StoreResult<Option<Timestamp>>;
        fn list_keys(store) -> StoreResult<Vec<KeyEntry>>;
        fn load_keys(store, given: Option<&KeySecret>) -> Result<Vec<StoredKey>, KeyError>;
        fn ensure_keys(
            store, algorithm: Algorithm, given: Option<&KeySecret>, random: &dyn Random, now: Timestamp
        ) -> Result<Vec<StoredKey>, KeyError>;
        fn rotate_key(
            store, algorithm: Algorithm, given: Option<&KeySecret>, random: &dyn Random, audit: &AuditContext
        ) -> Result<(), KeyError>;
        fn retire_key(store, id: i64, audit: &AuditContext) -> StoreResult<Retiring>;
        fn import(store, data: &ImportData, audit: &AuditContext) -> Result<ImportReport, ImportError>;
        fn sweep_once(
            store, now: Timestamp, trust: ClockTrust, policy: &SweepPolicy
        ) -> StoreResult<(SweepMoment, SweepReport)>;
        fn add_client(store, new: &NewClient, audit: &AuditContext) -> StoreResult<ClientCreation>;
        fn list_clients(store, after: Option<ClientId>, limit: u32) -> StoreResult<Vec<ClientEntry>>;
        fn rotate_client(store, rotation: &ClientRotation, audit: &AuditContext) -> StoreResult<bool>;
        fn delete_client(store, client: ClientId, audit: &AuditContext) -> StoreResult<bool>;
        fn look_up(store, subject: &Subject) -> StoreResult<Findings>;
    }
}

/// A connection of such a store; inside a group, one that belongs to the group.
struct LayeredConnection<C, L> {
    behind: C,
    layer: Arc<L>,
}

impl<C: AsConnection, L: Layer> Connection for LayeredConnection<C, L> {
    pass! {
        fn ping(connection) -> StoreResult<()>;
        fn check_room(connection) -> StoreResult<()>;
        fn find_account(connection, login: &LoginName) -> StoreResult<Option<Account>>;
        fn find_account_by_id(connection, user: UserId) -> StoreResult<Option<Account>>;
        fn last_login_from(connection, user: UserId, network: &str) -> StoreResult<Option<Timestamp>>;
        fn open_session(connection, new: &NewSession) -> StoreResult<Opening>;
        fn refresh(connection, refresh: &Refresh) -> StoreResult<Refreshed>;
        fn find_successor(connection, digest: &TokenDigest) -> StoreResult<Option<Successor>>;
        fn end_idle_session(connection, session: SessionId, last_seen: Timestamp, audit: &AuditContext) -> StoreResult<bool>;
        fn end_all_sessions(connection, user: UserId, audit: &AuditContext) -> StoreResult<bool>;
        fn end_other_sessions(connection, user: UserId, keep: SessionId, audit: &AuditContext) -> StoreResult<bool>;
        fn list_sessions(connection, filter: &SessionFilter) -> StoreResult<SessionList>;
        fn find_session(connection, session: SessionId) -> StoreResult<Option<SessionEntry>>;
        fn change_password(connection, change: &PasswordChange, audit: &AuditContext) -> StoreResult<bool>;
        fn upgrade_password_hash(connection, user: UserId, old: &PasswordHash, new: &PasswordHash) -> StoreResult<bool>;
        fn put_shadow_user(connection, user: &NewUser, audit: &AuditContext) -> StoreResult<Epoch>;
        fn record_events(connection, events: &[NewEvent]) -> StoreResult<()>;
        fn list_events(connection, filter: &EventFilter) -> StoreResult<EventList>;
        fn touch(connection, seen: &[(SessionId, Timestamp)]) -> StoreResult<()>;
        fn find_client(connection, client: ClientId) -> StoreResult<Option<ClientRecord>>;
        fn touch_clients(connection, used: &[(ClientId, Timestamp)]) -> StoreResult<()>;
    }

    fn find_many(&mut self, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>> {
        self.layer.before("find_many")?;
        self.layer.find_many(self.behind.get(), digests)
    }

    fn end_session(&mut self, session: SessionId, audit: &AuditContext) -> StoreResult<bool> {
        self.layer.before("end_session")?;
        self.layer.end_session(self.behind.get(), session, audit)
    }

    fn group(&mut self, work: &mut dyn FnMut(&mut dyn Connection)) -> StoreResult<()> {
        let layer = &self.layer;
        layer.before("group")?;
        self.behind.get().group(&mut |behind| work(&mut LayeredConnection { behind, layer: Arc::clone(layer) }))
    }
}

/// A connection, owned or borrowed.
trait AsConnection: Send {
    fn get(&mut self) -> &mut dyn Connection;
}

impl AsConnection for Box<dyn Connection> {
    fn get(&mut self) -> &mut dyn Connection {
        &mut **self
    }
}

impl AsConnection for &mut dyn Connection {
    fn get(&mut self) -> &mut dyn Connection {
        &mut **self
    }
}
