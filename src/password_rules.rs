//! What a new password must be. Old and imported passwords are not held to it.
//!
//! The rules are few on purpose: length is what makes guessing hard, and rules about kinds of
//! characters only make people write `Password1!`. What everybody guesses first is refused: the
//! passwords that are most common, and what is known of the person (NIST SP 800-63B, section 5.1.1.2).

use std::collections::BTreeMap;

use crate::user::Password;

/// The least number of characters of a new password.
pub const MIN_PASSWORD_CHARACTERS: usize = 8;

/// The passwords that are tried first by everybody who guesses, in small letters; shorter ones are
/// missing, since their length refuses them already. `password_rules/SOURCE.md` says whence they are.
const COMMON: &str = include_str!("password_rules/common.txt");

/// How alike a password and a part of its owner's name may be, in percent (Django's bound).
const MAX_SIMILARITY: usize = 70;

/// What must stay of a password, in characters, without the parts of its owner's name in it.
const MIN_REST: usize = 4;

/// Parts of a name shorter than this say little, in characters.
const MIN_PART: usize = 3;

/// Whom a password is for, as far as others know or guess it.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The user name.
    pub username: &'a str,
    /// The e-mail address; may be empty.
    pub email: &'a str,
}

/// Why a password cannot be a new one. Says nothing of the password itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than [`MIN_PASSWORD_CHARACTERS`].
    #[error("the password is shorter than 8 characters")]
    TooShort,
    /// One of those that are tried first.
    #[error("the password is one of the most common ones")]
    Common,
    /// Little more than the name of its owner.
    #[error("the password is too similar to the user's name or e-mail address")]
    OwnName,
}

/// Judges a password that `owner` is to have from now on.
///
/// # Errors
/// The first rule that it breaks.
pub fn judge_new_password(password: &Password, owner: &Owner<'_>) -> Result<(), WeakPassword> {
    let text = password.expose();
    if text.chars().count() < MIN_PASSWORD_CHARACTERS {
        return Err(WeakPassword::TooShort);
    }
    if COMMON.lines().any(|common| common.eq_ignore_ascii_case(text)) {
        return Err(WeakPassword::Common);
    }
    let small = zeroize::Zeroizing::new(text.to_lowercase());
    if parts(owner).iter().any(|part| is_like(&small, part)) {
        return Err(WeakPassword::OwnName);
    }
    Ok(())
}

/// The name and the address, each as a whole and in its words, in small letters.
fn parts(owner: &Owner<'_>) -> Vec<String> {
    let mut parts = Vec::new();
    for whole in [owner.username, owner.email] {
        let small = whole.to_lowercase();
        parts.extend(small.split(|c: char| !c.is_alphanumeric()).map(str::to_owned));
        parts.extend(small.split('@').map(str::to_owned));
        parts.push(small);
    }
    parts.retain(|part| part.chars().count() >= MIN_PART);
    parts
}

/// Whether little is left of the password without this part of a name, or both are made of nearly
/// the same characters, in whatever order: so the name backwards is one of them, too.
fn is_like(password: &str, part: &str) -> bool {
    let rest = password.split(part).map(|rest| rest.chars().count()).sum::<usize>();
    if rest < MIN_REST {
        return true;
    }
    let (a, b) = (count(password), count(part));
    let shared: usize = a.iter().map(|(c, times)| b.get(c).map_or(0, |others| *times.min(others))).sum();
    let all: usize = a.values().chain(b.values()).sum();
    2 * shared * 100 >= MAX_SIMILARITY * all
}

fn count(text: &str) -> BTreeMap<char, usize> {
    let mut times = BTreeMap::new();
    text.chars().for_each(|c| *times.entry(c).or_default() += 1);
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Result<(), WeakPassword> {
        judge_for("", "", text)
    }

    fn judge_for(username: &str, email: &str, text: &str) -> Result<(), WeakPassword> {
        judge_new_password(&Password::new(text.to_owned()), &Owner { username, email })
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
    fn ones_own_name_is_refused_however_it_is_dressed() {
        let (name, email) = ("Alexandra", "a.rosenfeld@example.org");
        for own in ["alexandra-", "ALEXANDRA+1", "alexandra!!!", "1alexandra2", "ardnaxela", "al3xandra", "Rosenfeld-7"]
        {
            assert_eq!(judge_for(name, email, own), Err(WeakPassword::OwnName), "{own}");
        }
        for own in ["a.rosenfeld", "example.org", "a.rosenfeld@example.org"] {
            assert_eq!(judge_for(name, email, own), Err(WeakPassword::OwnName), "{own}");
        }
        for other in ["alexandra keeps nine bees", "correct horse", "rosenfeld is my second name", "xqzt-8841-wv"] {
            assert_eq!(judge_for(name, email, other), Ok(()), "{other}");
        }
        assert_eq!(judge_for("bob", "", "bob-bob-bob"), Err(WeakPassword::OwnName));
        assert_eq!(judge_for("bob", "", "bobsled-race"), Ok(()));
        assert_eq!(judge_for("jo", "", "jo-plus-more"), Ok(()), "two letters are in everything");
        assert_eq!(judge_for("ÉLODIE-Straße", "", "élodie-straße"), Err(WeakPassword::OwnName));
    }

    #[test]
    fn the_list_holds_nothing_that_length_refuses_anyway() {
        assert!(COMMON.lines().count() >= 3_000);
        assert!(COMMON.lines().all(|line| line.chars().count() >= MIN_PASSWORD_CHARACTERS));
        assert!(COMMON.lines().is_sorted() && COMMON.lines().all(|line| line == line.to_lowercase()));
    }
}
