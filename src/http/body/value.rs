//! What a body holds, as far as anybody asks.

use std::fmt;

use zeroize::Zeroizing;

/// Text as Python holds it: it may contain lone surrogates, which Rust's strings cannot.
///
/// It may be a password, so it is wiped when dropped and never printed.
#[derive(PartialEq, Eq, Default)]
pub struct Text {
    characters: Zeroizing<String>,
    surrogate: Option<u16>,
}

impl Text {
    /// Text without surrogates.
    pub fn new(text: String) -> Self {
        Self { characters: Zeroizing::new(text), surrogate: None }
    }

    /// The text; U+FFFD stands in for lone surrogates.
    pub fn as_str(&self) -> &str {
        &self.characters
    }

    /// The first lone surrogate.
    pub const fn surrogate(&self) -> Option<u16> {
        self.surrogate
    }

    pub(super) fn push_str(&mut self, text: &str) {
        self.characters.push_str(text);
    }

    pub(super) fn push(&mut self, c: char) {
        self.characters.push(c);
    }

    pub(super) fn push_surrogate(&mut self, unit: u16) {
        self.characters.push(char::REPLACEMENT_CHARACTER);
        self.surrogate.get_or_insert(unit);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(…)")
    }
}

/// One field's value.
#[derive(Debug, PartialEq, Eq)]
pub enum Value {
    /// JSON's `null`.
    Null,
    /// A string, or a number as Python prints it.
    Text(Text),
    /// A boolean, an array, an object or an uploaded file: good for no text field.
    Other,
}

/// What stands where an object should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number without fraction and exponent.
    Int,
    /// Any other number.
    Float,
    /// A string.
    Str,
    /// An array.
    List,
}

/// A body that could be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Document {
    /// Names and values in the order in which they were sent, names possibly repeated.
    Object(Vec<(Text, Value)>),
    /// JSON, but no object.
    NotObject(Kind),
}

impl Document {
    /// An object without fields: what an empty body stands for.
    pub const EMPTY: Self = Self::Object(Vec::new());

    /// The value of a field. Of several of one name the last one counts.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Object(fields) => {
                fields.iter().rev().find(|(known, _)| known.as_str() == name).map(|(_, value)| value)
            }
            Self::NotObject(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_every_text() {
        let text = Text::new("secret".to_owned());
        let document = Document::Object(vec![(text, Value::Text(Text::new("secret".to_owned())))]);
        assert!(!format!("{document:?}").contains("secret"));
    }

    #[test]
    fn the_last_of_one_name_counts() {
        let name = || Text::new("a".to_owned());
        let document = Document::Object(vec![(name(), Value::Null), (name(), Value::Other)]);
        assert_eq!(document.get("a"), Some(&Value::Other));
        assert_eq!(document.get("A"), None);
        assert_eq!(Document::NotObject(Kind::List).get("a"), None);
    }
}
