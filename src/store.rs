//! The interface of a store, and what it promises.
//!
//! A [`Store`] hands out [`Connection`]s; each pool of the service owns one and works with it
//! from a single thread. All methods block, and each is **one atomic step**: it happens whole
//! or not at all, and is durable when it has returned.
//!
//! A store may also have a [`RevocationFeed`], which reports what was revoked, so that a check reads nothing
//! while nothing was revoked.
//!
//! The product depends on two promises, which the suite in `conformance` requires of every
//! implementation:
//!
//! * **Reads are fresh.** [`Connection::find_many`] reflects every write, by any process, that was
//!   acknowledged before the call.
//! * **Dead stays dead.** Once a token was refused or its session ended, no sequence of writes
//!   makes it good again.
//!
//! Mistakes of callers are values ([`Opening::Denied`], `Ok(false)`); [`StoreError`] is
//! for failures. Absent is `Ok(None)`; "could not look" is `Err`.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::audit::{AuditContext, Origin};
use crate::domain::client::{ClientId, ClientRecord};
use crate::domain::session::{SessionEntry, SessionId, SessionKind, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenDigest, TokenKind};
use crate::domain::user::{Account, Epoch, LoginName, NewUser, PasswordHash, UserId};

mod access_limit;
mod admin;
pub(crate) mod around;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod diesel;
mod events;
mod feed;
pub mod memory;
mod self_service;

pub use crate::domain::policy::LimitPolicy;
pub use access_limit::AccessLimit;
pub use admin::{
    AdminStore, Clash, ClockTrust, Effort, ImportError, ImportReport, KeyEntry, KeyError, LastAdmin, LiveSet, Retiring,
    SessionCount, SessionFilter, SessionList, SessionMatch, SharedAddress, SharedEmail, SweepMoment, SweepPolicy,
    SweepReport, UserChange, UserChanged, UserCreation, UserEntry, UserFilter,
};
pub use admin::{ClientCreation, ClientRotation, NewClient};
pub use admin::{EndScope, Findings, FoundEnd, FoundEvent, FoundSession, FoundToken, KeptSession, LastEnd, Subject};
pub use events::{EventCursor, EventEntry, EventFilter, EventList, EventOrder, EventPosition, NewEvent};
pub use feed::{FeedKind, FeedUpdate, Invalidation, RevocationFeed, Revoked};
pub use self_service::{KeptSessions, PasswordChange};

/// The store could not do its work; the outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database could not be reached, or the connection broke: a new connection may help.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The connection broke before the step could have had any effect: running the step again on a
    /// new connection does nothing twice.
    #[error("the database is not available: {0}")]
    NotBegun(String),
    /// Another writer held a lock for too long; the same connection can be used again.
    #[error("the database was too busy: {0}")]
    Busy(String),
    /// The database's disk is full.
    #[error("the disk of the database is full: {0}")]
    Full(String),
    /// The database answered with an unexpected error.
    #[error("the database failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// What happened, without the store's own message, which may contain secrets.
    pub const fn summary(&self) -> &'static str {
        match self {
            Self::Unavailable(_) | Self::NotBegun(_) => "the database is not available",
            Self::Busy(_) => "the database was too busy",
            Self::Full(_) => "the disk of the database is full",
            Self::Failed(_) => "the database failed",
        }
    }

    /// Whether the connection must be dropped.
    pub const fn is_broken_connection(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::NotBegun(_))
    }
}

/// For how many networks of each user logins are remembered.
pub const NETWORKS_KEPT: usize = 50;

/// Result of a store's methods.
pub type StoreResult<T> = Result<T, StoreError>;

/// A database, or another place, for users, sessions and tokens.
pub trait Store: Send + Sync + 'static {
    /// A new connection, for the caller only.
    ///
    /// # Errors
    /// When the database cannot be reached within its connect time-out.
    fn connect(&self) -> StoreResult<Box<dyn Connection>>;

    /// How many connections may write at once: 1 if writers exclude each other anyway.
    fn writers(&self) -> usize;

    /// The kind of the store's revocation feed, if it has one.
    fn feed_kind(&self) -> FeedKind {
        FeedKind::None
    }

    /// A new revocation feed, which has reported nothing yet.
    ///
    /// # Errors
    /// When the database cannot be reached, or the store has no feed.
    fn feed(&self) -> StoreResult<Box<dyn RevocationFeed>> {
        Err(feed::cannot())
    }
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn connect(&self) -> StoreResult<Box<dyn Connection>> {
        (**self).connect()
    }

    fn writers(&self) -> usize {
        (**self).writers()
    }

    fn feed_kind(&self) -> FeedKind {
        (**self).feed_kind()
    }

    fn feed(&self) -> StoreResult<Box<dyn RevocationFeed>> {
        (**self).feed()
    }
}

/// One connection to a [`Store`]; see the [module](self) for what all methods promise.
pub trait Connection: Send {
    /// Whether the database answers at all, and may be used: its schema fits.
    ///
    /// # Errors
    /// When it does not.
    fn ping(&mut self) -> StoreResult<()>;

    /// Whether the database accepts more data. If not, checks are still answered.
    ///
    /// # Errors
    /// [`StoreError::Full`] when it does not, as far as the store knows.
    fn check_room(&mut self) -> StoreResult<()> {
        Ok(())
    }

    /// What is known of each digest, in the order of the call, whatever its state. One read. Tokens of an ended
    /// session may stay for a while: [`crate::domain::session::judge`] refuses them first of all.
    fn find_many(&mut self, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>>;

    /// The account to log in to, or `None` if the name fits no user, or an e-mail address two.
    fn find_account(&mut self, login: &LoginName) -> StoreResult<Option<Account>>;

    /// The account with this id.
    fn find_account_by_id(&mut self, user: UserId) -> StoreResult<Option<Account>>;

    /// When the user last logged in from `network`, by a session opened with [`NewSession::network`]. A store
    /// that keeps no networks returns `None`, and then no account knows any network (`docs/throttling.md`).
    fn last_login_from(&mut self, user: UserId, network: &str) -> StoreResult<Option<Timestamp>> {
        let _ = (user, network);
        Ok(None)
    }

    /// Opens a session with its tokens, if the user is active and still has the epoch that the
    /// caller read when it checked the password. Applies the limit, sets the time of the user's
    /// last login, and locks the user against concurrent changes until it is done.
    fn open_session(&mut self, new: &NewSession) -> StoreResult<Opening>;

    /// Adds tokens to the session of a token, if that token and its session live. With
    /// `successor`, this consumes the token, and exactly one of all concurrent callers succeeds;
    /// without, it does not matter whether it is consumed. Access tokens beyond the limit are deleted:
    /// expired ones first, then the oldest; never the presented one, the new ones, refresh tokens,
    /// consumed tokens, or successors that a repeat still has to find.
    fn refresh(&mut self, refresh: &Refresh) -> StoreResult<Refreshed>;

    /// What is known of the token that replaced `digest`; `None` if none did, or their
    /// session is over. It is returned to a client again, so it must be as durable as if this call had written it.
    fn find_successor(&mut self, digest: &TokenDigest) -> StoreResult<Option<Successor>>;

    /// Ends one session: stores the cause and deletes a bounded number of its tokens, so that
    /// it takes as long for a million as for one. `false` if there is no such session or it had ended
    /// before (by itself or with all of its user's); the first cause stays. The caller acknowledges that like an
    /// end, so it must be as durable as one.
    fn end_session(&mut self, session: SessionId, audit: &AuditContext) -> StoreResult<bool>;

    /// Ends a session that has not been used since `last_seen`, if that is still the time of its
    /// last use; `false` if it was used since, is unknown or has ended.
    fn end_idle_session(&mut self, session: SessionId, last_seen: Timestamp, audit: &AuditContext)
    -> StoreResult<bool>;

    /// Ends all sessions of a user, whatever their number, by raising the epoch. `false` if
    /// there is no such user.
    fn end_all_sessions(&mut self, user: UserId, audit: &AuditContext) -> StoreResult<bool>;

    /// Ends all sessions of a user but `keep`, at the same cost for any number, by raising the epoch. `false` if
    /// there is no such user.
    fn end_other_sessions(&mut self, user: UserId, keep: SessionId, audit: &AuditContext) -> StoreResult<bool>;

    /// Lists sessions, newest first. Among very many, it may stop before it has found enough, and says where.
    fn list_sessions(&mut self, filter: &SessionFilter) -> StoreResult<SessionList>;

    /// One session as it is listed, also if it is over.
    fn find_session(&mut self, session: SessionId) -> StoreResult<Option<SessionEntry>>;

    /// Sets a user's new password and ends the sessions that are not kept, if the user is active and has still the
    /// epoch and the hash that the caller read; else returns `false` and changes nothing. A store whose users have
    /// no passwords leaves it out.
    fn change_password(&mut self, change: &PasswordChange, audit: &AuditContext) -> StoreResult<bool> {
        let _ = (change, audit);
        Err(StoreError::Failed("this store has no passwords".to_owned()))
    }

    /// Stores a better hash of the same password, if the stored one is still `old`. Ends nothing.
    fn upgrade_password_hash(&mut self, user: UserId, old: &PasswordHash, new: &PasswordHash) -> StoreResult<bool>;

    /// Creates the shadow of a user from a user provider, or updates its name, address and
    /// staff flag. A name that the provider has meanwhile given to another user is
    /// taken from its former holder, unless that one has a password here. An inactive user is
    /// deactivated as by [`AdminStore::set_active`], which alone activates a known one again.
    /// Returns the user's epoch.
    fn put_shadow_user(&mut self, user: &NewUser, audit: &AuditContext) -> StoreResult<Epoch>;

    /// Records events that belong to no other step. A store without audit events does nothing.
    fn record_events(&mut self, events: &[NewEvent]) -> StoreResult<()> {
        let _ = events;
        Ok(())
    }

    /// Lists audit events. Among very many, it may stop before it has found enough, and says where. A store without audit
    /// events has none.
    fn list_events(&mut self, filter: &EventFilter) -> StoreResult<EventList> {
        let _ = filter;
        Ok(EventList::default())
    }

    /// Records when sessions were last used; never moves that time back. Unknown and ended
    /// sessions are skipped.
    fn touch(&mut self, seen: &[(SessionId, Timestamp)]) -> StoreResult<()>;

    /// What is known of a registered client, as fresh as [`Connection::find_many`]. A store without clients has none.
    ///
    /// A store with a [`RevocationFeed`] reports [`Invalidation::Everything`] after each change that could make a secret
    /// of a client bad or take a right away: a caller may remember a client until then.
    fn find_client(&mut self, client: ClientId) -> StoreResult<Option<ClientRecord>> {
        let _ = client;
        Ok(None)
    }

    /// Records when clients were last used; never moves that time back. Unknown clients are skipped.
    fn touch_clients(&mut self, used: &[(ClientId, Timestamp)]) -> StoreResult<()> {
        let _ = used;
        Ok(())
    }

    /// Runs `work` so that everything it writes becomes durable together, if the database
    /// gains by that. If this returns an error, nothing that `work` wrote has happened. A
    /// single step that fails inside `work` undoes only itself.
    fn group(&mut self, work: &mut dyn FnMut(&mut dyn Connection)) -> StoreResult<()>;
}

/// A session to be opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id, made by the caller with [`SessionId::new`] of the time of `audit`: searches by time go by ids.
    pub id: SessionId,
    /// Its user.
    pub user: UserId,
    /// The user's epoch, as read together with the password hash that was checked.
    pub epoch: Epoch,
    /// As what it is opened: under which dialect, or for administration.
    pub kind: SessionKind,
    /// A name for it, such as that of a script's token.
    pub name: Option<String>,
    /// Its tokens.
    pub tokens: Vec<NewToken>,
    /// How many sessions the user may have.
    pub limit: Option<SessionLimit>,
    /// The network of the login, an address or an IPv6 network as text, if it becomes known to the account.
    /// For each user, the [`NETWORKS_KEPT`] latest are kept; no time is moved back.
    pub network: Option<String>,
    /// Whether the audit event of the context is written with it: not if it is counted instead.
    pub with_event: bool,
    /// The audit context: why, by whom, from where and when.
    pub audit: AuditContext,
}

/// A token to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewToken {
    /// Its digest.
    pub digest: TokenDigest,
    /// Its kind.
    pub kind: TokenKind,
    /// When it expires; `None`: never.
    pub expires: Option<Timestamp>,
    /// The key that signed it, if it is a JWT.
    pub key: Option<i64>,
}

/// A refresh: new tokens for the session of a token.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// The token that was presented.
    pub presented: TokenDigest,
    /// The tokens to be added.
    pub tokens: Vec<NewToken>,
    /// The new token that replaces the presented one; `None`: it is not consumed.
    pub successor: Option<TokenDigest>,
    /// When, by the injected clock.
    pub at: Timestamp,
    /// How many access tokens the session keeps; `None`: any number.
    pub limit: Option<AccessLimit>,
}

/// The outcome of a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// The tokens were added.
    Done,
    /// Another refresh was first: the token is consumed.
    Consumed,
    /// The token or its session is dead, or unknown.
    Gone,
}

/// A token that replaced another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Successor {
    /// Its digest.
    pub digest: TokenDigest,
    /// When it was made.
    pub created: Timestamp,
    /// When it expires; `None`: never.
    pub expires: Option<Timestamp>,
    /// The key that signed it, if it is a JWT.
    pub key: Option<i64>,
}

/// How many live sessions a user may have, and what happens to further ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimit {
    /// The greatest number of live sessions, at least 1.
    pub max: u32,
    /// What happens to a login beyond it.
    pub policy: LimitPolicy,
    /// Sessions unused for longer than this are dead and do not count.
    pub idle_limit: Option<Duration>,
}

/// The outcome of opening a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It is open.
    Opened,
    /// The user does not exist, is inactive, has another epoch than the caller read, or is no administrator and the
    /// session is for administration.
    Denied,
    /// The user has as many sessions as allowed.
    LimitReached,
}

/// The origin of a write, as columns.
impl Origin {
    /// The address as text.
    pub fn address_text(&self) -> Option<String> {
        self.address.map(|address| address.to_string())
    }
}
