//! The name that a client gives its session at the login, such as "Work laptop".

use crate::domain::escape::is_unseen;

/// The greatest number of characters of a session's name.
pub const MAX_SESSION_NAME: usize = 100;

/// A session's name: 1 to [`MAX_SESSION_NAME`] printable characters, not only spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionName(String);

impl SessionName {
    /// The text as a name; `None` if it cannot be one.
    pub fn new(text: &str) -> Option<Self> {
        let fits = text.chars().count() <= MAX_SESSION_NAME && !text.contains(is_unseen);
        (fits && !text.trim().is_empty()).then(|| Self(text.to_owned()))
    }

    /// The text, for storing.
    pub fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_to_a_hundred_printable_characters() {
        let longest = "é".repeat(MAX_SESSION_NAME);
        for good in ["x", "Work laptop", "<b>\"&'", "日本 🦀", longest.as_str()] {
            assert_eq!(SessionName::new(good).map(SessionName::into_text).as_deref(), Some(good));
        }
        let too_long = format!("{longest}é");
        for bad in ["", " ", "   ", "a\nb", "a\0", "\u{1b}[2J", "a\u{202e}b", "\u{200b}", "a\u{a0}b", &too_long] {
            assert_eq!(SessionName::new(bad), None, "{bad:?}");
        }
    }
}
