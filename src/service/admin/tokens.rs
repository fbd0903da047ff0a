//! Tokens for scripts and services.

use std::time::Duration;

use super::{Admin, AdminError};
use crate::cause::Reason;
use crate::dialect::Dialect;
use crate::session::SessionId;
use crate::store::{NewSession, NewToken, Opening};
use crate::time::Timestamp;
use crate::token::{Token, TokenKind};
use crate::user::User;
use crate::visible::is_unseen;

/// The longest name of a token, in characters.
pub const MAX_TOKEN_NAME: usize = 150;

/// A token that was made for a script.
#[derive(Debug)]
pub struct ScriptToken {
    /// The token; it is stored nowhere.
    pub token: Token,
    /// Its session, by which it can be ended.
    pub session: SessionId,
    /// When it stops being good; `None`: when its session is ended.
    pub expires: Option<Timestamp>,
}

impl Admin {
    /// Makes a token for a script that acts as `user`, good for `lifetime`; `None`: until it is revoked. The
    /// limit on a user's sessions does not apply.
    ///
    /// # Errors
    /// A name that cannot be, a user who is not active; or the store failed.
    pub fn create_token(
        &self,
        user: &User,
        name: String,
        lifetime: Option<Duration>,
    ) -> Result<ScriptToken, AdminError> {
        if name.trim().is_empty() || name.chars().count() > MAX_TOKEN_NAME || name.contains(is_unseen) {
            return Err(AdminError::BadTokenName);
        }
        let cause = self.cause(Reason::TokenCreated);
        let token = Token::generate(&*self.random, &self.policy.token_prefix)?;
        let mut unique = [0; 10];
        self.random.fill(&mut unique)?;
        let session = SessionId::new(cause.at, &unique);
        let expires = lifetime.map(|lifetime| cause.at.saturating_add(lifetime));
        let new = NewSession {
            id: session,
            user: user.id,
            epoch: user.epoch,
            dialect: Dialect::Knox,
            name: Some(name),
            tokens: vec![NewToken { digest: token.digest(), kind: TokenKind::Access, expires, key: None }],
            limit: None,
            network: None,
            cause,
        };
        match self.connect()?.open_session(&new)? {
            Opening::Opened => Ok(ScriptToken { token, session, expires }),
            Opening::Denied | Opening::LimitReached => Err(AdminError::NotActive(user.username.clone())),
        }
    }
}
