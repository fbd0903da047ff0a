//! Logins of administrators: the same throttle, the same work and the same refusals as every login, for a session whose
//! token is good for administration alone.

use std::time::Duration;

use super::{LoginError, Proven};
use crate::domain::audit::{Actor, Event, Origin};
use crate::domain::session::{Refusal, SessionId, SessionKind, Verified, judge};
use crate::domain::token::{Token, TokenKind};
use crate::domain::user::{LoginName, Password, User};
use crate::service::throttle::Permit;
use crate::service::workers::OnDisconnect;
use crate::service::{Auth, CheckError, Issued, IssuedToken, Unavailable};
use crate::store::{Connection, NewSession, NewToken, Opening};

/// How long a session of an administrator lasts at most.
const ADMIN_SESSION: Duration = Duration::from_secs(8 * 3600);

impl Auth {
    /// Logs an administrator in. Users who are no administrators are unknown here, so that this is no place to find out
    /// their passwords.
    ///
    /// # Errors
    /// Why there is no token.
    pub async fn log_in_administrator(
        &self,
        login: LoginName,
        password: Password,
        origin: Origin,
    ) -> Result<Issued, LoginError> {
        let proven = match self.prove_administrator(login, password, &origin).await {
            Ok(proven) => proven,
            Err(error) => return Err(self.tell_refusal(Event::AdminLoginFailed, error, origin).await),
        };
        self.open_for_administration(proven, origin).await.map_err(LoginError::from)
    }

    /// Verifies the password of an administrator once more, as a login does, and opens no session.
    ///
    /// # Errors
    /// Why it is not right.
    pub async fn verify_administrator(
        &self,
        login: LoginName,
        password: Password,
        origin: Origin,
    ) -> Result<User, LoginError> {
        match self.prove_administrator(login, password, &origin).await {
            Ok(proven) => Ok(proven.user),
            Err(error) => Err(self.tell_refusal(Event::AdminLoginFailed, error, origin).await),
        }
    }

    /// Checks a token at the administration API, by its row. A good token of a dialect is good here too: the caller
    /// asks for the kind of the session.
    ///
    /// # Errors
    /// Why the token is bad, or that the check could not be made.
    pub async fn check_for_administration(&self, token: &Token) -> Result<Verified, CheckError> {
        self.check_row(token, |_| true).await
    }

    /// Checks the token of an administrator's script, by its row, where such a script may ask beside registered clients.
    /// All other tokens are refused, also that of an administrator's own session.
    ///
    /// # Errors
    /// Why the token is bad, or that the check could not be made.
    pub async fn check_admin_script(&self, token: &Token) -> Result<Verified, CheckError> {
        let is_script = |who: &Verified| who.session.kind == SessionKind::AdminScript && who.user.is_admin;
        self.check_row(token, is_script).await
    }

    /// Checks a token by its row. It counts as use of a session for administration if it `fits`.
    async fn check_row(&self, token: &Token, fits: impl Fn(&Verified) -> bool) -> Result<Verified, CheckError> {
        let record = self.reread(token).await?;
        let Some(record) = record else { return Err(CheckError::Refused(Refusal::Unknown)) };
        let idle_after = self.inner.policy.idle_verdicts().of(record.session.kind);
        let wanted = match record.kind {
            TokenKind::Admin => TokenKind::Admin,
            TokenKind::Access | TokenKind::Refresh => TokenKind::Access,
        };
        let now = self.now();
        match judge(Some(&record), Some(wanted), now, idle_after) {
            Ok(who) if !fits(&who) => Err(CheckError::Refused(Refusal::WrongKind)),
            Ok(who) => {
                if wanted == TokenKind::Admin {
                    self.inner.last_seen_writer.touch(&who.session, now);
                }
                Ok(who)
            }
            Err(Refusal::Idle) => Err(self.refuse_for_idleness(&record).await),
            Err(refusal) => Err(CheckError::Refused(refusal)),
        }
    }

    async fn prove_administrator(
        &self,
        login: LoginName,
        password: Password,
        origin: &Origin,
    ) -> Result<Proven, LoginError> {
        let find = self.find_by(login.clone());
        let find = move |connection: &mut dyn Connection| Ok(find(connection)?.filter(|account| account.user.is_admin));
        let prove = async |permit: &mut Permit| self.prove_found(find, password, permit).await;
        Ok(self.under_throttle(&login, origin, prove).await?.0)
    }

    async fn open_for_administration(&self, proven: Proven, origin: Origin) -> Result<Issued, Unavailable> {
        let Proven { user, upgrade, network, .. } = proven;
        let inner = &self.inner;
        let audit = self.audit(Event::AdminLogin, Actor::User(user.id), origin);
        let opened_at = audit.at;
        let no_bytes = |_| Unavailable::Other("no random bytes");
        let token = Token::generate(&*inner.random, &inner.policy.token_prefix).map_err(no_bytes)?;
        let mut unique = [0; 10];
        inner.random.fill(&mut unique).map_err(no_bytes)?;
        let session = SessionId::new(opened_at, &unique);
        let expires = Some(opened_at.saturating_add(ADMIN_SESSION));
        let new = NewSession {
            id: session,
            user: user.id,
            epoch: user.epoch,
            kind: SessionKind::Admin,
            name: None,
            tokens: vec![NewToken { digest: token.digest(), kind: TokenKind::Access, expires, key: None }],
            limit: None,
            network: network.map(|network| network.to_string()),
            with_event: true,
            audit,
        };
        // It has a row of its own whatever else there is: logins of administrators are throttled.
        match self.write(OnDisconnect::Cancel, move |connection| connection.open_session(&new)).await? {
            Opening::Opened => {}
            // The user has changed since the password was verified; the next attempt decides.
            Opening::Denied | Opening::LimitReached => {
                return Err(Unavailable::Other("the user changed during the login"));
            }
        }
        if let Some((old, better)) = upgrade {
            self.upgrade_hash(user.id, old, better);
        }
        Ok(Issued { user, session, opened: opened_at, access: IssuedToken { token, expires }, refresh: None })
    }
}
