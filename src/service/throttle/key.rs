//! The keys of buckets: keyed hashes of names and networks.

use std::fmt;

use siphasher::sip128::SipHasher24;

use crate::domain::random::{Random, RandomError};
use crate::domain::user::{LoginName, UserId, lookalike_key};

/// A keyed 128-bit hash: without the key, an attacker cannot choose names that share a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Selects the set of buckets.
    pub(super) set: u64,
    /// Identifies the bucket in the set.
    pub(super) tag: u64,
}

/// The account of a login attempt, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountLabel {
    /// The user with this number.
    User(UserId),
    /// No user, or none was looked up: a keyed hash of the name. Equal names have the same hash while the process
    /// lives; the name cannot be derived from it.
    Name(u64),
}

/// `17`, or `name-9f86d081884c7d65`.
impl fmt::Display for AccountLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::Name(hash) => write!(f, "name-{hash:016x}"),
        }
    }
}

/// Makes keys.
pub(super) struct Keys(SipHasher24);

impl Keys {
    pub(super) fn new(random: &dyn Random) -> Result<Self, RandomError> {
        let mut key = [0; 16];
        random.fill(&mut key)?;
        Ok(Self(SipHasher24::new_with_key(&key)))
    }

    /// The key of these parts. Their number and order distinguish the kinds of keys.
    pub(super) fn key(&self, parts: &[&[u8]]) -> Key {
        let mut text = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            text.extend_from_slice(&(part.len() as u64).to_le_bytes());
            text.extend_from_slice(part);
        }
        let hash = self.0.hash(&text);
        Key { set: hash.h1, tag: hash.h2 }
    }
}

/// The name as it is counted: names that look alike are the same, and so are names with different spaces.
/// Nothing is looked up: names without a user have buckets too.
pub(super) fn folded(login: &LoginName) -> String {
    let (LoginName::Username(name) | LoginName::Email(name)) = login;
    lookalike_key(name).chars().filter(|character| !character.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::SystemRandom;

    #[test]
    fn names_that_look_the_same_are_one() {
        let folded = |name: &str| folded(&LoginName::Username(name.to_owned()));
        for twin in ["Alice", " alice", "al ice\u{3000}", "ａｌｉｃｅ", "ALICE\t"] {
            assert_eq!(folded(twin), folded("alice"), "{twin:?}");
        }
        assert_ne!(folded("alice"), folded("alicia"));
        assert_eq!(folded("a@b.example"), super::folded(&LoginName::Email("A@B.example".to_owned())));
    }

    #[test]
    fn keys_tell_parts_apart_and_differ_from_start_to_start() {
        let keys = Keys::new(&SystemRandom).expect("random bytes");
        assert_eq!(keys.key(&[b"a", b"b"]), keys.key(&[b"a", b"b"]));
        assert_ne!(keys.key(&[b"a", b"b"]), keys.key(&[b"ab", b""]));
        assert_ne!(keys.key(&[b"a"]), Keys::new(&SystemRandom).expect("random bytes").key(&[b"a"]));
    }
}
