//! A wrapper around a store, for tests: all calls pass through, and a [`Layer`] may count them,
//! refuse them or falsify their results.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::super::around::{Around, Repeat, Surrounded};
use super::super::{AdminStore, Connection, FeedKind, RevocationFeed, Store, StoreResult};
use super::super::{
    ClientCreation, ClientRotation, ClockTrust, EventFilter, EventList, Findings, ImportError, ImportReport, KeyEntry,
    KeyError, LastAdmin, LiveSet, NewClient, Retiring, SessionCount, SessionFilter, SessionList, SharedEmail, Subject,
    SweepMoment, SweepPolicy, SweepReport, UserChange, UserChanged, UserCreation, UserEntry, UserFilter,
};
use crate::domain::audit::AuditContext;
use crate::domain::client::{ClientEntry, ClientId};
use crate::domain::import::ImportData;
use crate::domain::jwt::{Algorithm, KeySecret, StoredKey};
use crate::domain::random::Random;
use crate::domain::session::{SessionId, TokenRecord};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::token::TokenDigest;
use crate::domain::user::{NewUser, PasswordHash, UserId};

/// What happens between a caller and the inner store.
pub trait Layer: Send + Sync + 'static {
    /// Runs before each step, with the name of its method; those of [`AdminStore`] begin with `AdminStore::`. If it
    /// fails, the caller gets the error, and the step is not done.
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
        let behind = self.behind.connect()?;
        Ok(Box::new(Surrounded(LayeredConnection { behind, layer: Arc::clone(&self.layer) })))
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

/// Methods that ask the layer, and then call the inner store.
macro_rules! pass {
    ($(fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $answer:ty;)+) => {
        $(fn $name(&self, $($argument: $type),*) -> $answer {
            self.layer.before(concat!("AdminStore::", stringify!($name)))?;
            self.behind.$name($($argument),*)
        })+
    };
}

impl<S: AdminStore, L: Layer> AdminStore for Layered<S, L> {
    pass! {
        fn create_user(new: &NewUser, shared: SharedEmail, audit: &AuditContext) -> StoreResult<UserCreation>;
        fn change_user(user: UserId, change: &UserChange, audit: &AuditContext) -> StoreResult<UserChanged>;
        fn set_password(
            user: UserId, new: &PasswordHash, keep: Option<SessionId>, audit: &AuditContext
        ) -> StoreResult<UserChanged>;
        fn set_active(user: UserId, active: bool, last: LastAdmin, audit: &AuditContext) -> StoreResult<UserChanged>;
        fn delete_user(user: UserId, last: LastAdmin, audit: &AuditContext) -> StoreResult<UserChanged>;
        fn end_everybody(audit: &AuditContext) -> StoreResult<()>;
        fn end_issued_before(moment: Timestamp, audit: &AuditContext) -> StoreResult<()>;
        fn list_users(filter: &UserFilter) -> StoreResult<Vec<UserEntry>>;
        fn list_sessions(filter: &SessionFilter) -> StoreResult<SessionList>;
        fn count_sessions(set: &LiveSet, progress: &mut dyn FnMut(u64) -> ControlFlow<()>) -> StoreResult<SessionCount>;
        fn end_sessions(
            set: &LiveSet, audit: &AuditContext, clock: &dyn Clock, progress: &mut dyn FnMut(u64)
        ) -> StoreResult<u64>;
        fn list_events(filter: &EventFilter) -> StoreResult<EventList>;
        fn count_events(from: Timestamp) -> StoreResult<BTreeMap<String, u64>>;
        fn note_password_given(session: SessionId, audit: &AuditContext) -> StoreResult<bool>;
        fn password_given_at(session: SessionId) -> StoreResult<Option<Timestamp>>;
        fn list_keys() -> StoreResult<Vec<KeyEntry>>;
        fn load_keys(given: Option<&KeySecret>) -> Result<Vec<StoredKey>, KeyError>;
        fn ensure_keys(
            algorithm: Algorithm, given: Option<&KeySecret>, random: &dyn Random, now: Timestamp
        ) -> Result<Vec<StoredKey>, KeyError>;
        fn rotate_key(
            algorithm: Algorithm, given: Option<&KeySecret>, random: &dyn Random, audit: &AuditContext
        ) -> Result<(), KeyError>;
        fn retire_key(id: i64, audit: &AuditContext) -> StoreResult<Retiring>;
        fn import(data: &ImportData, audit: &AuditContext) -> Result<ImportReport, ImportError>;
        fn sweep_once(
            now: Timestamp, trust: ClockTrust, policy: &SweepPolicy
        ) -> StoreResult<(SweepMoment, SweepReport)>;
        fn add_client(new: &NewClient, audit: &AuditContext) -> StoreResult<ClientCreation>;
        fn list_clients(after: Option<ClientId>, limit: u32) -> StoreResult<Vec<ClientEntry>>;
        fn rotate_client(rotation: &ClientRotation, audit: &AuditContext) -> StoreResult<bool>;
        fn delete_client(client: ClientId, audit: &AuditContext) -> StoreResult<bool>;
        fn look_up(subject: &Subject) -> StoreResult<Findings>;
    }
}

/// A connection of such a store; inside a group, one that belongs to the group.
struct LayeredConnection<C, L> {
    behind: C,
    layer: Arc<L>,
}

impl<C: AsConnection, L: Layer> Around for LayeredConnection<C, L> {
    fn around<T>(
        &mut self,
        method: &'static str,
        _: Repeat,
        mut work: impl FnMut(&mut dyn Connection) -> StoreResult<T>,
    ) -> StoreResult<T> {
        self.layer.before(method)?;
        work(self.behind.get())
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
        self.behind.get().group(&mut |behind| {
            work(&mut Surrounded(LayeredConnection { behind, layer: Arc::clone(layer) }));
        })
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
