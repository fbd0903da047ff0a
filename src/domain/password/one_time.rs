//! One-time passwords: a random value that can be exchanged for a new password once, and opens nothing else.
//!
//! Its digest and its expiry are stored in place of the password's hash, behind the `!` that makes a hash unusable. So
//! every login refuses it as a wrong password, and setting any other password removes it (`docs/passwords.md`).

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::domain::random::{Random, RandomError};
use crate::domain::time::Timestamp;
use crate::domain::user::{Password, PasswordHash};

/// How long a one-time password is good.
pub const ONE_TIME_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The beginning of the stored form. The time of expiry in microseconds, `$`, and the digest in hexadecimal digits
/// follow.
const MARK: &str = "!one_time$";

/// A new one-time password, as an answer shows it this one time.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OneTimePassword {
    /// The value: 32 hexadecimal digits of 128 random bits.
    #[serde(rename = "one_time_password", serialize_with = "shown")]
    #[schemars(with = "String")]
    pub value: Password,
    /// What is stored in place of the password's hash.
    #[serde(skip)]
    pub stored: PasswordHash,
    /// When it expires.
    pub expires: Timestamp,
}

fn shown<S: Serializer>(value: &Password, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.expose())
}

impl OneTimePassword {
    /// A new value, good from `now` on.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn generate(random: &dyn Random, now: Timestamp) -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0_u8; 16]);
        random.fill(bytes.as_mut())?;
        let value = Password::new(hex::encode(bytes.as_slice()));
        let expires = now.saturating_add(ONE_TIME_LIFETIME);
        let stored = format!("{MARK}{}${}", expires.as_micros(), hex::encode(digest(&value)));
        Ok(Self { value, stored: PasswordHash::from_stored(stored), expires })
    }
}

/// Whether `password` is the stored one-time password, and still good. The value is random enough for a fast digest.
pub fn is_one_time(password: &Password, stored: &PasswordHash, now: Timestamp) -> bool {
    let parts = stored.expose().strip_prefix(MARK).and_then(|rest| rest.split_once('$'));
    let Some((Ok(expires), expected)) = parts.map(|(end, digits)| (end.parse(), digits)) else { return false };
    let equal: bool = hex::encode(digest(password)).as_bytes().ct_eq(expected.as_bytes()).into();
    equal && now < Timestamp::from_micros(expires)
}

/// Whether a text has the form of a one-time password. Whether it is one depends on the account.
pub fn can_be_one_time(password: &Password) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    password.expose().len() == 32 && password.expose().bytes().all(is_digit)
}

fn digest(value: &Password) -> [u8; 64] {
    Sha512::digest(value.expose()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::password::{Hasher, Unverifiable, Verification, is_verifiable};
    use crate::domain::random::SystemRandom;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    #[test]
    fn it_is_good_for_a_day_and_no_other_value_is() {
        let made = OneTimePassword::generate(&SystemRandom, NOW).expect("random bytes");
        let fits = |seconds| is_one_time(&made.value, &made.stored, NOW.saturating_add(Duration::from_secs(seconds)));
        assert_eq!([0, 86_399, 86_400, 90_000].map(fits), [true, true, false, false]);
        let other = OneTimePassword::generate(&SystemRandom, NOW).expect("random bytes");
        assert!(!is_one_time(&other.value, &made.stored, NOW));
        assert!(!is_one_time(&Password::new(String::new()), &made.stored, NOW));
        for stored in ["", "!", "!one_time$", "!one_time$9999999999999999$", "!one_time$x$", "plain"] {
            let stored = PasswordHash::from_stored(stored.to_owned());
            assert!(!is_one_time(&Password::new(String::new()), &stored, NOW), "{stored:?}");
        }
    }

    #[test]
    fn it_is_a_wrong_password_at_a_login() {
        let made = OneTimePassword::generate(&SystemRandom, NOW).expect("random bytes");
        let hasher = Hasher::with_unsafe_cost(4).expect("a cost");
        assert_eq!(hasher.verify(&made.value, Some(&made.stored)), Verification::Wrong);
        assert!(made.stored.is_unusable());
        assert_eq!(is_verifiable(&made.stored), Err(Unverifiable::Unusable));
    }

    #[test]
    fn what_is_stored_holds_no_part_of_the_value_and_neither_is_printed() {
        let made = OneTimePassword::generate(&SystemRandom, NOW).expect("random bytes");
        assert_eq!(made.value.expose().len(), 32);
        assert!(!made.stored.expose().contains(made.value.expose()));
        assert!(!format!("{made:?}").contains(made.value.expose()));
    }
}
