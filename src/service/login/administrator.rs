//! Logins of administrators: the same throttle, the same work and the same refusals as every login, for a session whose
//! token is good only for administration.

use super::{LoginError, Proven};
use crate::domain::audit::{Event, Origin};
use crate::domain::session::{Refusal, SessionKind, TokenRecord, Verified, judge};
use crate::domain::token::{Token, TokenKind};
use crate::domain::user::{LoginName, Password, User};
use crate::service::throttle::Permit;
use crate::service::{Auth, CheckError, Issued};
use crate::store::Connection;

impl Auth {
    /// Logs an administrator in. Users who are not administrators are unknown here, so that their passwords cannot be
    /// guessed here.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn log_in_administrator(
        &self,
        login: LoginName,
        password: Password,
        origin: Origin,
    ) -> Result<Issued, LoginError> {
        self.log_in_as_administrator(SessionKind::Admin, login, password, origin).await
    }

    /// Verifies the password of an administrator once more, as a login does, and opens no session.
    ///
    /// # Errors
    /// Why the password was refused, or could not be verified.
    pub async fn verify_administrator(
        &self,
        login: LoginName,
        password: Password,
        origin: Origin,
    ) -> Result<User, LoginError> {
        match self.verify_admin_login(login, password, &origin).await {
            Ok(proven) => Ok(proven.user),
            Err(error) => Err(self.tell_refusal(Event::AdminLoginFailed, error, origin).await),
        }
    }

    /// Checks a token at the administration API, by its row. A good token of a dialect passes this check too: the
    /// caller looks at the kind of the session.
    ///
    /// # Errors
    /// Why the token is bad, or that the check could not be made.
    pub async fn check_for_administration(&self, token: &Token) -> Result<Verified, CheckError> {
        self.check_row(token, |_| true).await
    }

    /// Checks the token of an administrator's script, by its row, at the endpoints where such a script may ask like a
    /// registered client. All other tokens are refused, including that of an administrator's own session.
    ///
    /// # Errors
    /// Why the token is bad, or that the check could not be made.
    pub async fn check_admin_script(&self, token: &Token) -> Result<Verified, CheckError> {
        let is_script = |who: &Verified| who.session.kind == SessionKind::AdminScript && who.user.is_admin;
        self.check_row(token, is_script).await
    }

    /// Checks a token by its row. If it `fits`, the check counts as use of a session for administration.
    async fn check_row(&self, token: &Token, fits: impl Fn(&Verified) -> bool) -> Result<Verified, CheckError> {
        let record = self.reread(token).await?;
        let Some(record) = record else { return Err(CheckError::Refused(Refusal::Unknown)) };
        let wanted = match record.kind {
            TokenKind::Admin => TokenKind::Admin,
            TokenKind::Access | TokenKind::Refresh | TokenKind::Page => TokenKind::Access,
        };
        let who = self.judge_by_row(&record, wanted).await?;
        if !fits(&who) {
            return Err(CheckError::Refused(Refusal::WrongKind));
        }
        if wanted == TokenKind::Admin {
            self.inner.last_seen_writer.touch(&who.session, self.now());
        }
        Ok(who)
    }

    /// Judges a token by its row, with the idle limit of its session.
    pub(super) async fn judge_by_row(&self, record: &TokenRecord, wanted: TokenKind) -> Result<Verified, CheckError> {
        let idle_after = self.inner.policy.idle_verdicts().of(record.session.kind);
        match judge(Some(record), Some(wanted), self.now(), idle_after) {
            Ok(who) => Ok(who),
            Err(Refusal::Idle) => Err(self.refuse_for_idleness(record).await),
            Err(refusal) => Err(CheckError::Refused(refusal)),
        }
    }

    /// Opens a session for administration of this kind.
    pub(super) async fn log_in_as_administrator(
        &self,
        kind: SessionKind,
        login: LoginName,
        password: Password,
        origin: Origin,
    ) -> Result<Issued, LoginError> {
        let proven = match self.verify_admin_login(login, password, &origin).await {
            Ok(proven) => proven,
            Err(error) => return Err(self.tell_refusal(Event::AdminLoginFailed, error, origin).await),
        };
        self.open_attended(kind, proven, origin).await.map_err(LoginError::from)
    }

    async fn verify_admin_login(
        &self,
        login: LoginName,
        password: Password,
        origin: &Origin,
    ) -> Result<Proven, LoginError> {
        let find = self.find_by(login.clone());
        let find = move |connection: &mut dyn Connection| Ok(find(connection)?.filter(|account| account.user.is_admin));
        let verify = async |permit: &mut Permit| self.verify_found(find, password, permit).await;
        Ok(self.under_throttle(&login, origin, verify).await?.0)
    }
}
