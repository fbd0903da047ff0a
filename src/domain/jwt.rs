//! Signing JWTs, and recognising expired ones of our own.
//!
//! Clients read the claims, and third parties verify them offline with the published keys. This
//! server never relies on them: it checks a token by the row of its digest. So a leaked key is not
//! enough to forge a token that is good here.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::domain::random::Random;
use crate::domain::time::Timestamp;
use crate::domain::token::Token;

mod key;

/// A new key signs only after this time, so that all nodes publish it first.
pub const PUBLISHED_FIRST: Duration = Duration::from_secs(30);

pub use key::{Algorithm, BadKey, KeyPurpose, KeySecret, RSA_BITS, StoredKey};

/// A JWT could not be made.
#[derive(Debug, thiserror::Error)]
#[error("a JWT could not be signed: {0}")]
pub struct SigningError(String);

/// All keys that this server signs with or has signed with.
pub struct KeyRing {
    /// The algorithm for access tokens.
    access: Algorithm,
    /// All keys that are not retired, newest first.
    all: Vec<Arc<SigningKey>>,
    /// The key for the `jti` of a refresh token's successor; it signs nothing and is never published.
    successors: KeySecret,
}

/// A key that is ready to sign.
struct SigningKey {
    id: i64,
    algorithm: Algorithm,
    /// `None` for secrets: a `kid` is only useful for published keys.
    kid: Option<String>,
    encoding: EncodingKey,
    decoding: DecodingKey,
    /// The published form, for keys with a public half.
    jwk: Option<Value>,
    created: Timestamp,
}

impl KeyRing {
    /// A ring of the stored keys, which signs access tokens with the newest key of `algorithm`.
    ///
    /// # Errors
    /// When a key is missing or cannot be read.
    pub fn new(stored: &[StoredKey], algorithm: Algorithm) -> Result<Self, BadKey> {
        let mut all = Vec::new();
        let mut successors = None;
        for key in stored.iter().filter(|key| key.retired.is_none()) {
            match key.purpose {
                KeyPurpose::Sign(algorithm) => all.push(Arc::new(SigningKey::read(key, algorithm)?)),
                KeyPurpose::Successors => successors = Some(key.secret.clone()),
            }
        }
        all.sort_by_key(|key| std::cmp::Reverse(key.id));
        for needed in [algorithm, Algorithm::Hs256] {
            if !all.iter().any(|key: &Arc<SigningKey>| key.algorithm == needed) {
                return Err(BadKey::Missing(needed.as_str()));
            }
        }
        let successors = successors.ok_or(BadKey::Missing("successor"))?;
        Ok(Self { access: algorithm, all, successors })
    }

    /// A ring of new keys that are stored nowhere, for services whose tokens need not outlive the
    /// process.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn ephemeral(random: &dyn Random, now: Timestamp) -> Result<Self, BadKey> {
        let purposes = [KeyPurpose::Successors, KeyPurpose::Sign(Algorithm::Hs256)];
        let stored: Result<Vec<_>, BadKey> = (1..)
            .zip(purposes)
            .map(|(id, purpose)| {
                Ok(StoredKey { id, purpose, secret: purpose.make_secret(random)?, created: now, retired: None })
            })
            .collect();
        Self::new(&stored?, Algorithm::Hs256)
    }

    /// The newest key for access tokens, if it is an RSA key of fewer than [`RSA_BITS`] bits: its
    /// number and its length.
    pub fn short_rsa_key(&self) -> Option<(i64, usize)> {
        let newest = self.all.iter().find(|key| key.algorithm == self.access)?;
        newest.rsa_bits().filter(|bits| *bits < RSA_BITS).map(|bits| (newest.id, bits))
    }

    /// The newest key that all nodes have had time to publish, or else the oldest.
    fn signing(&self, algorithm: Algorithm, now: Timestamp) -> Result<&SigningKey, SigningError> {
        let mut fitting = self.all.iter().filter(|key| key.algorithm == algorithm).peekable();
        while let Some(key) = fitting.next() {
            if key.created.saturating_add(PUBLISHED_FIRST) <= now || fitting.peek().is_none() {
                return Ok(key);
            }
        }
        Err(SigningError(format!("there is no {} key", algorithm.as_str())))
    }

    /// Signs the claims of an access token. Also returns the key's id.
    ///
    /// # Errors
    /// When the signature cannot be made.
    pub fn sign_access(&self, claims: &Value, now: Timestamp) -> Result<(Token, i64), SigningError> {
        let key = self.signing(self.access, now)?;
        Ok((key.sign(claims)?, key.id))
    }

    /// Signs the claims of a refresh token, always with HS256. Also returns the key's id.
    ///
    /// # Errors
    /// When the signature cannot be made.
    pub fn sign_refresh(&self, claims: &Value, now: Timestamp) -> Result<(Token, i64), SigningError> {
        let key = self.signing(Algorithm::Hs256, now)?;
        Ok((key.sign(claims)?, key.id))
    }

    /// Signs claims again with the same key; `None` if the key is gone.
    ///
    /// # Errors
    /// When the signature cannot be made.
    pub fn sign_again(&self, key: i64, claims: &Value) -> Result<Option<Token>, SigningError> {
        self.all.iter().find(|found| found.id == key).map(|found| found.sign(claims)).transpose()
    }

    /// The id of a token's successor: 20 bytes computed from the token's text with a secret key. With
    /// it, the successor's text can be made again although it is stored nowhere.
    pub fn successor_id(&self, predecessor: &Token) -> [u8; 20] {
        let mut id = [0; 20];
        // HMAC accepts keys of any length, so this never fails.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.successors.expose()) {
            mac.update(predecessor.expose().as_bytes());
            id.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        }
        id
    }

    /// Whether `text` has a signature of ours and an `exp` that is not after `now`. No other claim is
    /// read, and the answer only decides the wording of a refusal.
    pub fn once_was_ours(&self, text: &str, now: Timestamp) -> bool {
        signed_end(text, self.all.iter().map(Arc::as_ref)).is_some_and(|end| end <= now)
    }

    /// The published keys (RFC 7517): all with a public half that are in use, or were replaced less than
    /// `longest_ttl` ago, so that tokens signed with them may still be live.
    pub fn published(&self, now: Timestamp, longest_ttl: Duration) -> Value {
        let mut replaced_at: Vec<(Algorithm, Timestamp)> = Vec::new();
        let mut keys = Vec::new();
        for key in &self.all {
            let newer = replaced_at.iter().rev().find(|(algorithm, _)| *algorithm == key.algorithm);
            let in_use =
                newer.is_none_or(|(_, at)| at.saturating_add(PUBLISHED_FIRST.saturating_add(longest_ttl)) > now);
            if let (true, Some(jwk)) = (in_use, &key.jwk) {
                keys.push(jwk.clone());
            }
            replaced_at.push((key.algorithm, key.created));
        }
        json!({ "keys": keys })
    }
}

impl SigningKey {
    fn sign(&self, claims: &Value) -> Result<Token, SigningError> {
        let mut header = Header::new(self.algorithm.jwa());
        header.kid.clone_from(&self.kid);
        let text = jsonwebtoken::encode(&header, claims, &self.encoding);
        let text = Zeroizing::new(text.map_err(|error| SigningError(error.to_string()))?);
        Token::parse(text.as_bytes()).ok_or_else(|| SigningError("it would be longer than a token may be".to_owned()))
    }
}

/// When the token `text` says that it expires, if one of these keys signed it. No other claim is read. For an
/// explanation only: no verdict rests on it.
///
/// # Errors
/// When a key cannot be read.
pub fn expiry_of_ours(stored: &[StoredKey], text: &str) -> Result<Option<Timestamp>, BadKey> {
    let mut keys = Vec::new();
    for key in stored.iter().filter(|key| key.retired.is_none()) {
        match key.purpose {
            KeyPurpose::Sign(algorithm) => keys.push(SigningKey::read(key, algorithm)?),
            KeyPurpose::Successors => {}
        }
    }
    Ok(signed_end(text, keys.iter()))
}

/// The `exp` of a token that one of these keys signed.
fn signed_end<'k>(text: &str, mut keys: impl Iterator<Item = &'k SigningKey>) -> Option<Timestamp> {
    let header = jsonwebtoken::decode_header(text).ok()?;
    // We never write a critical header.
    if header.crit.is_some() {
        return None;
    }
    keys.find_map(|key| {
        if key.algorithm.jwa() != header.alg || key.kid.is_some() && key.kid != header.kid {
            return None;
        }
        let mut validation = Validation::new(key.algorithm.jwa());
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(text, &key.decoding, &validation);
        read_end(decoded.ok()?.claims.get("exp")?)
    })
}

/// Reads `exp` as the packages do: a number, or a string of digits. Whole seconds, as `PyJWT` compares.
fn read_end(exp: &Value) -> Option<Timestamp> {
    let seconds = match exp {
        Value::Number(number) => number.as_f64(),
        Value::String(digits) => digits.parse::<i64>().ok().map(|whole| whole as f64),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let seconds = seconds.filter(|seconds| seconds.is_finite())?;
    // A value beyond the range is converted to the end of the range.
    Some(Timestamp::from_micros((seconds.floor() as i64).saturating_mul(1_000_000)))
}

#[cfg(test)]
mod tests;
