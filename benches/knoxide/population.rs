//! Users, sessions and tokens by number, so that every process can name each of them without
//! being told.

use jsonwebtoken::{EncodingKey, Header};
use knoxide::session::SessionId;
use knoxide::time::Timestamp;
use knoxide::token::{Token, TokenDigest};
use serde::{Deserialize, Serialize};

use crate::Fallible;

/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// What the JWTs of these populations are signed with. No server needs it to find a row; the
/// yardstick that verifies signatures does.
pub(crate) const JWT_SECRET: &[u8] = b"a secret of 256 bits for HS256, no more and no less";

/// The year 2100, in seconds since 1970.
const FAR_AWAY: i64 = 4_102_444_800;

/// What tokens look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// 40 hex digits, of the dialect knox.
    Opaque,
    /// A JWT signed with HS256, of the dialect djoser.
    Jwt,
}

/// So many users with so many tokens each. Users count from 1, tokens from 0, both through all
/// blocks of a database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    pub(crate) users: u64,
    pub(crate) tokens_each: u64,
    pub(crate) form: Form,
}

impl Block {
    /// Users with opaque tokens.
    pub(crate) const fn of(users: u64, tokens_each: u64) -> Self {
        Self { users, tokens_each, form: Form::Opaque }
    }

    /// At least `tokens` opaque tokens, ten a user.
    pub(crate) const fn tens(tokens: u64) -> Self {
        Self::of(tokens.div_ceil(10), 10)
    }

    pub(crate) const fn tokens(self) -> u64 {
        self.users * self.tokens_each
    }
}

/// The name of a user.
pub(crate) fn user_name(user: u64) -> String {
    format!("user-{user:07}")
}

/// The number of the user of this name.
pub(crate) fn user_of_name(name: &str) -> Option<u64> {
    name.strip_prefix("user-")?.parse().ok()
}

/// The text of an opaque token: 40 hex digits that look random.
pub(crate) fn token_text(token: u64) -> [u8; 40] {
    let words = [mix(token * 3), mix(token * 3 + 1), mix(token * 3 + 2)];
    let bytes = words.into_iter().flat_map(u64::to_be_bytes);
    let mut text = [b'0'; 40];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        for (digit, nibble) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
            *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        }
    }
    text
}

/// What stands in the JWTs: what djoser's access tokens have.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) token_type: String,
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    pub(crate) jti: String,
    pub(crate) user_id: u64,
}

/// The text of a JWT.
pub(crate) fn jwt_text(token: u64, user: u64) -> Fallible<String> {
    let jti = format!("{:016x}{:016x}", mix(token * 2), mix(token * 2 + 1));
    let claims = Claims { token_type: "access".to_owned(), exp: FAR_AWAY, iat: 1_700_000_000, jti, user_id: user };
    Ok(jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(JWT_SECRET))?)
}

/// When tokens of this form stop being good, in microseconds.
pub(crate) const fn expiry_of(form: Form) -> Option<i64> {
    match form {
        Form::Opaque => None,
        Form::Jwt => Some(FAR_AWAY * 1_000_000),
    }
}

/// The digest of a token.
pub(crate) fn token_digest(token: u64, user: u64, form: Form) -> Fallible<TokenDigest> {
    let token = match form {
        Form::Opaque => Token::parse(&token_text(token)),
        Form::Jwt => Token::parse(jwt_text(token, user)?.as_bytes()),
    };
    Ok(token.ok_or("no token")?.digest())
}

/// The session of a token; each has its own.
pub(crate) fn session_of(token: u64) -> SessionId {
    let mut random = [0; 10];
    let bytes = mix(token).to_be_bytes().into_iter().chain(token.to_be_bytes());
    random.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    // One a millisecond, as if people had logged in over time.
    let millis = i64::try_from(token).unwrap_or(i64::MAX / 1000);
    SessionId::new(Timestamp::from_micros(1_700_000_000_000_000 + millis * 1000), &random)
}

/// A number below `end`, the next of a sequence that looks random.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        let wide = u128::from(mix(self.0)) * u128::from(end);
        u64::try_from(wide >> 64).unwrap_or(0)
    }
}

/// The finisher of `SplitMix64` (Steele, Lea and Flood, 2014).
const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
