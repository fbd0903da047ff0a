//! Logging out. Once a logout has returned, the end of the session is durable, and no check that begins afterwards
//! accepts its tokens.

use super::{Auth, TokenError, Unavailable, refresh, workers::OnDisconnect};
use crate::domain::audit::{Actor, AuditContext, Event, Origin};
use crate::domain::dialect::Dialect;
use crate::domain::session::{Refusal, SessionId, Verified, judge};
use crate::domain::token::{Token, TokenKind};

impl Auth {
    /// Ends the session of `who`. It is not an error if the session has already ended.
    ///
    /// # Errors
    /// When the outcome is not known.
    pub async fn logout(&self, who: &Verified, origin: Origin) -> Result<(), Unavailable> {
        let audit = self.audit(Event::Logout, Actor::User(who.user.id), origin);
        self.end_for_good(who.session.id, audit).await
    }

    /// Ends a session, if it is still live. If it is not, that fact is durable as well when this returns.
    pub(super) async fn end_for_good(&self, session: SessionId, audit: AuditContext) -> Result<(), Unavailable> {
        self.write(OnDisconnect::Finish, move |connection| connection.end_session(session, &audit)).await.map(drop)
    }

    /// Ends the session of a refresh token, at an endpoint of the token's own dialect. With it, a client can log out
    /// after its access token has expired. Neither the refresh window nor the rate of refreshes applies.
    ///
    /// A consumed token is treated as in a refresh: within the grace time, the client may have lost the reply, and is
    /// logged out; after that, the token may be stolen, and the session ends with the event of a reuse.
    ///
    /// # Errors
    /// Why the token is not good, or that the outcome is not known.
    pub async fn logout_by_refresh_token(
        &self,
        dialect: Dialect,
        presented: &str,
        origin: Origin,
    ) -> Result<Verified, TokenError> {
        let Some(token) = Token::parse(presented.as_bytes()) else { return Err(refresh::bad(Refusal::Malformed)) };
        let record = self.find_for(dialect, &token).await?;
        let now = self.now();
        let who = match judge(Some(&record), Some(TokenKind::Refresh), now, self.policy().idle_verdict_after()) {
            Ok(who) => who,
            Err(Refusal::Consumed) if self.within_grace(&record, now) => Verified::of(&record),
            Err(Refusal::Consumed) => return Err(self.end_reused(&record, origin).await),
            Err(refusal) => return Err(self.refusal(refusal, &token, &record).await),
        };
        self.logout(&who, origin).await?;
        Ok(who)
    }

    /// Ends all sessions of the user `who`, in all dialects.
    ///
    /// # Errors
    /// When the outcome is not known.
    pub async fn logout_all(&self, who: &Verified, origin: Origin) -> Result<(), Unavailable> {
        let audit = self.audit(Event::LogoutAll, Actor::User(who.user.id), origin);
        let user = who.user.id;
        self.write(OnDisconnect::Finish, move |connection| connection.end_all_sessions(user, &audit)).await.map(drop)
    }
}
