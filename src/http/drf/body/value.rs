//! The values in a body, as far as endpoints need them.

use std::fmt;

use zeroize::Zeroizing;

/// Text that may be a password: wiped when dropped, and never printed.
#[derive(PartialEq, Eq)]
pub struct Text(Zeroizing<String>);

impl Text {
    /// Takes a text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
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
    /// A string, or a JSON number as it was written.
    Text(Text),
    /// `true` or `false` of JSON: not valid for a text field.
    Bool(bool),
    /// Anything else, such as an array or an uploaded file: not valid for any field.
    Other,
}

/// The kind of a body that is not an object.
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

/// A body that was parsed.
#[derive(Debug, PartialEq, Eq)]
pub enum Document {
    /// Names and values in the order in which they were sent, names possibly repeated.
    Object(Vec<(Text, Value)>),
    /// JSON, but not an object.
    NotObject(Kind),
}

impl Document {
    /// An object without fields: the result of an empty body.
    pub const EMPTY: Self = Self::Object(Vec::new());

    /// The value of a field. If the name occurs several times, the last value counts.
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
