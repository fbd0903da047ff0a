//! Making tokens: random ones, signed ones, and again successors that were made before.

use serde_json::{Map, Value, json};

use super::{Auth, Unavailable};
use crate::domain::dialect::Dialect;
use crate::domain::policy::TokenForm;
use crate::domain::time::Timestamp;
use crate::domain::token::{Token, TokenKind};
use crate::domain::user::User;
use crate::store::{NewToken, Successor};

/// A new token with its expiry, for the client.
#[derive(Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: Token,
    /// When it expires; `None`: never.
    pub expires: Option<Timestamp>,
}

/// The user and the session that the claims of a token name.
pub(super) struct Subject<'a> {
    pub(super) dialect: Dialect,
    pub(super) user: &'a User,
    /// When the session was opened.
    pub(super) opened: Timestamp,
}

/// The fields in which the tokens of a session differ.
struct Particulars {
    kind: TokenKind,
    issued: Timestamp,
    expires: Option<Timestamp>,
    id: [u8; 20],
}

impl Auth {
    /// A new access token, or the successor of `predecessor`. Its claims have the time `issued`; its lifetime counts
    /// from `now`.
    pub(super) fn mint_access(
        &self,
        subject: &Subject<'_>,
        predecessor: Option<&Token>,
        issued: Timestamp,
        now: Timestamp,
    ) -> Result<(IssuedToken, NewToken), Unavailable> {
        let policy = self.policy().dialects.get(subject.dialect);
        let expires = policy.access_ttl.map(|ttl| self.end(policy.form, now, ttl));
        let id = self.id_after(predecessor)?;
        self.mint(subject, &Particulars { kind: TokenKind::Access, issued, expires, id }, now)
    }

    /// A new refresh token, or the successor of `predecessor`.
    pub(super) fn mint_refresh(
        &self,
        subject: &Subject<'_>,
        predecessor: Option<&Token>,
        ttl: std::time::Duration,
        now: Timestamp,
    ) -> Result<(IssuedToken, NewToken), Unavailable> {
        let policy = self.policy().dialects.get(subject.dialect);
        let expires = Some(self.end(policy.form, now, ttl));
        let id = self.id_after(predecessor)?;
        self.mint(subject, &Particulars { kind: TokenKind::Refresh, issued: now, expires, id }, now)
    }

    /// A successor that was made before. Its text is stored nowhere, but computed from its predecessor and its row.
    /// `None` if that is impossible, because the key is gone or the user was renamed.
    pub(super) fn mint_again(
        &self,
        subject: &Subject<'_>,
        predecessor: &Token,
        kind: TokenKind,
        row: &Successor,
    ) -> Result<Option<IssuedToken>, Unavailable> {
        let keys = self.keys();
        let id = keys.successor_id(predecessor);
        let particulars = Particulars { kind, issued: row.created, expires: row.expires, id };
        let token = match row.key {
            Some(key) => keys.sign_again(key, &claims(subject, &particulars)).map_err(|error| unavailable(&error))?,
            None => Some(Token::from_id(&self.policy().token_prefix, &id)),
        };
        let same = token.filter(|token| token.digest() == row.digest);
        Ok(same.map(|token| IssuedToken { token, expires: row.expires }))
    }

    fn mint(
        &self,
        subject: &Subject<'_>,
        particulars: &Particulars,
        now: Timestamp,
    ) -> Result<(IssuedToken, NewToken), Unavailable> {
        let Particulars { kind, expires, ref id, .. } = *particulars;
        let (token, key) = match (self.policy().dialects.get(subject.dialect).form, kind) {
            (TokenForm::Opaque, _) | (_, TokenKind::Admin | TokenKind::Page) => {
                (Token::from_id(&self.policy().token_prefix, id), None)
            }
            (TokenForm::Jwt, TokenKind::Access) => {
                let signed = self.keys().sign_access(&claims(subject, particulars), now);
                signed.map(|(token, key)| (token, Some(key))).map_err(|error| unavailable(&error))?
            }
            (TokenForm::Jwt, TokenKind::Refresh) => {
                let signed = self.keys().sign_refresh(&claims(subject, particulars), now);
                signed.map(|(token, key)| (token, Some(key))).map_err(|error| unavailable(&error))?
            }
        };
        let new = NewToken { digest: token.digest(), kind, expires, key };
        Ok((IssuedToken { token, expires }, new))
    }

    /// The id of the successor of `predecessor`, or a random one.
    fn id_after(&self, predecessor: Option<&Token>) -> Result<[u8; 20], Unavailable> {
        if let Some(token) = predecessor {
            return Ok(self.keys().successor_id(token));
        }
        let mut id = [0; 20];
        self.inner.random.fill(&mut id)?;
        Ok(id)
    }

    /// When a token expires. JWTs expire on whole seconds, like their claims.
    fn end(&self, form: TokenForm, now: Timestamp, ttl: std::time::Duration) -> Timestamp {
        match form {
            TokenForm::Opaque => now.saturating_add(ttl),
            TokenForm::Jwt => now.whole_seconds().saturating_add(ttl).whole_seconds(),
        }
    }
}

fn unavailable(error: &crate::domain::jwt::SigningError) -> Unavailable {
    log::error!("{error}");
    Unavailable::NotSigned
}

/// The claims as the Django packages write them (`docs/jwt.md#claims`), and a `jti` where they have
/// none: without it, two logins within a second would get the same token.
fn claims(subject: &Subject<'_>, particulars: &Particulars) -> Value {
    let Particulars { kind, issued, expires, id } = particulars;
    let Subject { dialect, user, opened } = subject;
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = *id;
    let jti = hex::encode([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]);
    let mut claims = Map::new();
    match dialect {
        Dialect::Simplejwt | Dialect::Djoser => {
            claims.insert("token_type".to_owned(), json!(kind.as_str()));
            claims.extend(expires.map(|end| ("exp".to_owned(), json!(end.as_seconds()))));
            claims.insert("iat".to_owned(), json!(issued.as_seconds()));
            claims.insert("jti".to_owned(), json!(jti));
            claims.insert("user_id".to_owned(), json!(user.id.0));
        }
        Dialect::Knox | Dialect::DrfJwt | Dialect::AccessToken => {
            claims.insert("user_id".to_owned(), json!(user.id.0));
            claims.insert("username".to_owned(), json!(user.username));
            claims.extend(expires.map(|end| ("exp".to_owned(), json!(end.as_seconds()))));
            claims.insert("email".to_owned(), json!(user.email));
            claims.insert("orig_iat".to_owned(), json!(opened.as_seconds()));
            claims.insert("jti".to_owned(), json!(jti));
        }
    }
    Value::Object(claims)
}
