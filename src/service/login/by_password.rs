//! What a password is good for besides a login: setting another one, and logging out everywhere.
//!
//! Both need a permit of the throttle, do the same work and have the same refusals as a login, so that neither a stolen
//! token nor these endpoints give free guesses.

use super::verify::{NoHash, Presented};
use super::{LoginError, LoginRefusal};
use crate::domain::audit::{Actor, Event, Origin};
use crate::domain::password_rules::{Owner, WeakPassword, judge_new_password};
use crate::domain::session::Verified;
use crate::domain::user::{Account, LoginName, Password, UserId};
use crate::service::throttle::Permit;
use crate::service::workers::OnDisconnect;
use crate::service::{Auth, ChangedMeanwhile, Unavailable};
use crate::store::{Connection, KeptSessions, PasswordChange};

/// A request to set another password.
#[derive(Debug)]
pub struct PasswordRequest {
    /// Whose password.
    pub whose: Whose,
    /// The present password, or a one-time password.
    pub current: Password,
    /// The new password.
    pub new: Password,
    /// Whether the user's other sessions stay live.
    pub keep_others: bool,
    /// Where the request came from.
    pub origin: Origin,
}

/// Whose password is changed.
#[derive(Debug)]
pub enum Whose {
    /// That of the user with this name.
    Named(LoginName),
    /// That of the user of this session, which stays live.
    Session(Box<Verified>),
}

/// Why a password was not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordError {
    /// The present password was refused as at a login, or could not be verified.
    Login(LoginError),
    /// The new password is easily guessed.
    Weak(WeakPassword),
}

impl<E: Into<LoginError>> From<E> for PasswordError {
    fn from(error: E) -> Self {
        Self::Login(error.into())
    }
}

impl Auth {
    /// Whether passwords are verified and set here, and not by a user provider.
    pub fn has_passwords(&self) -> bool {
        self.inner.provider.is_none()
    }

    /// Sets a new password for a user who proves the present one, or has a one-time password. In the same transaction,
    /// all other sessions of the user end, unless the request keeps them. Returns the user.
    ///
    /// # Errors
    /// Why the password was not changed, or that the outcome is unknown.
    pub async fn change_password(&self, request: PasswordRequest) -> Result<UserId, PasswordError> {
        let origin = request.origin.clone();
        match self.try_change_password(request).await {
            Err(PasswordError::Login(error)) => {
                Err(PasswordError::Login(self.tell_refusal(Event::PasswordChangeRefused, error, origin).await))
            }
            outcome => outcome,
        }
    }

    async fn try_change_password(&self, request: PasswordRequest) -> Result<UserId, PasswordError> {
        let PasswordRequest { whose, current, new, keep_others, origin } = request;
        judge_by_what_is_known(&new, &whose)?;
        let (login, id, session) = match whose {
            Whose::Named(login) => (login, None, None),
            Whose::Session(who) => {
                (LoginName::Username(who.user.username.clone()), Some(who.user.id), Some(who.session.id))
            }
        };
        let name = login.clone();
        let verify = async |permit: &mut Permit| {
            let by_name = self.find_by(login);
            let find = move |connection: &mut dyn Connection| match id {
                Some(id) => connection.find_account_by_id(id),
                None => by_name(connection),
            };
            let (account, _) = self.identify(permit, find).await?;
            let replacement = Some((new, self.now()));
            self.verify_password(permit, Presented { account, password: current, replacement }).await
        };
        let (right, _) = self.under_throttle(&name, &origin, verify).await?;
        let new = match right.hash {
            Some(Ok(hash)) => hash,
            Some(Err(NoHash::Weak(weak))) => return Err(PasswordError::Weak(weak)),
            Some(Err(NoHash::Random)) | None => return Err(Unavailable::NoRandomness.into()),
        };
        let Account { user, password: old } = right.account;
        let keep = match (keep_others, session) {
            (true, _) => KeptSessions::All,
            (false, Some(session)) => KeptSessions::One(session),
            (false, None) => KeptSessions::None,
        };
        let change = PasswordChange { user: user.id, epoch: user.epoch, old, new, keep };
        let audit = self.audit(Event::PasswordChanged, Actor::User(user.id), origin);
        let changed =
            self.write(OnDisconnect::Finish, move |connection| connection.change_password(&change, &audit)).await?;
        // The next attempt decides.
        let changed_meanwhile = Unavailable::from(ChangedMeanwhile::PasswordChange);
        if changed { Ok(user.id) } else { Err(changed_meanwhile.into()) }
    }

    /// Ends all sessions of the user with this name and password, in all dialects, and opens none. Returns the user.
    ///
    /// # Errors
    /// As of a login.
    pub async fn logout_all_by_password(
        &self,
        login: LoginName,
        password: Password,
        origin: Origin,
    ) -> Result<UserId, LoginError> {
        let name = login.clone();
        let verify = async |permit: &mut Permit| self.verify_login(login, password, permit).await;
        let (proven, account) = match self.under_throttle(&name, &origin, verify).await {
            Ok(proven) => proven,
            Err(error) => return Err(self.tell_refusal(Event::LoginFailed, error, origin).await),
        };
        let user = proven.user.id;
        let audit = self.audit(Event::LogoutAll, Actor::User(user), origin);
        if !self.write(OnDisconnect::Finish, move |connection| connection.end_all_sessions(user, &audit)).await? {
            return Err(LoginError::Refused { why: LoginRefusal::UnknownUser, account });
        }
        if let Some((old, better)) = proven.upgrade {
            self.upgrade_hash(user, old, better);
        }
        Ok(user)
    }
}

/// Judges a new password by what the client knows of its owner, before any work is done for it. Once the present
/// password is proved, the new one is judged by the whole account.
fn judge_by_what_is_known(new: &Password, whose: &Whose) -> Result<(), PasswordError> {
    let owner = match whose {
        Whose::Named(LoginName::Username(name)) => Owner { username: name, email: "" },
        Whose::Named(LoginName::Email(email)) => Owner { username: "", email },
        Whose::Session(who) => Owner { username: &who.user.username, email: &who.user.email },
    };
    judge_new_password(new, &owner).map_err(PasswordError::Weak)
}
