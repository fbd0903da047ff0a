//! Users, sessions and tokens, derived from their numbers, so that every process can name them without being told.

use knoxide::domain::session::SessionId;
use knoxide::domain::time::Timestamp;
use knoxide::domain::token::{Token, TokenDigest};

use crate::Fallible;

/// The password of all users.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A number of users, each with the same number of tokens. Users are numbered from 1 and tokens from 0, both across all
/// blocks of a database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    pub(crate) users: u64,
    pub(crate) tokens_each: u64,
}

impl Block {
    /// A block of this size.
    pub(crate) const fn of(users: u64, tokens_each: u64) -> Self {
        Self { users, tokens_each }
    }

    /// At least `tokens` tokens, ten for each user.
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

/// The number of the user with this name.
pub(crate) fn user_of_name(name: &str) -> Option<u64> {
    name.strip_prefix("user-")?.parse().ok()
}

/// The text of a token: 40 hex digits that look random.
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

/// The digest of a token.
pub(crate) fn token_digest(token: u64) -> Fallible<TokenDigest> {
    Ok(Token::parse(&token_text(token)).ok_or("no token")?.digest())
}

/// The session of a token; each has its own.
pub(crate) fn session_of(token: u64) -> SessionId {
    let mut random = [0; 10];
    let bytes = mix(token).to_be_bytes().into_iter().chain(token.to_be_bytes());
    random.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    // One every millisecond, as if people had logged in over time.
    let millis = i64::try_from(token).unwrap_or(i64::MAX / 1000);
    SessionId::new(Timestamp::from_micros(1_700_000_000_000_000 + millis * 1000), &random)
}

/// Numbers below `end`, in a sequence that looks random.
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
