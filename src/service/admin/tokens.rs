//! Tokens for scripts and services.

use std::time::Duration;

use super::{Admin, AdminError};
use crate::domain::audit::Event;
use crate::domain::escape::is_unseen;
use crate::domain::session::{SessionId, SessionKind};
use crate::domain::time::Timestamp;
use crate::domain::token::{Token, TokenKind};
use crate::domain::user::User;
use crate::store::{NewSession, NewToken, Opening};

/// The longest name of a token or a client, in characters.
pub const MAX_TOKEN_NAME: usize = 150;

/// A token that was made for a script.
#[derive(Debug)]
pub struct ScriptToken {
    /// The token; it is stored nowhere.
    pub token: Token,
    /// Its session, by which it can be ended.
    pub session: SessionId,
    /// When it expires; `None`: it is good until its session is ended.
    pub expires: Option<Timestamp>,
}

/// Whether a token or a client can have this name.
pub(super) fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= MAX_TOKEN_NAME && !name.contains(is_unseen)
}

impl Admin {
    /// Makes a token for a script that acts as `user`, good for `lifetime`; `None`: until it is revoked. The limit on a
    /// user's sessions does not apply. A token for administration ([`SessionKind::AdminScript`]) is good only at the
    /// administration API and where registered clients ask about tokens.
    ///
    /// # Errors
    /// The name is not allowed, the user is not active, a token for administration would never expire or belong to a
    /// user who is not an administrator, or the store failed.
    pub fn create_token(
        &self,
        user: &User,
        name: String,
        lifetime: Option<Duration>,
        kind: SessionKind,
    ) -> Result<ScriptToken, AdminError> {
        self.recording_refusal(Event::TokenCreated, Some(user.id), || {
            if kind.dialect().is_none() {
                if !user.is_admin {
                    return Err(AdminError::NotAdmin(user.username.clone()));
                }
                if lifetime.is_none() {
                    return Err(AdminError::EndRequired);
                }
            }
            if !is_name(&name) {
                return Err(AdminError::BadTokenName);
            }
            let audit = self.audit(Event::TokenCreated);
            let token = Token::generate(&*self.random, &self.policy.token_prefix)?;
            let mut unique = [0; 10];
            self.random.fill(&mut unique)?;
            let session = SessionId::new(audit.at, &unique);
            let expires = lifetime.map(|lifetime| audit.at.saturating_add(lifetime));
            let new = NewSession {
                id: session,
                user: user.id,
                epoch: user.epoch,
                kind,
                name: Some(name),
                tokens: vec![NewToken { digest: token.digest(), kind: TokenKind::Access, expires, key: None }],
                limit: None,
                network: None,
                with_event: true,
                audit,
            };
            match self.connect()?.open_session(&new)? {
                Opening::Opened => Ok(ScriptToken { token, session, expires }),
                Opening::Denied | Opening::LimitReached => Err(AdminError::NotActive(user.username.clone())),
            }
        })
    }
}
