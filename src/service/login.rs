//! Logging in with name and password.

use std::time::Duration;

use super::mint::{IssuedToken, Subject};
use super::throttle::{AccountLabel, Denied, Permit};
use super::workers::OnDisconnect;
use super::{Auth, ChangedMeanwhile, Unavailable};

mod administrator;
mod attended;
mod by_password;
mod events;
mod external;
mod pages;
mod unverifiable;
mod verify;

pub use by_password::{PasswordError, PasswordRequest, Whose};
pub use pages::Pages;
pub(super) use unverifiable::UnverifiableAccounts;
use verify::Presented;

use crate::domain::audit::{Actor, Event, Origin};
use crate::domain::dialect::Dialect;
use crate::domain::policy::Network;
use crate::domain::session::SessionId;
use crate::domain::session_name::SessionName;
use crate::domain::time::Timestamp;
use crate::domain::user::{Account, LoginName, NewUser, Password, PasswordHash, User, UserId};
use crate::store::{Connection, NewSession, Opening, SessionLimit, StoreResult};

/// A login request.
#[derive(Debug)]
pub struct LoginRequest {
    /// The dialect under which the session is opened.
    pub dialect: Dialect,
    /// The name.
    pub login: LoginName,
    /// The password.
    pub password: Password,
    /// The name of the new session.
    pub session_name: Option<SessionName>,
    /// Where the request came from.
    pub origin: Origin,
}

/// The result of a login, with the texts of the new tokens.
#[derive(Debug)]
pub struct Issued {
    /// The user, as of the login.
    pub user: User,
    /// The new session.
    pub session: SessionId,
    /// When it was opened.
    pub opened: Timestamp,
    /// The access token.
    pub access: IssuedToken,
    /// The refresh token, if the dialect has one.
    pub refresh: Option<IssuedToken>,
}

/// Why a login was refused. If it was because of the credentials, the client learns only that they are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefusal {
    /// No user has this name, or two users have this e-mail address.
    UnknownUser,
    /// The password is wrong, or the user has none.
    WrongPassword,
    /// The password is right, but the user is not active.
    InactiveUser,
    /// The user has as many sessions as allowed.
    LimitReached,
    /// There were too many failures for this account or from this network. The refusal does not depend on
    /// whether the user exists or the password is right.
    Throttled {
        /// The time after which the next attempt is allowed.
        after: Duration,
    },
}

impl LoginRefusal {
    /// A short name for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::InactiveUser => "inactive_user",
            Self::LimitReached => "limit_reached",
            Self::Throttled { .. } => "throttled",
        }
    }
}

/// Why a login failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginError {
    /// It was refused.
    Refused {
        /// Why.
        why: LoginRefusal,
        /// The account, for the log.
        account: AccountLabel,
    },
    /// It could not be decided now. This is not a refusal.
    Unavailable(Unavailable),
}

impl From<Unavailable> for LoginError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

/// A user whose password was right, as read before the hashing began.
struct Proven {
    user: User,
    /// The stored hash and its better replacement.
    upgrade: Option<(PasswordHash, PasswordHash)>,
    /// The new copy of an external user, if the stored copy is out of date.
    shadow: Option<NewUser>,
    /// The network of the login, if it must be recorded as known to the account.
    network: Option<Network>,
}

/// The result of verifying a password.
type Attempted = Result<Proven, NotProven>;

/// Why a user was not authenticated.
enum NotProven {
    Refused(LoginRefusal),
    Unavailable(Unavailable),
    Denied(Denied),
}

impl From<Unavailable> for NotProven {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl From<Denied> for NotProven {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Denied> for LoginError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Throttled(after, account) => Self::Refused { why: LoginRefusal::Throttled { after }, account },
            Denied::Busy => Self::Unavailable(Unavailable::TimedOut("passwords")),
        }
    }
}

/// How often the same network of an account is recorded.
const RECORD_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

impl Auth {
    /// Logs a user in.
    ///
    /// Neither the answer nor the time that it takes reveals whether the user exists, or the user's state. The session
    /// is durable before this returns.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn login(&self, request: LoginRequest) -> Result<Issued, LoginError> {
        let origin = request.origin.clone();
        match self.try_login(request).await {
            Ok(issued) => Ok(issued),
            Err(error) => Err(self.tell_refusal(Event::LoginFailed, error, origin).await),
        }
    }

    async fn try_login(&self, request: LoginRequest) -> Result<Issued, LoginError> {
        let LoginRequest { dialect, login, password, session_name, origin } = request;
        let name = login.clone();
        let verify = async |permit: &mut Permit| match self.inner.provider.clone() {
            Some(provider) => self.verify_externally(provider, login, password, (&origin, permit)).await,
            None => self.verify_login(login, password, permit).await,
        };
        let (proven, account) = self.under_throttle(&name, &origin, verify).await?;
        self.open(dialect, proven, session_name, origin).await.map_err(|error| match error {
            NotProven::Refused(why) => LoginError::Refused { why, account },
            NotProven::Unavailable(error) => LoginError::Unavailable(error),
            NotProven::Denied(denied) => denied.into(),
        })
    }

    /// Asks the throttle to admit the attempt to verify a password, and reports the outcome to it. Also returns the
    /// account, for the log.
    async fn under_throttle<T>(
        &self,
        login: &LoginName,
        origin: &Origin,
        verify: impl AsyncFnOnce(&mut Permit) -> Result<T, NotProven>,
    ) -> Result<(T, AccountLabel), LoginError> {
        // One limit for waiting altogether: for other attempts, for a thread, and for the hash.
        let until = tokio::time::Instant::now() + self.inner.timeouts.password;
        let admitted = tokio::time::timeout_at(until, self.inner.throttle.admit(login, origin)).await;
        let mut permit = admitted.unwrap_or(Err(Denied::Busy))?;
        let proven = tokio::time::timeout_at(until, verify(&mut permit)).await.unwrap_or(Err(Denied::Busy.into()));
        let account = permit.label();
        Ok((settle(proven, permit)?, account))
    }

    /// Reads the account, then verifies the password without holding a connection.
    async fn verify_login(&self, login: LoginName, password: Password, permit: &mut Permit) -> Attempted {
        self.verify_found(self.find_by(login), password, permit).await
    }

    async fn verify_found(
        &self,
        find: impl FnOnce(&mut dyn Connection) -> StoreResult<Option<Account>> + Send + 'static,
        password: Password,
        permit: &mut Permit,
    ) -> Attempted {
        let (account, network) = self.identify(permit, find).await?;
        let right = self.verify_password(permit, Presented { account, password, replacement: None }).await?;
        let Account { user, password: old } = right.account;
        let better = right.hash.and_then(Result::ok);
        Ok(Proven { user, upgrade: better.map(|better| (old, better)), shadow: None, network })
    }

    /// Finds the account to log in to.
    fn find_by(
        &self,
        login: LoginName,
    ) -> impl FnOnce(&mut dyn Connection) -> StoreResult<Option<Account>> + Send + 'static {
        let any_case = self.inner.policy.email_domain_any_case;
        move |connection| {
            let account = connection.find_account(&login)?;
            Ok(account.filter(|account| any_case || login.is_exactly(&account.user)))
        }
    }

    /// Looks up the account and whether it knows the network, and asks the throttle again. Also returns the network if
    /// a login from it must be recorded.
    async fn identify(
        &self,
        permit: &mut Permit,
        find: impl FnOnce(&mut dyn Connection) -> StoreResult<Option<Account>> + Send + 'static,
    ) -> Result<(Option<Account>, Option<Network>), NotProven> {
        let inner = &self.inner;
        let network = permit.network();
        let find = move |connection: &mut dyn Connection| {
            let account = find(connection)?;
            // A missing account takes as many reads as an existing one.
            let user = account.as_ref().map_or(UserId(i64::MIN), |account| account.user.id);
            let seen = connection.last_login_from(user, &network.to_string())?;
            Ok((account, seen))
        };
        let (account, seen) = self.read(find).await?;
        let known = account.is_some() && seen.is_some_and(|seen| seen >= inner.throttle.known_since());
        let user = account.as_ref().map(|account| account.user.id);
        permit.identify(user, known).await?;
        let is_due = seen.is_none_or(|seen| self.now().since(seen) >= RECORD_INTERVAL);
        Ok((account, is_due.then_some(network)))
    }

    async fn open(
        &self,
        dialect: Dialect,
        proven: Proven,
        name: Option<SessionName>,
        origin: Origin,
    ) -> Result<Issued, NotProven> {
        let Proven { user, upgrade, shadow, network } = proven;
        let (mut new, access, refresh) = self.new_session(dialect, &user, origin)?;
        new.name = name.map(SessionName::into_text);
        new.network = network.map(|network| network.to_string());
        let (session, opened_at, audit) = (new.id, new.audit.at, new.audit.clone());
        let open = self.opening(new);
        let open = move |connection: &mut dyn Connection| -> StoreResult<Opening> {
            if let Some(shadow) = shadow {
                connection.put_shadow_user(&shadow, &audit)?;
            }
            open(connection)
        };
        let opening = self.write(OnDisconnect::Cancel, open).await?;
        if let (Opening::Opened, Some((old, better))) = (opening, upgrade) {
            self.upgrade_hash(user.id, old, better);
        }
        match opening {
            Opening::Opened => Ok(Issued { user, session, opened: opened_at, access, refresh }),
            // The user has changed since the password was verified; the next attempt decides.
            Opening::Denied => Err(Unavailable::from(ChangedMeanwhile::Login).into()),
            Opening::LimitReached => Err(NotProven::Refused(LoginRefusal::LimitReached)),
        }
    }

    /// Replaces a stored hash. The login neither depends on this nor waits for it. If it fails, the next login tries
    /// again.
    fn upgrade_hash(&self, user: UserId, old: PasswordHash, better: PasswordHash) {
        drop(self.inner.writes.run(OnDisconnect::Finish, move |connection| {
            connection.upgrade_password_hash(user, &old, &better).inspect_err(|error| {
                log::warn!("the password hash of user {user} was not upgraded: {}", error.summary());
            })
        }));
    }

    /// The new session and its tokens. Its epoch is the one that was read with the password hash.
    fn new_session(
        &self,
        dialect: Dialect,
        user: &User,
        origin: Origin,
    ) -> Result<(NewSession, IssuedToken, Option<IssuedToken>), Unavailable> {
        let inner = &self.inner;
        let audit = self.audit(Event::Login, Actor::User(user.id), origin);
        let subject = Subject { dialect, user, opened: audit.at };
        let (access, new_access) = self.mint_access(&subject, None, audit.at, audit.at)?;
        let refresh = inner.policy.dialects.get(dialect).refresh.token_ttl();
        let refresh = refresh.map(|ttl| self.mint_refresh(&subject, None, ttl, audit.at)).transpose()?;
        let (refresh, new_refresh) = refresh.unzip();
        let mut id = [0_u8; 10];
        inner.random.fill(&mut id)?;
        let new = NewSession {
            id: SessionId::new(audit.at, &id),
            user: user.id,
            epoch: user.epoch,
            kind: dialect.into(),
            name: None,
            tokens: std::iter::once(new_access).chain(new_refresh).collect(),
            limit: inner.policy.token_limit.map(|max| SessionLimit {
                max,
                policy: inner.policy.limit_policy,
                idle_limit: inner.policy.idle_verdict_after(),
            }),
            network: None,
            with_event: true,
            audit,
        };
        Ok((new, access, refresh))
    }
}

/// Reports the result of an attempt to the throttle. All refusals with the message for a wrong password count
/// as failures.
fn settle<T>(attempted: Result<T, NotProven>, permit: Permit) -> Result<T, LoginError> {
    let account = permit.label();
    match attempted {
        Ok(proven) => {
            permit.succeeded();
            Ok(proven)
        }
        Err(NotProven::Refused(why)) => {
            permit.failed();
            Err(LoginError::Refused { why, account })
        }
        Err(NotProven::Unavailable(error)) => {
            permit.given_back();
            Err(LoginError::Unavailable(error))
        }
        Err(NotProven::Denied(denied)) => {
            permit.given_back();
            Err(match denied {
                // The permit's own label is more precise, because the account has been looked up since.
                Denied::Throttled(after, _) => LoginError::Refused { why: LoginRefusal::Throttled { after }, account },
                Denied::Busy => denied.into(),
            })
        }
    }
}

/// The error if too many logins are waiting, or the work panicked.
fn no_hash(_: tokio::sync::oneshot::error::RecvError) -> Unavailable {
    Unavailable::TimedOut("passwords")
}
