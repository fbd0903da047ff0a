//! Name and password in, token out.

use std::sync::Arc;
use std::time::Duration;

use super::lanes::{Wanted, Work};
use super::mint::{IssuedToken, Subject};
use super::throttle::{AccountLabel, Denied, Permit};
use super::{Auth, Unavailable, within};

mod elsewhere;
mod unverifiable;

pub(super) use unverifiable::UnverifiableAccounts;

use crate::cause::{Actor, Origin, Reason};
use crate::dialect::Dialect;
use crate::password::{Algorithm, Verification, is_verifiable};
use crate::policy::{Network, RefreshPolicy};
use crate::session::SessionId;
use crate::store::{Connection, NewSession, Opening, SessionLimit, StoreResult};
use crate::time::Timestamp;
use crate::user::{Account, LoginName, NewUser, Password, PasswordHash, User, UserId};

/// A login as a dialect read it.
#[derive(Debug)]
pub struct LoginRequest {
    /// The contract that the session is opened under.
    pub dialect: Dialect,
    /// Who wants in.
    pub login: LoginName,
    /// With which password.
    pub password: Password,
    /// From where.
    pub origin: Origin,
}

/// What a login gives: the only value that carries a token's text outwards.
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
    /// The refresh token, where the dialect has one.
    pub refresh: Option<IssuedToken>,
}

/// Why a login was refused. About the credentials, the client is told no more than that they are
/// not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefusal {
    /// Nobody has this name, or an e-mail address is held by two.
    UnknownUser,
    /// The password is wrong, or the user has none.
    WrongPassword,
    /// The password is right, the user not active.
    InactiveUser,
    /// The user has as many sessions as allowed.
    LimitReached,
    /// There were too many failures at this account or from this network. Whether the user exists, and
    /// whether the password is right, was not looked at, or has no part in it.
    Throttled {
        /// When the next try may be made.
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

/// Why a login gave no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginError {
    /// The user may not have one.
    Refused {
        /// Why.
        why: LoginRefusal,
        /// Whose account it is, for the log.
        account: AccountLabel,
    },
    /// It could not be done now. Never to be taken for a refusal.
    Unavailable(Unavailable),
}

impl From<Unavailable> for LoginError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

/// A user whose password was right, as seen before the hashing began.
struct Proven {
    user: User,
    /// The stored hash and its better replacement.
    upgrade: Option<(PasswordHash, PasswordHash)>,
    /// Set for somebody else's user whose shadow is out of date.
    shadow: Option<NewUser>,
    /// The network of the login, if the account's knowledge of it is to be written down.
    network: Option<Network>,
}

/// What came of a try, as far as it counts.
type Tried = Result<Proven, NotProven>;

/// Why a user was not proven.
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

/// An account's knowledge of a network is written down once in this time.
const NOTED_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

impl Auth {
    /// Logs a user in.
    ///
    /// Whether the user exists, and what its state is, shows neither in the answer nor in the
    /// work done for it. The session is durable before this returns.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn login(&self, request: LoginRequest) -> Result<Issued, LoginError> {
        let LoginRequest { dialect, login, password, origin } = request;
        // All of its waiting together: for other tries, for a thread, for the hash.
        let until = tokio::time::Instant::now() + self.inner.timeouts.password;
        let admitted = tokio::time::timeout_at(until, self.inner.throttle.admit(&login, &origin)).await;
        let mut permit = admitted.unwrap_or(Err(Denied::Busy))?;
        let proving = async {
            match self.inner.credentials.clone() {
                Some(credentials) => self.prove_elsewhere(credentials, login, password, (&origin, &mut permit)).await,
                None => self.prove(login, password, &mut permit).await,
            }
        };
        let proven = tokio::time::timeout_at(until, proving).await.unwrap_or(Err(Denied::Busy.into()));
        let account = permit.label();
        let proven = settle(proven, permit)?;
        self.open(dialect, proven, origin).await.map_err(|error| match error {
            NotProven::Refused(why) => LoginError::Refused { why, account },
            NotProven::Unavailable(error) => LoginError::Unavailable(error),
            NotProven::Denied(denied) => denied.into(),
        })
    }

    /// Reads the account, then hashes with no connection held.
    async fn prove(&self, login: LoginName, password: Password, permit: &mut Permit) -> Tried {
        let (account, network) = self.identify(permit, move |connection| connection.find_account(&login)).await?;
        if let Some(account) = &account {
            self.inner.unverifiable.tell(account);
        }
        let (hasher, random) = (self.inner.hasher, Arc::clone(&self.inner.random));
        let (stored, memory) = (account.clone(), Arc::clone(&self.inner.hash_memory));
        let hashed = self.inner.passwords.run(permit, work_of(account.as_ref()), move || {
            let verification = hasher.verify_within(&password, stored.as_ref().map(|found| &found.password), &memory);
            let better = match (&stored, verification) {
                (Some(found), Verification::RightButOutdated) if found.user.is_active => {
                    hasher.hash(&password, &*random).ok()
                }
                // The refusal must take as long as that of a wrong password.
                (Some(found), Verification::RightButOutdated) => {
                    hasher.pad_refusal(&password, &found.password);
                    None
                }
                (_, Verification::Right | Verification::Wrong | Verification::OutOfMemory) | (None, _) => None,
            };
            (verification, better)
        });
        let (verification, better) = hashed.await.map_err(no_hash)?;
        let Some(Account { user, password: old }) = account else {
            return Err(NotProven::Refused(LoginRefusal::UnknownUser));
        };
        match verification {
            Verification::Wrong => Err(NotProven::Refused(LoginRefusal::WrongPassword)),
            Verification::OutOfMemory => {
                log::warn!(user = user.id.0; "there is too little memory to verify the password's stored hash");
                Err(Unavailable::Elsewhere("too little memory to verify a password").into())
            }
            Verification::Right | Verification::RightButOutdated if !user.is_active => {
                Err(NotProven::Refused(LoginRefusal::InactiveUser))
            }
            Verification::Right | Verification::RightButOutdated => {
                Ok(Proven { user, upgrade: better.map(|better| (old, better)), shadow: None, network })
            }
        }
    }

    /// Looks up the account and whether it knows the network, and has the throttle judge both. With the
    /// network, if a login from it is to be written down.
    async fn identify(
        &self,
        permit: &mut Permit,
        find: impl FnOnce(&mut dyn Connection) -> StoreResult<Option<Account>> + Send + 'static,
    ) -> Result<(Option<Account>, Option<Network>), NotProven> {
        let inner = &self.inner;
        let network = permit.network();
        let found = inner.checks.run(Wanted::WhileAwaited, move |connection| {
            let account = find(connection)?;
            // Nobody's account takes as many reads as somebody's.
            let user = account.as_ref().map_or(UserId(i64::MIN), |account| account.user.id);
            let seen = connection.last_login_from(user, &network.to_string())?;
            Ok((account, seen))
        });
        let (account, seen) = within(inner.timeouts.check, "checks", found).await?;
        let known = account.is_some() && seen.is_some_and(|seen| seen >= inner.throttle.known_since());
        let user = account.as_ref().map(|account| account.user.id);
        permit.identify(user, known).await?;
        let to_note = seen.is_none_or(|seen| self.now().since(seen) >= NOTED_EVERY);
        Ok((account, to_note.then_some(network)))
    }

    async fn open(&self, dialect: Dialect, proven: Proven, origin: Origin) -> Result<Issued, NotProven> {
        let Proven { user, upgrade, shadow, network } = proven;
        let (mut new, access, refresh) = self.new_session(dialect, &user, origin)?;
        new.network = network.map(|network| network.to_string());
        let (session, opened_at) = (new.id, new.cause.at);
        let opened = self.inner.writes.run(Wanted::WhileAwaited, move |connection| -> StoreResult<Opening> {
            if let Some(shadow) = shadow {
                connection.put_shadow_user(&shadow, &new.cause)?;
            }
            connection.open_session(&new)
        });
        let opening = within(self.inner.timeouts.write, "writes", opened).await?;
        if let (Opening::Opened, Some((old, better))) = (opening, upgrade) {
            self.upgrade_hash(user.id, old, better);
        }
        match opening {
            Opening::Opened => Ok(Issued { user, session, opened: opened_at, access, refresh }),
            // The password was right a moment ago; the next try tells whether it still is.
            Opening::Denied => Err(Unavailable::Elsewhere("the user changed during the login").into()),
            Opening::LimitReached => Err(NotProven::Refused(LoginRefusal::LimitReached)),
        }
    }

    /// The login stands without it, and does not wait for it; the next one tries again.
    fn upgrade_hash(&self, user: UserId, old: PasswordHash, better: PasswordHash) {
        drop(self.inner.writes.run(Wanted::Always, move |connection| {
            connection.upgrade_password_hash(user, &old, &better).inspect_err(|error| {
                log::warn!("the password hash of user {user} was not upgraded: {}", error.summary());
            })
        }));
    }

    /// The session and its tokens. Its user's epoch is the one that was read with the password.
    fn new_session(
        &self,
        dialect: Dialect,
        user: &User,
        origin: Origin,
    ) -> Result<(NewSession, IssuedToken, Option<IssuedToken>), Unavailable> {
        let inner = &self.inner;
        let cause = self.cause(Reason::Login, Actor::User(user.id), origin);
        let subject = Subject { dialect, user, opened: cause.at };
        let (access, new_access) = self.mint_access(&subject, cause.at, cause.at)?;
        let mut tokens = vec![new_access];
        let refresh = match inner.policy.dialects.get(dialect).refresh {
            RefreshPolicy::Pair { ttl, .. } => {
                let (refresh, new) = self.mint_refresh(&subject, None, ttl, cause.at)?;
                tokens.push(new);
                Some(refresh)
            }
            RefreshPolicy::None | RefreshPolicy::Access { .. } => None,
        };
        let mut id = [0_u8; 10];
        inner.random.fill(&mut id).map_err(|_| Unavailable::Elsewhere("no random bytes"))?;
        let new = NewSession {
            id: SessionId::new(cause.at, &id),
            user: user.id,
            epoch: user.epoch,
            dialect,
            name: None,
            tokens,
            limit: inner.policy.token_limit.map(|max| SessionLimit {
                max,
                policy: inner.policy.limit_policy,
                idle_limit: inner.policy.idle_verdict_after(),
            }),
            network: None,
            cause,
        };
        Ok((new, access, refresh))
    }
}

/// Tells the throttle what came of a try. Whoever is refused in the words of a wrong password counts as
/// one who had it wrong.
fn settle(tried: Tried, permit: Permit) -> Result<Proven, LoginError> {
    let account = permit.label();
    match tried {
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
                // Looked up meanwhile, and known better than before.
                Denied::Throttled(after, _) => LoginError::Refused { why: LoginRefusal::Throttled { after }, account },
                Denied::Busy => denied.into(),
            })
        }
    }
}

/// Too many logins wait already, or the work panicked.
fn no_hash(_: tokio::sync::oneshot::error::RecvError) -> Unavailable {
    Unavailable::TimedOut("passwords")
}

/// What verifying a password takes. Nobody's account takes an ordinary hash.
fn work_of(account: Option<&Account>) -> Work {
    match account.and_then(|account| is_verifiable(&account.password).ok()) {
        Some(Algorithm::Argon2 | Algorithm::Scrypt) => Work::LargeHash,
        Some(
            Algorithm::BcryptSha256
            | Algorithm::Bcrypt
            | Algorithm::Pbkdf2Sha256
            | Algorithm::Pbkdf2Sha1
            | Algorithm::Sha1
            | Algorithm::UnsaltedSha1
            | Algorithm::Md5
            | Algorithm::UnsaltedMd5,
        )
        | None => Work::Hash,
    }
}
