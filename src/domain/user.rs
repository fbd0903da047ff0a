//! Users and their passwords.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::domain::escape::is_unseen;
use crate::domain::time::Timestamp;

/// The name of the first administrator, who is created with a new database.
pub const ADMIN: &str = "admin";

/// A user's number; imported users keep theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct UserId(pub i64);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A counter of the user. A session is live only while its own copy equals the user's. Raising the
/// user's epoch ends all sessions at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub i64);

/// An account, without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct User {
    /// The user's number.
    pub id: UserId,
    /// The name to log in with; compared code point by code point.
    pub username: String,
    /// The e-mail address; may be empty, need not be unique.
    pub email: String,
    /// Only active users log in, and only their tokens are good.
    pub is_active: bool,
    /// Django's staff flag: nothing here depends on it, but backends see it.
    pub is_staff: bool,
    /// Whether the user may administer others.
    pub is_admin: bool,
    /// See [`Epoch`].
    #[serde(skip)]
    pub epoch: Epoch,
}

/// A user with the password hash, for a login.
#[derive(Debug, Clone)]
pub struct Account {
    /// The user.
    pub user: User,
    /// The stored password hash.
    pub password: PasswordHash,
}

impl Account {
    /// Whether it has no password here: external users have none.
    pub(crate) fn is_shadow(&self) -> bool {
        self.password.is_unusable()
    }
}

/// The name in a login request. Compared exactly, never folded or normalised, but for the domain of an e-mail
/// address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginName {
    /// By user name.
    Username(String),
    /// By e-mail address. If no user has exactly this one, the case of A to Z in the domain does not count. An
    /// address that fits two users equally well matches no user; nor does an empty one.
    Email(String),
}

impl LoginName {
    /// Whether it is exactly the user's name or e-mail address.
    pub fn is_exactly(&self, user: &User) -> bool {
        match self {
            Self::Username(name) => *name == user.username,
            Self::Email(email) => *email == user.email,
        }
    }
}

/// A password in clear text: wiped when dropped, never printed.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Wraps a password.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for hashing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A stored password hash in one of Django's formats, or text that no password matches
/// (empty, or beginning with `!`).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes the stored text as it is.
    pub const fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The stored form of "no password": no login is possible.
    pub fn unusable() -> Self {
        Self("!".to_owned())
    }

    /// Whether it stands for "no password", as Django writes it.
    pub fn is_unusable(&self) -> bool {
        self.0.starts_with('!')
    }

    /// The text, for storing and verifying.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The algorithm is no secret; the rest is.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// The fields of a new user.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// A fixed number (an imported or external user), or `None` for the next free one.
    pub id: Option<UserId>,
    /// The name, already validated by [`validate_username`] unless it is imported.
    pub username: String,
    /// The e-mail address, possibly empty.
    pub email: String,
    /// The password's hash.
    pub password: PasswordHash,
    /// Whether the user may log in.
    pub is_active: bool,
    /// Django's staff flag.
    pub is_staff: bool,
    /// Whether the user may administer others.
    pub is_admin: bool,
    /// When the user joined.
    pub created: Timestamp,
}

/// Why a name cannot be given to a new user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUsername {
    /// No name at all.
    #[error("the user name is empty")]
    Empty,
    /// More than 150 characters.
    #[error("the user name is longer than 150 characters")]
    TooLong,
    /// White space at an end: login forms trim it, so no login with such a name could succeed.
    #[error("the user name begins or ends with white space")]
    OuterSpace,
    /// A character that is invisible, or looks like a plain space: controls, formats, blanks,
    /// private and unassigned code points.
    #[error("the user name contains an invisible character")]
    Invisible,
    /// `id:` and digits: on the command line this is the user with that number.
    #[error("a user name of the form id:7 stands for a number on the command line")]
    Number,
}

/// Why nobody can log in by an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadEmail {
    /// White space at an end.
    #[error("the e-mail address begins or ends with white space")]
    OuterSpace,
}

/// Validates the name of a new user. Existing and imported users may have other names.
///
/// # Errors
/// The first rule that the name breaks.
pub fn validate_username(name: &str) -> Result<(), BadUsername> {
    if name.is_empty() {
        return Err(BadUsername::Empty);
    }
    if name.chars().count() > 150 {
        return Err(BadUsername::TooLong);
    }
    if has_outer_space(name) {
        return Err(BadUsername::OuterSpace);
    }
    if name.contains(is_unseen) {
        return Err(BadUsername::Invisible);
    }
    if numbered(name).is_some() { Err(BadUsername::Number) } else { Ok(()) }
}

/// The user that `id:` and digits stand for on the command line.
pub fn numbered(text: &str) -> Option<UserId> {
    text.strip_prefix("id:")?.parse().ok().map(UserId)
}

/// A text with each letter and its accents as one character, where Unicode has it (form NFC); no other letter changes.
pub fn composed(text: &str) -> String {
    text.nfc().collect()
}

/// A name or an e-mail address as keyboards write it and Django stores it: in Unicode's form NFKC, in which no letter is
/// apart from its accent.
pub fn normal_form(text: &str) -> String {
    text.nfkc().collect()
}

/// Whether a login with this name can succeed, wherever the name is from.
///
/// # Errors
/// The name is empty, or login forms take off a part of it.
pub fn check_reachable(name: &str) -> Result<(), BadUsername> {
    if name.is_empty() {
        return Err(BadUsername::Empty);
    }
    if has_outer_space(name) { Err(BadUsername::OuterSpace) } else { Ok(()) }
}

/// Whether a login with this e-mail address can succeed, wherever the address is from; an empty one is none.
///
/// # Errors
/// Login forms take off a part of it, so that it counts as another one.
pub fn check_reachable_email(email: &str) -> Result<(), BadEmail> {
    if has_outer_space(email) { Err(BadEmail::OuterSpace) } else { Ok(()) }
}

/// Whether login forms would take off a part of the text.
pub(crate) fn has_outer_space(text: &str) -> bool {
    text.starts_with(is_trimmed) || text.ends_with(is_trimmed)
}

/// The white space that login forms take off both ends of what is typed, as Python's `str.strip()` does. Rust's own
/// notion lacks U+001C to U+001F.
pub(crate) fn is_trimmed(c: char) -> bool {
    matches!(c, '\u{1c}'..='\u{1f}') || c.is_whitespace()
}

/// A key that two names share if they look alike: compatibility forms and letter case are folded,
/// then each character is replaced by the one that it resembles (Unicode TR 39, section 4).
pub fn lookalike_key(name: &str) -> String {
    let folded = caseless::default_case_fold_str(&name.nfkc().collect::<String>());
    unicode_security::skeleton(&folded).nfkc().collect()
}

/// A key that two e-mail addresses share if they differ in the case of A to Z alone, as the databases' `lower` folds it.
pub fn email_key(email: &str) -> String {
    email.to_ascii_lowercase()
}

/// An e-mail address without its domain. Has the `@` if there is one, so that a text without is all local part.
pub fn email_local_part(email: &str) -> &str {
    match email.rfind('@') {
        Some(at) => email.get(..=at).unwrap_or(email),
        None => email,
    }
}

/// The placeholder name of a user whose name was given to another user, until its new name is known. It
/// can be stored, but is not a [valid](validate_username) name.
pub(crate) fn stand_in_name(user: UserId) -> String {
    format!("\u{1}id:{user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookalikes_share_a_key() {
        for (a, b) in [
            ("casey", "Casey"),
            ("admin", "ａｄｍｉｎ"),
            ("paypal", "pаypаl"), // Cyrillic a
            ("straße", "STRASSE"),
            ("re\u{301}gis", "r\u{e9}gis"),
            ("admin1", "adminl"),
        ] {
            assert_eq!(lookalike_key(a), lookalike_key(b), "{a} {b}");
        }
        for (a, b) in [("alice", "alicia"), ("bob", "rob"), ("a.b", "ab"), ("日本", "日木")] {
            assert_ne!(lookalike_key(a), lookalike_key(b), "{a} {b}");
        }
    }

    #[test]
    fn names_that_nobody_could_use_are_refused() {
        assert_eq!(validate_username(""), Err(BadUsername::Empty));
        assert_eq!(validate_username(&"é".repeat(151)), Err(BadUsername::TooLong));
        assert_eq!(validate_username(&"é".repeat(150)), Ok(()));
        assert_eq!(validate_username("trail "), Err(BadUsername::OuterSpace));
        for invisible in ["a\0b", "a\nb", "a\u{200b}b", "a\u{202e}b", "a\u{feff}", "\u{2800}", "\u{e000}", "a\u{a0}b"] {
            assert_eq!(validate_username(invisible), Err(BadUsername::Invisible), "{invisible:?}");
        }
        assert_eq!(validate_username("o'brien \"the\" <b>&"), Ok(()));
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Password::new("hunter2".to_owned())), "Password(…)");
        assert_eq!(format!("{:?}", PasswordHash::from_stored("md5$a$b".to_owned())), "PasswordHash(…)");
    }
}
