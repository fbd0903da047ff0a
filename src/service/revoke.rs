//! Revoking a token: this ends its session, and with it all tokens of the session.

use super::{Auth, CheckError, TokenError, Unavailable};
use crate::domain::audit::{Actor, Event, Origin};
use crate::domain::session::{Refusal, SessionId, TokenRecord, judge};
use crate::domain::token::{Token, TokenKind};
use crate::domain::user::UserId;

/// Who revokes a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoker {
    /// Its holder: the token itself is the proof.
    Holder,
    /// A caller that may end the session of any token, and is named in the audit event.
    Entitled(Actor),
}

/// An id that no session has: ending it changes nothing, but is as durable as every other end.
const NO_SESSION: SessionId = SessionId::from_bytes([0; 16]);

impl Auth {
    /// Ends the session of a token. Once this returns, the end is durable, and no check that begins afterwards accepts
    /// a token of that session. `None` if nothing is known of the token. It is not an error if the session has already
    /// ended.
    ///
    /// Its holder needs a live token of any kind, or an access token that has expired. A refresh token that has expired
    /// ends nothing, and one that was consumed is treated as in a logout.
    ///
    /// # Errors
    /// When the outcome is not known.
    pub async fn revoke(
        &self,
        token: &Token,
        by: Revoker,
        origin: Origin,
    ) -> Result<Option<(SessionId, UserId)>, Unavailable> {
        let Some(record) = self.reread(token).await? else {
            // The row may have been deleted by an end that a failover can still undo.
            self.end_for_good(NO_SESSION, self.audit(Event::Logout, Actor::Anonymous, origin)).await?;
            return Ok(None);
        };
        let known = (record.session.id, record.user.id);
        match by {
            Revoker::Holder => self.revoke_for_holder(&record, origin).await?,
            Revoker::Entitled(actor) => {
                self.end_for_good(record.session.id, self.audit(Event::Revoked, actor, origin)).await?;
            }
        }
        Ok(Some(known))
    }

    async fn revoke_for_holder(&self, record: &TokenRecord, origin: Origin) -> Result<(), Unavailable> {
        let now = self.now();
        let idle_after = self.policy().idle_verdicts().of(record.session.kind);
        match judge(Some(record), None, now, idle_after) {
            Err(Refusal::Expired) if record.kind == TokenKind::Refresh => Ok(()),
            Err(Refusal::Idle) => match self.refuse_for_idleness(record).await {
                CheckError::Refused(_) => Ok(()),
                CheckError::Unavailable(error) => Err(error),
            },
            Err(Refusal::Consumed) if !self.within_grace(record, now) => match self.end_reused(record, origin).await {
                TokenError::Unavailable(error) => Err(error),
                TokenError::Refused(_) | TokenError::Throttled(_) => Ok(()),
            },
            Ok(_) | Err(_) => {
                let audit = self.audit(Event::Logout, Actor::User(record.user.id), origin);
                self.end_for_good(record.session.id, audit).await
            }
        }
    }
}
