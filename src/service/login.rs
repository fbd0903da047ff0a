//! Name and password in, token out.

use std::sync::Arc;

use super::mint::{IssuedToken, Subject};
use super::{Auth, Unavailable, lanes::Wanted, within};

mod elsewhere;
mod unverifiable;

pub(super) use unverifiable::UnverifiableAccounts;

use crate::cause::{Actor, Origin, Reason};
use crate::dialect::Dialect;
use crate::password::Verification;
use crate::policy::RefreshPolicy;
use crate::session::SessionId;
use crate::store::{NewSession, Opening, SessionLimit, StoreResult};
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
}

impl LoginRefusal {
    /// A short name for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::InactiveUser => "inactive_user",
            Self::LimitReached => "limit_reached",
        }
    }
}

/// Why a login gave no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginError {
    /// The user may not have one.
    Refused(LoginRefusal),
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
}

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
        let proven = match self.inner.credentials.clone() {
            Some(credentials) => self.prove_elsewhere(credentials, login, password, &origin).await?,
            None => self.prove(login, password).await?,
        };
        self.open(dialect, proven, origin).await
    }

    /// Reads the account, then hashes with no connection held.
    async fn prove(&self, login: LoginName, password: Password) -> Result<Proven, LoginError> {
        let inner = &self.inner;
        let found = inner.checks.run(Wanted::WhileAwaited, move |connection| connection.find_account(&login));
        let account = within(inner.timeouts.check, "checks", found).await?;
        if let Some(account) = &account {
            inner.unverifiable.tell(account);
        }
        let (hasher, random, memory) = (inner.hasher, Arc::clone(&inner.random), Arc::clone(&inner.hash_memory));
        let hashed = inner.passwords.run(move || {
            let stored = account.as_ref().map(|found| &found.password);
            let verification = hasher.verify_within(&password, stored, &memory);
            let better = match (&account, verification) {
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
            (account, verification, better)
        });
        let (account, verification, better) = self.hashed(hashed).await?;
        let Some(Account { user, password: old }) = account else {
            return Err(LoginError::Refused(LoginRefusal::UnknownUser));
        };
        match verification {
            Verification::Wrong => Err(LoginError::Refused(LoginRefusal::WrongPassword)),
            Verification::OutOfMemory => {
                log::warn!(user = user.id.0; "there is too little memory to verify the password's stored hash");
                Err(Unavailable::Elsewhere("too little memory to verify a password").into())
            }
            Verification::Right | Verification::RightButOutdated if !user.is_active => {
                Err(LoginError::Refused(LoginRefusal::InactiveUser))
            }
            Verification::Right | Verification::RightButOutdated => {
                Ok(Proven { user, upgrade: better.map(|better| (old, better)), shadow: None })
            }
        }
    }

    async fn hashed<T>(&self, answer: tokio::sync::oneshot::Receiver<T>) -> Result<T, Unavailable> {
        match tokio::time::timeout(self.inner.timeouts.password, answer).await {
            Ok(Ok(value)) => Ok(value),
            // Too many logins wait already, or the work panicked.
            Ok(Err(_)) | Err(_) => Err(Unavailable::TimedOut("passwords")),
        }
    }

    async fn open(&self, dialect: Dialect, proven: Proven, origin: Origin) -> Result<Issued, LoginError> {
        let Proven { user, upgrade, shadow } = proven;
        let (new, access, refresh) = self.new_session(dialect, &user, origin)?;
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
            Opening::LimitReached => Err(LoginError::Refused(LoginRefusal::LimitReached)),
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
            cause,
        };
        Ok((new, access, refresh))
    }
}
