//! Keys: making, storing and reading them.

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::SigningKey;
use crate::domain::random::{Random, RandomError};
use crate::domain::time::Timestamp;

/// How a JWT is signed (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256: verifying takes the secret.
    Hs256,
    /// Ed25519: verifying takes only the published key.
    EdDsa,
    /// RSA with SHA-256, new keys of 3,072 bits ([`RSA_BITS`]): for verifiers that support nothing else.
    Rs256,
}

/// The length of new RSA keys, in bits: as strong as the other algorithms (128 bits of security).
/// Older keys of 2,048 bits in a database sign and verify as before; NIST SP 800-57 part 1 allows that
/// until 2030.
pub const RSA_BITS: usize = 3072;

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Self; 3] = [Self::Hs256, Self::EdDsa, Self::Rs256];

    /// The name in the header of a JWT.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    pub(super) const fn jwa(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPurpose {
    /// Signs JWTs.
    Sign(Algorithm),
    /// Derives the successors of rotated refresh tokens; see
    /// [`KeyRing::successor_id`](super::KeyRing::successor_id).
    Successors,
}

/// The secret half of a key: wiped when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySecret(Zeroizing<Vec<u8>>);

impl KeySecret {
    /// Takes the bytes of a secret, or the PEM text of a private key.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for storing and signing.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// 32 bytes that identify the secret without revealing it: only with the secret can they be computed.
    pub fn fingerprint(&self) -> [u8; 32] {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        let mut fingerprint = [0; 32];
        if let Ok(mut mac) = Hmac::<sha2::Sha256>::new_from_slice(self.expose()) {
            mac.update(b"knoxide key fingerprint");
            fingerprint.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        }
        fingerprint
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(…)")
    }
}

/// A key as it is stored.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// Its number: newer keys have greater ones.
    pub id: i64,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// HS256 and successors: the bytes. Ed25519 and RSA: the private key, PKCS #8 as PEM.
    pub secret: KeySecret,
    /// When it was created.
    pub created: Timestamp,
    /// When it was retired.
    pub retired: Option<Timestamp>,
}

/// A key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadKey {
    /// There is no such key.
    #[error("there is no {0} key")]
    Missing(&'static str),
    /// It cannot be read.
    #[error("key {id} cannot be read: {reason}")]
    Unreadable {
        /// Its number.
        id: i64,
        /// What the library says; never the key.
        reason: String,
    },
    /// It could not be generated.
    #[error("a key could not be generated: {0}")]
    NotMade(String),
}

impl From<RandomError> for BadKey {
    fn from(error: RandomError) -> Self {
        Self::NotMade(error.to_string())
    }
}

impl KeyPurpose {
    /// Generates the secret of a new key. Private keys come from the generator of the library, which
    /// uses that of the operating system.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn make_secret(self, random: &dyn Random) -> Result<KeySecret, BadKey> {
        match self {
            Self::Successors | Self::Sign(Algorithm::Hs256) => {
                let mut bytes = vec![0; 32];
                random.fill(&mut bytes)?;
                Ok(KeySecret::new(bytes))
            }
            Self::Sign(Algorithm::EdDsa) => made(Ed25519KeyPair::generate().and_then(|pair| pair.as_der())),
            Self::Sign(Algorithm::Rs256) => made(KeyPair::generate(KeySize::Rsa3072).and_then(|pair| pair.as_der())),
        }
    }
}

fn made(pkcs8: Result<Pkcs8V1Der<'_>, Unspecified>) -> Result<KeySecret, BadKey> {
    pkcs8.map(|der| pem(der.as_ref())).map_err(|error| BadKey::NotMade(error.to_string()))
}

/// RFC 7468, section 10.
pub(super) fn pem(pkcs8: &[u8]) -> KeySecret {
    let text = pem::encode_config(
        &pem::Pem::new("PRIVATE KEY", pkcs8),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    );
    KeySecret::new(text.into_bytes())
}

impl SigningKey {
    /// The length of the modulus of an RSA key, in bits; `None` for keys of other kinds.
    pub(super) fn rsa_bits(&self) -> Option<usize> {
        let modulus = self.jwk.as_ref()?.get("n")?.as_str()?;
        let bytes = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(modulus).ok()?;
        // RFC 7518, section 6.3.1.1: as few bytes as possible, so the first one is not 0.
        let leading = bytes.first()?.leading_zeros();
        (bytes.len() * 8).checked_sub(usize::try_from(leading).ok()?)
    }

    pub(super) fn read(stored: &StoredKey, algorithm: Algorithm) -> Result<Self, BadKey> {
        let unreadable =
            |error: jsonwebtoken::errors::Error| BadKey::Unreadable { id: stored.id, reason: error.to_string() };
        let secret = stored.secret.expose();
        let encoding = match algorithm {
            Algorithm::Hs256 => EncodingKey::from_secret(secret),
            Algorithm::EdDsa => EncodingKey::from_ed_pem(secret).map_err(unreadable)?,
            Algorithm::Rs256 => EncodingKey::from_rsa_pem(secret).map_err(unreadable)?,
        };
        let (decoding, public) = if algorithm == Algorithm::Hs256 {
            (DecodingKey::from_secret(secret), None)
        } else {
            let jwk = Jwk::from_encoding_key(&encoding, algorithm.jwa()).map_err(unreadable)?;
            let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(unreadable)?;
            (DecodingKey::from_jwk(&jwk).map_err(unreadable)?, Some((publish(&jwk, algorithm, &kid), kid)))
        };
        let (jwk, kid) = public.unzip();
        Ok(Self { id: stored.id, algorithm, kid, encoding, decoding, jwk, created: stored.created })
    }
}

/// The public half with its use, algorithm and id (RFC 7517, section 4).
fn publish(jwk: &Jwk, algorithm: Algorithm, kid: &str) -> Value {
    let mut value = serde_json::to_value(jwk).unwrap_or_else(|_| json!({}));
    if let Some(members) = value.as_object_mut() {
        members.insert("kid".to_owned(), json!(kid));
        members.insert("use".to_owned(), json!("sig"));
        members.insert("alg".to_owned(), json!(algorithm.as_str()));
    }
    value
}
