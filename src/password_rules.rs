//! What a new password must be. Old and imported passwords are not held to it.
//!
//! The rules are few on purpose: length is what makes guessing hard, and rules about kinds of
//! characters only make people write `Password1!` (NIST SP 800-63B, section 5.1.1.2).

use crate::user::Password;

/// The least number of characters of a new password.
pub const MIN_PASSWORD_CHARACTERS: usize = 8;

/// The passwords that are tried first by everybody who guesses; shorter ones are missing,
/// since their length refuses them already.
const COMMON: &str = include_str!("password_rules/common.txt");

/// Why a password cannot be a new one. Says nothing of the password itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than [`MIN_PASSWORD_CHARACTERS`].
    #[error("the password is shorter than 8 characters")]
    TooShort,
    /// One of those that are tried first.
    #[error("the password is one of the most common ones")]
    Common,
}

/// Judges a password that somebody wants to have from now on.
///
/// # Errors
/// The first rule that it breaks.
pub fn judge_new_password(password: &Password) -> Result<(), WeakPassword> {
    let text = password.expose();
    if text.chars().count() < MIN_PASSWORD_CHARACTERS {
        return Err(WeakPassword::TooShort);
    }
    if COMMON.lines().any(|common| common.eq_ignore_ascii_case(text)) {
        return Err(WeakPassword::Common);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Result<(), WeakPassword> {
        judge_new_password(&Password::new(text.to_owned()))
    }

    #[test]
    fn length_counts_characters_and_not_bytes() {
        assert_eq!(judge("äöüäöüä"), Err(WeakPassword::TooShort));
        assert_eq!(judge("äöüäöüäö"), Ok(()));
        assert_eq!(judge(""), Err(WeakPassword::TooShort));
    }

    #[test]
    fn common_passwords_are_refused_in_any_case() {
        for common in ["password", "PassWord", "12345678", "qwertyuiop"] {
            assert_eq!(judge(common), Err(WeakPassword::Common), "{common}");
        }
        assert_eq!(judge("correct horse battery staple"), Ok(()));
    }

    #[test]
    fn the_list_holds_nothing_that_length_refuses_anyway() {
        assert!(COMMON.lines().count() >= 100);
        assert!(COMMON.lines().all(|line| line.chars().count() >= MIN_PASSWORD_CHARACTERS));
    }
}
