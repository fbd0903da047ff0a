//! What a store promises.
//!
//! A [`Store`] hands out [`Connection`]s; each pool of the service owns one and works with it
//! from a single thread. All methods block, and each is **one atomic step**: it happens whole
//! or not at all, and is durable when it has returned.
//!
//! Besides, a store may tell what was revoked, to a [`RevocationFeed`], so that a check need not read at
//! all while nothing was.
//!
//! Two promises carry the product, and every implementation is held to them by
//! the suite in `conformance`:
//!
//! * **Reads are fresh.** [`Connection::find_many`] reflects every write, by whomever, that was
//!   acknowledged before the call.
//! * **Dead stays dead.** Once a token was refused or its session ended, no sequence of writes
//!   makes it good again.
//!
//! What a caller may get wrong is a value ([`Opening::Denied`], `Ok(false)`); [`StoreError`] is
//! for accidents. Absent is `Ok(None)`; "could not look" is `Err`.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::audit::{AuditContext, Origin};
use crate::domain::dialect::Dialect;
use crate::domain::session::{SessionId, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenDigest, TokenKind};
use crate::domain::user::{Account, Epoch, LoginName, NewUser, PasswordHash, UserId};

mod access_limit;
mod admin;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod diesel;
mod feed;
pub mod memory;

pub use crate::domain::policy::LimitPolicy;
pub use access_limit::AccessLimit;
pub use admin::{
    AdminStore, Clash, ClockTrust, ImportError, ImportReport, KeyEntry, KeyError, Retiring, SessionFilter,
    SharedAddress, SharedEmail, SweepMoment, SweepPolicy, SweepReport, UserChange, UserChanged, UserCreation,
    UserEntry, UserFilter,
};
pub use feed::{FeedKind, FeedUpdate, Invalidation, RevocationFeed, Revoked};

/// The store could not do its work; nothing is known of the outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database could not be reached, or broke off: a new connection may help.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The connection broke before the step could have done anything: running the step again on a
    /// new connection does nothing twice.
    #[error("the database is not available: {0}")]
    NotBegun(String),
    /// Another writer was in the way for too long; the same connection may go on.
    #[error("the database was too busy: {0}")]
    Busy(String),
    /// The database's disk has no room for more.
    #[error("the disk of the database is full: {0}")]
    Full(String),
    /// The database answered with something that should not be.
    #[error("the database failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// What happened, without the store's own words, which may speak of secrets.
    pub const fn summary(&self) -> &'static str {
        match self {
            Self::Unavailable(_) | Self::NotBegun(_) => "the database is not available",
            Self::Busy(_) => "the database was too busy",
            Self::Full(_) => "the disk of the database is full",
            Self::Failed(_) => "the database failed",
        }
    }

    /// Whether the connection must be given up.
    pub const fn is_broken_connection(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::NotBegun(_))
    }
}

/// From how many networks each user's logins are remembered.
pub const NETWORKS_KEPT: usize = 50;

/// Result of a store's methods.
pub type StoreResult<T> = Result<T, StoreError>;

/// A place where users, sessions and tokens are remembered.
pub trait Store: Send + Sync + 'static {
    /// A new connection, not shared with anybody.
    ///
    /// # Errors
    /// When the database cannot be reached within its connect time-out.
    fn connect(&self) -> StoreResult<Box<dyn Connection>>;

    /// How many connections may write at once: 1 where writers exclude each other anyway.
    fn writers(&self) -> usize;

    /// How the store can be followed, if at all.
    fn feed_kind(&self) -> FeedKind {
        FeedKind::None
    }

    /// A new feed, which knows of nothing yet.
    ///
    /// # Errors
    /// When the database cannot be reached, or the store cannot be followed.
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

    /// Whether the database takes more data. Where it does not, checks are still answered.
    ///
    /// # Errors
    /// [`StoreError::Full`] when it does not, as far as the store can tell.
    fn check_room(&mut self) -> StoreResult<()> {
        Ok(())
    }

    /// What is known of each digest, in the order asked, whatever its state. One read. Of a session
    /// that ended, tokens may be left for a while: [`crate::domain::session::judge`] refuses them first of all.
    fn find_many(&mut self, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>>;

    /// The account to log in to, or `None` if the name fits no user, or an e-mail address two.
    fn find_account(&mut self, login: &LoginName) -> StoreResult<Option<Account>>;

    /// The account with this id.
    fn find_account_by_id(&mut self, user: UserId) -> StoreResult<Option<Account>>;

    /// When the user last logged in from `network`, by a session opened with [`NewSession::network`]. A store
    /// that keeps none says `None`, and then no network is known to any account (`docs/throttling.md`).
    fn last_login_from(&mut self, user: UserId, network: &str) -> StoreResult<Option<Timestamp>> {
        let _ = (user, network);
        Ok(None)
    }

    /// Opens a session with its tokens, if the user is active and still of the epoch that the
    /// caller saw when it checked the password. Takes the limit into account, sets the user's
    /// last login, and holds the user against concurrent changes until it is done.
    fn open_session(&mut self, new: &NewSession) -> StoreResult<Opening>;

    /// Gives the session of a token more tokens, if that token and its session live. With
    /// `successor`, the token is consumed by this, and of all who try, exactly one does it;
    /// without, it does not matter whether it is consumed. Access tokens beyond the limit give way:
    /// expired ones first, then the oldest; never the presented one, the new ones, refresh tokens,
    /// consumed tokens, or successors that a repeat still has to find.
    fn refresh(&mut self, refresh: &Refresh) -> StoreResult<Refreshed>;

    /// What is known of the token that took the place of `digest`; `None` if none did, or their
    /// session is over. It is handed out again, so it must be as durable as if this call had written it.
    fn find_successor(&mut self, digest: &TokenDigest) -> StoreResult<Option<Successor>>;

    /// Ends one session: marks it with the cause and deletes a bounded number of its tokens, so that
    /// it takes as long for a million as for one. `false` if there is no such session or it had ended
    /// before (by itself or with all of its user's); the first cause stands. That is acknowledged like an
    /// end, so it must be as durable as one.
    fn end_session(&mut self, session: SessionId, audit: &AuditContext) -> StoreResult<bool>;

    /// Ends a session for not having been used since `last_seen`, if that is still when it was
    /// last used; `false` if it was used since, is unknown or has ended.
    fn end_idle_session(&mut self, session: SessionId, last_seen: Timestamp, audit: &AuditContext)
    -> StoreResult<bool>;

    /// Ends all sessions of a user, whatever their number, by raising the epoch. `false` if
    /// there is no such user.
    fn end_all_sessions(&mut self, user: UserId, audit: &AuditContext) -> StoreResult<bool>;

    /// Stores the same password's better hash, if the stored one is still `old`. Ends nothing.
    fn upgrade_password_hash(&mut self, user: UserId, old: &PasswordHash, new: &PasswordHash) -> StoreResult<bool>;

    /// Makes the user of somebody else's system known here, or brings its name, address and
    /// staff flag up to date. A name that this system has meanwhile given to another user is
    /// taken from its former holder, unless that one has a password here. An inactive user is
    /// deactivated as by [`AdminStore::set_active`], which alone activates a known one again.
    /// Returns the user's epoch.
    fn put_shadow_user(&mut self, user: &NewUser, audit: &AuditContext) -> StoreResult<Epoch>;

    /// Notes when sessions were last used; never moves that time back. Unknown and ended
    /// sessions are passed over.
    fn touch(&mut self, seen: &[(SessionId, Timestamp)]) -> StoreResult<()>;

    /// Runs `work` so that everything it writes becomes durable together, where the database
    /// gains by that. When this returns an error, nothing that `work` wrote has happened. A
    /// single step that fails inside `work` undoes itself alone.
    fn group(&mut self, work: &mut dyn FnMut(&mut dyn Connection)) -> StoreResult<()>;
}

/// A session to be opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id, made by the caller.
    pub id: SessionId,
    /// Its user.
    pub user: UserId,
    /// The user's epoch, as read together with the password hash that was checked.
    pub epoch: Epoch,
    /// The contract it is opened under.
    pub dialect: Dialect,
    /// A name for it, such as that of a script's token.
    pub name: Option<String>,
    /// Its tokens.
    pub tokens: Vec<NewToken>,
    /// How many sessions the user may have.
    pub limit: Option<SessionLimit>,
    /// The network of the login, an address or an IPv6 network as text, if the user is to be known to have
    /// logged in from there. Of each user, the [`NETWORKS_KEPT`] latest are kept; no time is moved back.
    pub network: Option<String>,
    /// Why, by whom, from where and when.
    pub audit: AuditContext,
}

/// A token to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewToken {
    /// Its digest.
    pub digest: TokenDigest,
    /// What it is good for.
    pub kind: TokenKind,
    /// When it stops being good; `None`: never.
    pub expires: Option<Timestamp>,
    /// The key that signed it, if it is a JWT.
    pub key: Option<i64>,
}

/// A token that is exchanged for others of its session.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// The token that was presented.
    pub presented: TokenDigest,
    /// The tokens to be added.
    pub tokens: Vec<NewToken>,
    /// The one of them that takes the place of the presented one; `None`: it lives on.
    pub successor: Option<TokenDigest>,
    /// When, by the injected clock.
    pub at: Timestamp,
    /// How many access tokens the session keeps; `None`: any number.
    pub limit: Option<AccessLimit>,
}

/// What came of a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// The tokens are there.
    Done,
    /// Somebody else was first: the token is consumed.
    Consumed,
    /// The token or its session is dead, or unknown.
    Gone,
}

/// A token that took another one's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Successor {
    /// Its digest.
    pub digest: TokenDigest,
    /// When it was made.
    pub created: Timestamp,
    /// When it stops being good; `None`: never.
    pub expires: Option<Timestamp>,
    /// The key that signed it, if it is a JWT.
    pub key: Option<i64>,
}

/// How many live sessions a user may have, and what gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimit {
    /// The greatest number of live sessions, at least 1.
    pub max: u32,
    /// What happens to one more.
    pub policy: LimitPolicy,
    /// Sessions unused for longer than this are dead and do not count.
    pub idle_limit: Option<Duration>,
}

/// What came of opening a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It is open.
    Opened,
    /// The user is gone, inactive, or of another epoch than the caller saw.
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
