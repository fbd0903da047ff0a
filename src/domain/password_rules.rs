//! The rules for new passwords. Old and imported passwords need not follow them.
//!
//! The rules are few on purpose: length is what makes guessing hard, and rules about kinds of
//! characters only make people choose `Password1!`. Passwords that attackers guess first are
//! refused: the most common ones, and those made of the user's name (NIST SP 800-63B, section 5.1.1.2).

use std::collections::BTreeMap;

use crate::domain::user::{Password, has_outer_space};

/// The least number of characters of a new password.
pub const MIN_PASSWORD_CHARACTERS: usize = 8;

/// The most common passwords, in lower case. Those that are too short anyway are left out.
/// `password_rules/SOURCE.md` names their source.
const COMMON: &str = include_str!("password_rules/common.txt");

/// The similarity, in percent, from which a password counts as similar to a part of its owner's name (Django's bound).
const MAX_SIMILARITY_PERCENT: usize = 70;

/// How many characters of a password must be left after a part of its owner's name is removed from it.
const MIN_REST_CHARACTERS: usize = 4;

/// Parts of a name with fewer characters are ignored.
const MIN_PART_CHARACTERS: usize = 3;

/// The owner of a password: what others know or can guess.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The user name.
    pub username: &'a str,
    /// The e-mail address; may be empty.
    pub email: &'a str,
}

/// Why a new password is refused. Reveals nothing of the password itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than [`MIN_PASSWORD_CHARACTERS`].
    #[error("the password is shorter than 8 characters")]
    TooShort,
    /// White space at an end: four of the five dialects remove it from what is typed.
    #[error("the password begins or ends with white space, which most login forms remove")]
    OuterSpace,
    /// One of the most common ones.
    #[error("the password is one of the most common ones")]
    Common,
    /// Too similar to the name of its owner.
    #[error("the password is too similar to the user's name or e-mail address")]
    OwnName,
}

/// Checks a new password for `owner`.
///
/// # Errors
/// The first rule that it breaks.
pub fn judge_new_password(password: &Password, owner: &Owner<'_>) -> Result<(), WeakPassword> {
    let text = password.expose();
    if text.chars().count() < MIN_PASSWORD_CHARACTERS {
        return Err(WeakPassword::TooShort);
    }
    if has_outer_space(text) {
        return Err(WeakPassword::OuterSpace);
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

/// The name and the address, each as a whole and split into words, in lower case.
fn parts(owner: &Owner<'_>) -> Vec<String> {
    let mut parts = Vec::new();
    for whole in [owner.username, owner.email] {
        let small = whole.to_lowercase();
        parts.extend(small.split(|c: char| !c.is_alphanumeric()).map(str::to_owned));
        parts.extend(small.split('@').map(str::to_owned));
        parts.push(small);
    }
    parts.retain(|part| part.chars().count() >= MIN_PART_CHARACTERS);
    parts
}

/// Whether little is left of the password without this part of a name, or both have nearly the same characters in any
/// order, as with a reversed name.
fn is_like(password: &str, part: &str) -> bool {
    let rest = password.split(part).map(|rest| rest.chars().count()).sum::<usize>();
    if rest < MIN_REST_CHARACTERS {
        return true;
    }
    let (a, b) = (count(password), count(part));
    let shared: usize = a.iter().map(|(c, times)| b.get(c).map_or(0, |others| *times.min(others))).sum();
    let all: usize = a.values().chain(b.values()).sum();
    2 * shared * 100 >= MAX_SIMILARITY_PERCENT * all
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
    fn white_space_at_an_end_is_refused_and_inside_it_is_not() {
        for space in [" ", "\t", "\n", "\u{a0}", "\u{3000}", "\u{1f}", "\u{85}"] {
            for text in [format!("{space}correct horse"), format!("correct horse{space}"), space.repeat(12)] {
                assert_eq!(judge(&text), Err(WeakPassword::OuterSpace), "{text:?}");
            }
            assert_eq!(judge(&format!("correct{space}horse")), Ok(()), "{space:?}");
        }
        assert_eq!(judge("\u{200b}correct horse"), Ok(()), "no dialect takes this one off");
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
