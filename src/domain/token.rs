//! Tokens and their digests: two types, with [`Token::digest`] as the only way from one to the other.

use std::fmt;

use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::domain::random::{Random, RandomError};

/// The longest text that can be a token, in bytes: room for an RS256 JWT with the longest
/// user name and e-mail address.
pub const MAX_TOKEN_LENGTH: usize = 4096;

/// The longest configurable token prefix, in bytes (as in django-rest-knox).
pub const MAX_PREFIX_LENGTH: usize = 10;

/// The text of a token, as a client holds it.
///
/// It cannot be cloned, printed or serialised; [`Token::expose`] is the only way out, and its
/// memory is wiped when it is dropped.
pub struct Token(Zeroizing<String>);

impl Token {
    /// A new opaque token: `prefix` and 40 lower-case hex digits of 160 random bits.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn generate(random: &dyn Random, prefix: &str) -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0_u8; 20]);
        random.fill(bytes.as_mut())?;
        Ok(Self::from_id(prefix, &bytes))
    }

    /// The opaque token with these 160 bits, which must be unpredictable.
    pub fn from_id(prefix: &str, id: &[u8; 20]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 40));
        text.push_str(prefix);
        text.push_str(&Zeroizing::new(hex::encode(id)));
        Self(text)
    }

    /// The token that a client presents, or `None` if it cannot be a token: empty,
    /// longer than [`MAX_TOKEN_LENGTH`], or not printable ASCII without spaces. Such
    /// text never reaches the database.
    pub fn parse(presented: &[u8]) -> Option<Self> {
        if presented.is_empty() || presented.len() > MAX_TOKEN_LENGTH {
            return None;
        }
        // Not `all`, which stops early and therefore looks at one byte at a time.
        if !presented.iter().fold(true, |so_far, byte| so_far & byte.is_ascii_graphic()) {
            return None;
        }
        std::str::from_utf8(presented).ok().map(|text| Self(Zeroizing::new(text.to_owned())))
    }

    /// SHA-512 of the token's text. The database stores nothing else of it.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha512::digest(self.0.as_bytes()).into())
    }

    /// A copy, for callers that need to own one.
    pub(crate) fn copied(&self) -> Self {
        Self(self.0.clone())
    }

    /// The text itself, for the reply that hands it to the client.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// SHA-512 of a token's text, 64 bytes: the token's primary key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenDigest([u8; 64]);

impl TokenDigest {
    /// The digest with these bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Reads 128 hex digits, as django-rest-knox stores them.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 64];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// The first 16 bytes, which are kept of a token whose row is deleted.
    pub fn trace(&self) -> [u8; 16] {
        let mut trace = [0; 16];
        trace.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        trace
    }
}

/// Four bytes are enough to distinguish digests in a debugger, and too few to look one up.
impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "TokenDigest({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// What a token can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Authenticates requests.
    Access,
    /// Can only be used to get new tokens.
    Refresh,
    /// Authenticates requests of administrators, and is good for nothing else. Stored as an access token of a session
    /// for administration.
    Admin,
    /// Authenticates requests for pages, as their cookie. Stored as an access token of a session of the pages.
    Page,
}

impl TokenKind {
    /// The name under which the kind is stored and logged.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Admin => "admin",
            Self::Page => "page",
        }
    }

    /// The stored kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Access, Self::Refresh].into_iter().find(|kind| kind.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::SystemRandom;

    #[test]
    fn generated_tokens_are_prefix_and_40_lower_case_hex_digits() {
        let token = Token::generate(&SystemRandom, "kx_").expect("random bytes");
        let digits = token.expose().strip_prefix("kx_").expect("the prefix");
        assert_eq!(digits.len(), 40);
        assert!(digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    }

    #[test]
    fn the_digest_is_knox_5s_sha512_of_the_text() {
        // The first token of the reference's user table.
        let token = Token::parse(b"e11cf4c10a2fd69d6f8576bc919cd2acc9481db5").expect("a token");
        let stored = "69109e28d949d1dc99f2aeb6c1c216a169592f91c5b26f9d627d429b02540592\
                      d26601c2eaf6d0e9036c9dcbe19ce18e762dd79dc96e3fc1b40974689a369624";
        assert_eq!(Some(token.digest()), TokenDigest::from_hex(stored));
    }

    #[test]
    fn what_can_be_no_token_is_refused() {
        for bad in [&b""[..], b"a b", b"a\tb", b"a\0", "é".as_bytes(), b"\xff", &[b'a'; MAX_TOKEN_LENGTH + 1]] {
            assert!(Token::parse(bad).is_none());
        }
        assert!(Token::parse(&[b'a'; MAX_TOKEN_LENGTH]).is_some());
    }

    #[test]
    fn debug_output_hides_both() {
        let token = Token::parse(b"secret").expect("a token");
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert_eq!(format!("{:?}", token.digest()).len(), "TokenDigest(00000000…)".len());
    }
}
