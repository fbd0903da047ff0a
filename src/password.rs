//! Passwords: hashed in the one format that is written, verified in every format that Django
//! wrote (`docs/passwords.md`).
//!
//! A refusal must not tell whether the user exists, so [`Hasher::verify`] does the work of one
//! bcrypt at the configured cost before it says [`Verification::Wrong`], whatever is stored.
//! All functions here compute for tenths of a second: they belong on a thread of their own.

mod digest;
mod memory;
mod stored;

use std::ops::Range;

use crate::random::{Random, RandomError};
use crate::user::{Password, PasswordHash};

use self::digest::{Fit, bcrypt_digest, bcrypt_text, prehash};
pub use self::memory::HashMemory;
pub use self::stored::{Algorithm, Unverifiable, is_verifiable, memory_needed};
use self::stored::{Recipe, Stored};

/// The salt of the work that a refusal pays; what it yields is thrown away.
const DUMMY_SALT: [u8; 16] = *b"nobody's session";

/// What became of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a password that was not accepted must refuse the login"]
pub enum Verification {
    /// The password does not fit, or nothing is stored that any password fits.
    Wrong,
    /// The password fits.
    Right,
    /// The password fits, and the stored hash should be replaced by a new one
    /// ([`Hasher::hash`]). Who refuses the login all the same, for example because the user is
    /// inactive, calls [`Hasher::pad_refusal`] instead.
    RightButOutdated,
    /// Nobody can tell: the stored hash needs memory that could not be had now
    /// ([`memory_needed`]). Never to be taken for a refusal; ask again.
    OutOfMemory,
}

/// A bcrypt cost outside of what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password cost {cost} is not between {least} and {most}")]
pub struct CostOutOfRange {
    /// What was asked for.
    pub cost: u32,
    /// The least allowed.
    pub least: u32,
    /// The most allowed.
    pub most: u32,
}

/// Hashes and verifies passwords at one bcrypt cost.
///
/// ```
/// use knoxide::password::{Hasher, Verification};
/// use knoxide::random::SystemRandom;
/// use knoxide::user::Password;
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

/// The cost that Django uses.
impl Default for Hasher {
    fn default() -> Self {
        Self { cost: Self::DEFAULT_COST }
    }
}

impl Hasher {
    /// The least cost a server may run with.
    pub const LEAST_COST: u32 = 10;
    /// The most: each step doubles the time, and this one takes several seconds a login.
    pub const MOST_COST: u32 = 16;
    /// Django's cost, and ours unless it is set.
    pub const DEFAULT_COST: u32 = 12;
    /// The least that bcrypt itself knows.
    const LEAST_UNSAFE_COST: u32 = 4;

    /// A hasher whose work is 2^`cost` rounds.
    ///
    /// # Errors
    /// A cost below [`Self::LEAST_COST`] or above [`Self::MOST_COST`].
    pub const fn new(cost: u32) -> Result<Self, CostOutOfRange> {
        Self::within(cost, Self::LEAST_COST)
    }

    /// As [`Self::new`], but from cost 4 up: for tests, which log in by the thousand. Such hashes
    /// protect nobody once a database leaks.
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

    /// The cost that new hashes get.
    pub const fn cost(&self) -> u32 {
        self.cost
    }

    /// A new hash, as Django's `bcrypt_sha256` writes it, under a salt from `random`.
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

    /// Whether `password` fits what is stored for the user; `None` stands for a user that does
    /// not exist. Text that cannot be verified ([`is_verifiable`]) fits no password.
    ///
    /// A refusal takes the work of one bcrypt at the configured cost. A stored bcrypt hash of a
    /// lower cost is padded to just that; a hash that is not bcrypt, or dearer, costs its own
    /// work besides.
    pub fn verify(&self, password: &Password, stored: Option<&PasswordHash>) -> Verification {
        self.verify_within(password, stored, &HashMemory::default())
    }

    /// As [`Self::verify`], on one of several threads that take their memory from the same process:
    /// they all name the same `memory`, or one of them may end the process when there is too little.
    pub fn verify_within(
        &self,
        password: &Password,
        stored: Option<&PasswordHash>,
        memory: &HashMemory,
    ) -> Verification {
        let stored = stored.and_then(|stored| Stored::parse(stored.expose()).ok());
        match (stored.as_ref().map_or(Fit::No, |stored| stored.fit(password, memory)), stored) {
            (Fit::Yes, Some(stored)) if self.is_preferred(&stored) => Verification::Right,
            (Fit::Yes, _) => Verification::RightButOutdated,
            (Fit::OutOfMemory, _) => Verification::OutOfMemory,
            (Fit::No, stored) => {
                self.pay(password, self.debt(stored.as_ref()));
                Verification::Wrong
            }
        }
    }

    /// Does the work that [`Self::verify`] would have added for a wrong password. For the login
    /// that is refused although the password fits: without it, the quick answer would betray
    /// that the password was right. Nothing is added to a hash that is not outdated.
    pub fn pad_refusal(&self, password: &Password, stored: &PasswordHash) {
        self.pay(password, self.debt(Stored::parse(stored.expose()).ok().as_ref()));
    }

    /// Django's rule: the format and the cost of new hashes.
    fn is_preferred(&self, stored: &Stored<'_>) -> bool {
        stored.algorithm == Algorithm::BcryptSha256 && stored.bcrypt_cost() == Some(self.cost)
    }

    /// The costs of the bcrypts that a refusal owes after `stored` has been tried.
    ///
    /// One bcrypt at each of the costs c, c + 1, …, n - 1 is together as much work as one at n
    /// less one at c, so that a cheaper hash and its padding make exactly one at n.
    fn debt(&self, stored: Option<&Stored<'_>>) -> Range<u32> {
        match stored.and_then(Stored::bcrypt_cost) {
            Some(paid) if paid <= self.cost => paid..self.cost,
            Some(_) | None => self.cost..self.cost + 1,
        }
    }

    /// The result is hidden from the optimiser, which could otherwise see that nobody needs it.
    fn pay(&self, password: &Password, costs: Range<u32>) {
        let key = prehash(password);
        for cost in costs {
            std::hint::black_box(bcrypt_digest(cost, DUMMY_SALT, key.as_bytes()));
        }
    }
}

impl Stored<'_> {
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

    /// How many rounds of bcrypt a refusal takes in all, those of the stored hash included.
    fn rounds(hasher: Hasher, stored: Option<&str>) -> u64 {
        let stored = stored.and_then(|text| Stored::parse(text).ok());
        let own = stored.as_ref().and_then(Stored::bcrypt_cost).map_or(0, |cost| 1 << cost);
        own + hasher.debt(stored.as_ref()).map(|cost| 1_u64 << cost).sum::<u64>()
    }

    #[test]
    fn every_refusal_takes_the_same_rounds() {
        let hasher = Hasher::new(12).unwrap();
        for stored in ["", "!", "!abc", "sha9$a$b", "bcrypt$$2b$12$short", "pbkdf2_sha256$x", "crypt$$ab", "plain"] {
            assert_eq!(rounds(hasher, Some(stored)), 1 << 12, "{stored}");
        }
        // Beyond the bounds, nothing of the hash's own work is done.
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
