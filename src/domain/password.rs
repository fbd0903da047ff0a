//! Passwords: hashed in one format, verified in every format that Django has written
//! (`docs/passwords.md`).
//!
//! The time of a refusal must not reveal whether the user exists, so [`Hasher::verify`] does the work
//! of one bcrypt at the configured cost before it returns [`Verification::Wrong`], whatever is stored.
//! All functions here compute for tenths of a second: run them on a thread of their own.

mod digest;
mod memory;
pub mod one_time;
mod stored;

use std::ops::Range;

use crate::domain::random::{Random, RandomError};
use crate::domain::user::{Password, PasswordHash};

use self::digest::{BCRYPT_KEY_BYTES, Fit, bcrypt_digest, bcrypt_text, prehash};
pub use self::memory::HashMemory;
pub use self::stored::{Algorithm, Unverifiable, is_verifiable, memory_needed};
use self::stored::{BcryptInput, Recipe, Stored};

/// The salt of the bcrypts that pad a refusal; their results are discarded.
const DUMMY_SALT: [u8; 16] = *b"nobody's session";

/// The result of verifying a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the login must be refused if the password was not accepted"]
pub enum Verification {
    /// The password is wrong, or what is stored matches no password.
    Wrong,
    /// The password is right. A caller that refuses the login anyway, for example because the user is inactive,
    /// calls [`Hasher::pad_refusal`].
    Right,
    /// The same, and the stored hash should be replaced by a new one ([`Hasher::hash`]).
    RightButOutdated,
    /// Unknown: the stored hash needs more memory than is available now ([`memory_needed`]). This
    /// is not a refusal; try again.
    OutOfMemory,
}

/// A bcrypt cost outside of the allowed range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password cost {cost} is not between {least} and {most}")]
pub struct CostOutOfRange {
    /// The requested cost.
    pub cost: u32,
    /// The lowest allowed.
    pub least: u32,
    /// The highest allowed.
    pub most: u32,
}

/// Hashes and verifies passwords at one bcrypt cost.
///
/// ```
/// use knoxide::domain::password::{Hasher, Verification};
/// use knoxide::domain::random::SystemRandom;
/// use knoxide::domain::user::Password;
///
/// let hasher = Hasher::new(10)?;
/// let password = Password::new("correct horse".to_owned());
/// let stored = hasher.hash(&password, &SystemRandom)?;
/// assert_eq!(hasher.verify(&password, Some(&stored)), Verification::Right);
/// assert_eq!(hasher.verify(&password, None), Verification::Wrong);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hasher {
    cost: u32,
}

/// With the cost that Django uses.
impl Default for Hasher {
    fn default() -> Self {
        Self { cost: Self::DEFAULT_COST }
    }
}

impl Hasher {
    /// The lowest cost that a server may use.
    pub const LEAST_COST: u32 = 10;
    /// The highest: each step doubles the time, and this one takes several seconds for a login.
    pub const MOST_COST: u32 = 16;
    /// Django's cost, and the default.
    pub const DEFAULT_COST: u32 = 12;
    /// The lowest cost of bcrypt itself.
    const LEAST_UNSAFE_COST: u32 = 4;

    /// A hasher whose work is 2^`cost` rounds.
    ///
    /// # Errors
    /// A cost below [`Self::LEAST_COST`] or above [`Self::MOST_COST`].
    pub const fn new(cost: u32) -> Result<Self, CostOutOfRange> {
        Self::within(cost, Self::LEAST_COST)
    }

    /// As [`Self::new`], but from cost 4 up: for tests with thousands of logins. Such hashes do not
    /// protect passwords if a database leaks.
    ///
    /// # Errors
    /// A cost below 4 or above [`Self::MOST_COST`].
    pub const fn with_unsafe_cost(cost: u32) -> Result<Self, CostOutOfRange> {
        Self::within(cost, Self::LEAST_UNSAFE_COST)
    }

    const fn within(cost: u32, least: u32) -> Result<Self, CostOutOfRange> {
        if cost < least || cost > Self::MOST_COST {
            return Err(CostOutOfRange { cost, least, most: Self::MOST_COST });
        }
        Ok(Self { cost })
    }

    /// The cost of new hashes.
    pub const fn cost(&self) -> u32 {
        self.cost
    }

    /// A new hash in the format of Django's `bcrypt_sha256`, with a salt from `random`.
    ///
    /// # Errors
    /// There were no random bytes for the salt.
    pub fn hash(&self, password: &Password, random: &dyn Random) -> Result<PasswordHash, RandomError> {
        let mut salt = [0; 16];
        random.fill(&mut salt)?;
        let digest = bcrypt_digest(self.cost, salt, prehash(password).as_bytes());
        let text = format!("{}${}", Algorithm::BcryptSha256, bcrypt_text(self.cost, salt, digest));
        Ok(PasswordHash::from_stored(text))
    }

    /// Verifies `password` against the stored hash; `None` stands for a user that does not exist.
    /// Text that cannot be verified ([`is_verifiable`]) matches no password.
    ///
    /// A refusal takes the work of one bcrypt at the configured cost. A stored bcrypt hash of a
    /// lower cost is padded to exactly that; the work for a hash that is not bcrypt, or has a
    /// higher cost, comes on top.
    pub fn verify(&self, password: &Password, stored: Option<&PasswordHash>) -> Verification {
        self.verify_within(password, stored, &HashMemory::default())
    }

    /// As [`Self::verify`], for several threads of one process: all of them have to pass the same
    /// `memory`, or one of them may end the process when there is too little.
    pub fn verify_within(
        &self,
        password: &Password,
        stored: Option<&PasswordHash>,
        memory: &HashMemory,
    ) -> Verification {
        let stored = stored.and_then(|stored| Stored::parse(stored.expose()).ok());
        match (stored.as_ref().map_or(Fit::No, |stored| stored.fit(password, memory)), stored) {
            (Fit::Yes, Some(stored)) if self.is_preferred(&stored) || !stored.covers(password) => Verification::Right,
            (Fit::Yes, _) => Verification::RightButOutdated,
            (Fit::OutOfMemory, _) => Verification::OutOfMemory,
            (Fit::No, stored) => {
                self.pad(password, self.padding(stored.as_ref()));
                Verification::Wrong
            }
        }
    }

    /// Does the work that [`Self::verify`] would have added for a wrong password. Call it when a login is refused
    /// although the password is right: otherwise the quick answer would reveal that. For a hash of the preferred format
    /// and cost, there is no such work.
    pub fn pad_refusal(&self, password: &Password, stored: &PasswordHash) {
        self.pad(password, self.padding(Stored::parse(stored.expose()).ok().as_ref()));
    }

    /// Whether the hash has the format and the cost of new hashes, as Django decides it.
    fn is_preferred(&self, stored: &Stored<'_>) -> bool {
        stored.algorithm == Algorithm::BcryptSha256 && stored.bcrypt_cost() == Some(self.cost)
    }

    /// The costs of the bcrypts that pad a refusal after `stored` has been tried.
    ///
    /// One bcrypt at each of the costs c, c + 1, …, n - 1 is together as much work as one at n
    /// minus one at c, so that a cheaper hash and its padding make exactly one at n.
    fn padding(&self, stored: Option<&Stored<'_>>) -> Range<u32> {
        match stored.and_then(Stored::bcrypt_cost) {
            Some(cost) if cost <= self.cost => cost..self.cost,
            Some(_) | None => self.cost..self.cost + 1,
        }
    }

    /// The result is hidden from the optimiser, which could otherwise see that it is not used.
    fn pad(&self, password: &Password, costs: Range<u32>) {
        let key = prehash(password);
        for cost in costs {
            std::hint::black_box(bcrypt_digest(cost, DUMMY_SALT, key.as_bytes()));
        }
    }
}

impl Stored<'_> {
    /// Whether a password that fits is the user's whole password. Plain bcrypt ignores everything after the first 72
    /// bytes, so that other passwords fit too. If the hash were replaced by a better one of such a password, the user's
    /// own would be refused.
    fn covers(&self, password: &Password) -> bool {
        match self.recipe {
            Recipe::Bcrypt { input: BcryptInput::Password, .. } => password.expose().len() < BCRYPT_KEY_BYTES,
            Recipe::Bcrypt { input: BcryptInput::Prehash, .. }
            | Recipe::Pbkdf2Sha256 { .. }
            | Recipe::Pbkdf2Sha1 { .. }
            | Recipe::Argon2 { .. }
            | Recipe::Scrypt { .. }
            | Recipe::Sha1 { .. }
            | Recipe::Md5 { .. } => true,
        }
    }

    fn bcrypt_cost(&self) -> Option<u32> {
        match self.recipe {
            Recipe::Bcrypt { cost, .. } => Some(cost),
            Recipe::Pbkdf2Sha256 { .. }
            | Recipe::Pbkdf2Sha1 { .. }
            | Recipe::Argon2 { .. }
            | Recipe::Scrypt { .. }
            | Recipe::Sha1 { .. }
            | Recipe::Md5 { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = "KrDLERPlQRi4lg/uS/apEOI0U/PIxMiqHxb.iDIS5YoI8gSyf1IHq";

    /// How many rounds of bcrypt a refusal takes, including those of the stored hash.
    fn rounds(hasher: Hasher, stored: Option<&str>) -> u64 {
        let stored = stored.and_then(|text| Stored::parse(text).ok());
        let own = stored.as_ref().and_then(Stored::bcrypt_cost).map_or(0, |cost| 1 << cost);
        own + hasher.padding(stored.as_ref()).map(|cost| 1_u64 << cost).sum::<u64>()
    }

    #[test]
    fn every_refusal_takes_the_same_rounds() {
        let hasher = Hasher::new(12).unwrap();
        for stored in [
            "",
            "!",
            "!abc",
            "!one_time$1700086400000000$00",
            "sha9$a$b",
            "bcrypt$$2b$12$short",
            "pbkdf2_sha256$x",
            "crypt$$ab",
            "plain",
        ] {
            assert_eq!(rounds(hasher, Some(stored)), 1 << 12, "{stored}");
        }
        // A hash beyond the bounds is not computed.
        for cost in [17, 20, 31] {
            assert_eq!(rounds(hasher, Some(&format!("bcrypt_sha256$$2b${cost}${DATA}"))), 1 << 12, "{cost}");
        }
        assert_eq!(rounds(hasher, None), 1 << 12);
        for cost in 4..=12 {
            for algorithm in ["bcrypt", "bcrypt_sha256"] {
                assert_eq!(rounds(hasher, Some(&format!("{algorithm}$$2b${cost:02}${DATA}"))), 1 << 12, "{cost}");
            }
        }
    }

    #[test]
    fn a_plain_bcrypt_is_replaced_only_if_the_whole_password_is_known() {
        let hasher = Hasher::with_unsafe_cost(4).unwrap();
        for (length, expected) in [
            (0, Verification::RightButOutdated),
            (71, Verification::RightButOutdated),
            (72, Verification::Right),
            (73, Verification::Right),
            (500, Verification::Right),
        ] {
            let text = "x".repeat(length);
            let digest = bcrypt_digest(4, DUMMY_SALT, text.as_bytes());
            let stored = format!("bcrypt${}", bcrypt_text(4, DUMMY_SALT, digest));
            let verified = hasher.verify(&Password::new(text), Some(&PasswordHash::from_stored(stored)));
            assert_eq!(verified, expected, "{length}");
        }
    }

    #[test]
    fn other_formats_and_dearer_costs_pay_besides() {
        let hasher = Hasher::new(10).unwrap();
        assert_eq!(rounds(hasher, Some(&format!("bcrypt_sha256$$2b$11${DATA}"))), (1 << 11) + (1 << 10));
        for stored in [
            "md5$a$36413d4bce99568acc9a0c8d1d85507d",
            "pbkdf2_sha1$1$salt$dCphetshl11+rB0ZLuPPzxz+/y0=",
            "argon2$argon2id$v=19$m=8,t=1,p=1$NGYyNGZlMjJmNDMyN2E0Zg$Ni50wGJ/MvBy8CIOSTiZN32SdW0PeN85MdLN5RqLHqk",
        ] {
            assert!(is_verifiable(&PasswordHash::from_stored(stored.to_owned())).is_ok(), "{stored}");
            assert_eq!(rounds(hasher, Some(stored)), 1 << 10, "{stored}");
        }
    }
}
