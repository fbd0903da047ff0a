//! Name and password in, token out.

use super::{Auth, KnownUser, Unavailable, lanes::Wanted, within};
use crate::cause::{Actor, Origin, Reason};
use crate::dialect::Dialect;
use crate::password::Verification;
use crate::session::SessionId;
use crate::store::{NewSession, NewToken, Opening, SessionLimit, StoreResult};
use crate::time::Timestamp;
use crate::token::{Token, TokenKind};
use crate::user::{Account, Epoch, LoginName, NewUser, Password, PasswordHash, User, UserId};

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
    /// The access token.
    pub access: Token,
    /// When the access token stops being good; `None`: never.
    pub expires: Option<Timestamp>,
}

/// Why a login was refused. The client is told no more than that it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefusal {
    /// Nobody has this name, or an e-mail address is held by two.
    UnknownUser,
    /// The password is wrong, or the user has none.
    WrongPassword,
    /// The password is right, the user not active.
    InactiveUser,
    /// The user changed while the password was being checked.
    Overtaken,
}

impl LoginRefusal {
    /// A short name for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::InactiveUser => "inactive_user",
            Self::Overtaken => "overtaken",
        }
    }
}

/// Why a login gave no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginError {
    /// The credentials are not good.
    Refused(LoginRefusal),
    /// The user has as many sessions as allowed.
    LimitReached,
    /// It could not be done now.
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
    /// Set for somebody else's user, whose shadow is to be brought up to date.
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
        let proven = if self.inner.credentials.is_some() {
            self.prove_elsewhere(login, password).await?
        } else {
            self.prove(login, password).await?
        };
        self.open(dialect, proven, origin).await
    }

    /// Reads the account, then hashes with no connection held.
    async fn prove(&self, login: LoginName, password: Password) -> Result<Proven, LoginError> {
        let inner = &self.inner;
        let found = inner.checks.run(Wanted::WhileAwaited, move |connection| connection.find_account(&login));
        let account = within(inner.timeouts.check, "checks", found).await?;
        let (hasher, random) = (inner.hasher, std::sync::Arc::clone(&inner.random));
        let hashed = inner.passwords.run(move || {
            let verification = hasher.verify(&password, account.as_ref().map(|found| &found.password));
            let better = match (&account, verification) {
                (Some(found), Verification::RightButOutdated) if found.user.is_active => {
                    hasher.hash(&password, &*random).ok()
                }
                // The refusal must take as long as that of a wrong password.
                (Some(found), Verification::RightButOutdated) => {
                    hasher.pad_refusal(&password, &found.password);
                    None
                }
                (_, Verification::Right | Verification::Wrong) | (None, _) => None,
            };
            (account, verification, better)
        });
        let (account, verification, better) = self.hashed(hashed).await?;
        let Some(Account { user, password: old }) = account else {
            return Err(LoginError::Refused(LoginRefusal::UnknownUser));
        };
        match verification {
            Verification::Wrong => Err(LoginError::Refused(LoginRefusal::WrongPassword)),
            Verification::Right | Verification::RightButOutdated if !user.is_active => {
                Err(LoginError::Refused(LoginRefusal::InactiveUser))
            }
            Verification::Right | Verification::RightButOutdated => {
                Ok(Proven { user, upgrade: better.map(|better| (old, better)), shadow: None })
            }
        }
    }

    async fn prove_elsewhere(&self, login: LoginName, password: Password) -> Result<Proven, LoginError> {
        let inner = &self.inner;
        let Some(credentials) = inner.credentials.clone() else {
            return Err(LoginError::Refused(LoginRefusal::UnknownUser));
        };
        let asked = inner.passwords.run(move || credentials.verify(&login, &password));
        let known = self.hashed(asked).await?.map_err(|_| Unavailable::Elsewhere("the user system did not answer"))?;
        let Some(KnownUser { id, username, email, is_staff }) = known else {
            return Err(LoginError::Refused(LoginRefusal::WrongPassword));
        };
        let shadow = NewUser {
            id: Some(id),
            username: username.clone(),
            email: email.clone(),
            password: PasswordHash::unusable(),
            is_active: true,
            is_staff,
            created: self.now(),
        };
        let user = User { id, username, email, is_active: true, is_staff, epoch: Epoch(0) };
        Ok(Proven { user, upgrade: None, shadow: Some(shadow) })
    }

    async fn hashed<T>(&self, answer: tokio::sync::oneshot::Receiver<T>) -> Result<T, Unavailable> {
        match tokio::time::timeout(self.inner.timeouts.password, answer).await {
            Ok(Ok(value)) => Ok(value),
            // Too many logins wait already, or the work panicked.
            Ok(Err(_)) | Err(_) => Err(Unavailable::TimedOut("passwords")),
        }
    }

    async fn open(&self, dialect: Dialect, proven: Proven, origin: Origin) -> Result<Issued, LoginError> {
        let Proven { mut user, upgrade, shadow } = proven;
        let expires = self.inner.policy.token_ttl.map(|ttl| self.now().saturating_add(ttl));
        let (new, access) = self.new_session(dialect, user.id, user.epoch, expires, origin)?;
        let session = new.id;
        let opened = self.inner.writes.run(Wanted::WhileAwaited, move |connection| -> StoreResult<(Opening, Epoch)> {
            let mut new = new;
            if let Some(shadow) = shadow {
                new.epoch = connection.put_shadow_user(&shadow, &new.cause)?;
            }
            let opening = connection.open_session(&new)?;
            if let (Opening::Opened, Some((old, better))) = (opening, upgrade) {
                // The login stands without it; the next one tries again.
                if let Err(error) = connection.upgrade_password_hash(new.user, &old, &better) {
                    log::warn!("the password hash of user {} was not upgraded: {}", new.user, error.summary());
                }
            }
            Ok((opening, new.epoch))
        });
        let (opening, epoch) = within(self.inner.timeouts.write, "writes", opened).await?;
        user.epoch = epoch;
        match opening {
            Opening::Opened => Ok(Issued { user, session, access, expires }),
            Opening::Denied => Err(LoginError::Refused(LoginRefusal::Overtaken)),
            Opening::LimitReached => Err(LoginError::LimitReached),
        }
    }

    fn new_session(
        &self,
        dialect: Dialect,
        user: UserId,
        epoch: Epoch,
        expires: Option<Timestamp>,
        origin: Origin,
    ) -> Result<(NewSession, Token), Unavailable> {
        let inner = &self.inner;
        let cause = self.cause(Reason::Login, Actor::User(user), origin);
        let no_random = |_| Unavailable::Elsewhere("no random bytes");
        let access = Token::generate(&*inner.random, &inner.policy.token_prefix).map_err(no_random)?;
        let mut id = [0_u8; 10];
        inner.random.fill(&mut id).map_err(no_random)?;
        let new = NewSession {
            id: SessionId::new(cause.at, &id),
            user,
            epoch,
            dialect,
            name: None,
            tokens: vec![NewToken { digest: access.digest(), kind: TokenKind::Access, expires }],
            limit: inner.policy.token_limit.map(|max| SessionLimit {
                max,
                policy: inner.policy.limit_policy,
                idle_limit: inner.policy.idle_verdict_after(),
            }),
            cause,
        };
        Ok((new, access))
    }
}
