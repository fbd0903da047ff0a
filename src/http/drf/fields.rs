//! Text fields (`docs/contract.md#text-fields`): all of them are checked, each by itself, in the endpoint's order.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::domain::user::is_trimmed;
use crate::http::drf::body::value::{Document, Kind, Value};

/// The key of errors that belong to no single field.
pub const NON_FIELD_ERRORS: &str = "non_field_errors";

/// A required text field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    name: &'static str,
    trim: Trim,
}

/// Whether white space at both ends belongs to the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trim {
    /// It is removed, and a value of white space alone is blank.
    Yes,
    /// It is kept, as for a password.
    No,
}

impl Field {
    /// A text field.
    pub const fn text(name: &'static str, trim: Trim) -> Self {
        Self { name, trim }
    }

    fn read(self, document: &Document) -> Result<String, &'static str> {
        let text = match document.get(self.name) {
            None => return Err("This field is required."),
            Some(Value::Null) => return Err("This field may not be null."),
            Some(Value::Bool(_) | Value::Other) => return Err("Not a valid string."),
            Some(Value::Text(text)) => text.as_str(),
        };
        let value = match self.trim {
            Trim::Yes => text.trim_matches(is_trimmed),
            Trim::No => text,
        };
        if value.is_empty() {
            return Err("This field may not be blank.");
        }
        if value.contains('\0') {
            return Err("Null characters are not allowed.");
        }
        Ok(value.to_owned())
    }
}

/// The errors in a body: a message for each wrong field, in the order in which the fields were declared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldErrors(Vec<(&'static str, Cow<'static, str>)>);

impl FieldErrors {
    /// A message about a single field (or [`NON_FIELD_ERRORS`]).
    pub fn one(name: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self(vec![(name, message.into())])
    }
}

/// The reply's body: `{"<field>":["message"], …}`.
impl Serialize for FieldErrors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, message)| (name, [message])))
    }
}

/// Takes the declared fields from a body, in their order.
///
/// # Errors
/// When the body is not an object, or with an error for every field that is wrong.
pub fn take<const N: usize>(document: &Document, declared: [Field; N]) -> Result<[String; N], FieldErrors> {
    let mut fields = Fields::of(document)?;
    let values = declared.map(|field| fields.text(field));
    fields.finish().map(|()| values)
}

/// The fields of a body, taken one after the other. [`Fields::finish`] reports all that are wrong.
#[derive(Debug)]
pub struct Fields<'d> {
    document: &'d Document,
    errors: FieldErrors,
}

impl<'d> Fields<'d> {
    /// The fields of this body.
    ///
    /// # Errors
    /// When it is not an object.
    pub fn of(document: &'d Document) -> Result<Self, FieldErrors> {
        match document {
            Document::NotObject(kind) => Err(FieldErrors::one(NON_FIELD_ERRORS, wrong_shape(*kind))),
            Document::Object(_) => Ok(Self { document, errors: FieldErrors::default() }),
        }
    }

    /// A required text; empty if it is wrong.
    pub fn text(&mut self, field: Field) -> String {
        field.read(self.document).unwrap_or_else(|message| {
            self.errors.0.push((field.name, message.into()));
            String::new()
        })
    }

    /// An optional truth value: false if it is absent or wrong. Understands the words that Django REST framework
    /// understands, so that forms can say it too.
    pub fn flag(&mut self, name: &'static str) -> bool {
        let message = match self.document.get(name) {
            None => return false,
            Some(Value::Bool(truth)) => return *truth,
            Some(Value::Text(text)) => match text.as_str().trim().to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "on" | "1" => return true,
                "false" | "f" | "no" | "n" | "off" | "0" => return false,
                _ => "Must be a valid boolean.",
            },
            Some(Value::Null) => "This field may not be null.",
            Some(Value::Other) => "Must be a valid boolean.",
        };
        self.errors.0.push((name, message.into()));
        false
    }

    /// Whether the body has a field with this name.
    pub fn has(&self, name: &str) -> bool {
        self.document.get(name).is_some()
    }

    /// Whether all fields that were taken are right.
    ///
    /// # Errors
    /// With an error for every field that is wrong.
    pub fn finish(self) -> Result<(), FieldErrors> {
        if self.errors.0.is_empty() { Ok(()) } else { Err(self.errors) }
    }
}

fn wrong_shape(kind: Kind) -> String {
    let python = match kind {
        Kind::Null => return "No data provided".to_owned(),
        Kind::Bool => "bool",
        Kind::Int => "int",
        Kind::Float => "float",
        Kind::Str => "str",
        Kind::List => "list",
    };
    format!("Invalid data. Expected a dictionary, but got {python}.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::drf::body::parse;

    const LOGIN: [Field; 2] = [Field::text("username", Trim::Yes), Field::text("password", Trim::No)];

    fn login(content_type: &str, body: &[u8]) -> Result<[String; 2], String> {
        let document = parse(content_type, body).expect("a body");
        take(&document, LOGIN).map_err(|errors| serde_json::to_string(&errors).expect("JSON"))
    }

    fn errors(body: &str) -> String {
        login("application/json", body.as_bytes()).expect_err(body)
    }

    #[test]
    fn wrong_fields_are_reported_together_in_declared_order() {
        let cases = [
            ("", r#"{"username":["This field is required."],"password":["This field is required."]}"#),
            ("{}", r#"{"username":["This field is required."],"password":["This field is required."]}"#),
            (
                r#"{"password":null,"username":""}"#,
                r#"{"username":["This field may not be blank."],"password":["This field may not be null."]}"#,
            ),
            (
                r#"{"username":true,"password":[]}"#,
                r#"{"username":["Not a valid string."],"password":["Not a valid string."]}"#,
            ),
            (
                r#"{"username":{},"password":false}"#,
                r#"{"username":["Not a valid string."],"password":["Not a valid string."]}"#,
            ),
            (
                r#"{"username":" \u001c\u0085\u3000","password":""}"#,
                r#"{"username":["This field may not be blank."],"password":["This field may not be blank."]}"#,
            ),
            (r#"{"username":" \u0000 ","password":"x"}"#, r#"{"username":["Null characters are not allowed."]}"#),
            (
                r#"{"username":"\u0000\ud800","password":"\u0000"}"#,
                r#"{"username":["Not a valid string."],"password":["Null characters are not allowed."]}"#,
            ),
            (
                r#"{"Username":"a","password ":"b"}"#,
                r#"{"username":["This field is required."],"password":["This field is required."]}"#,
            ),
            (r#"{"username":"a","username":null,"password":"x"}"#, r#"{"username":["This field may not be null."]}"#),
        ];
        for (body, expected) in cases {
            assert_eq!(errors(body), expected, "{body}");
        }
    }

    #[test]
    fn a_body_that_is_no_object_is_refused_as_a_whole() {
        let got =
            |kind: &str| format!(r#"{{"non_field_errors":["Invalid data. Expected a dictionary, but got {kind}."]}}"#);
        let cases = [
            ("null", r#"{"non_field_errors":["No data provided"]}"#.to_owned()),
            ("[]", got("list")),
            ("[1]", got("list")),
            ("\"\"", got("str")),
            ("\"a\"", got("str")),
            ("0", got("int")),
            ("1", got("int")),
            ("1.5", got("float")),
            ("1e5", got("float")),
            ("true", got("bool")),
            ("false", got("bool")),
        ];
        for (body, expected) in cases {
            assert_eq!(errors(body), expected, "{body}");
        }
    }

    #[test]
    fn values_are_trimmed_where_the_field_says_so() {
        let cases = [
            (r#"{"username":" a\u001f","password":" b "}"#, ["a", " b "]),
            (r#"{"username":"a b","password":"\u3000"}"#, ["a b", "\u{3000}"]),
            (r#"{"username":"\u200b","password":"\t"}"#, ["\u{200b}", "\t"]),
            (r#"{"username":12345,"password":67890}"#, ["12345", "67890"]),
            (r#"{"username":-0,"password":1e16}"#, ["-0", "1e16"]),
            (r#"{"username":"x","password":"y","extra":{"a":[null,"\ud800\u0000"]}}"#, ["x", "y"]),
            (r#"{"username":"\ud83e\udd80","password":"Zoë"}"#, ["🦀", "Zoë"]),
        ];
        for (body, expected) in cases {
            assert_eq!(login("application/json", body.as_bytes()), Ok(expected.map(str::to_owned)), "{body}");
        }
    }

    #[test]
    fn a_flag_is_a_truth_value_or_a_word_for_one() {
        let read = |body: &str| {
            let document = parse("application/json", body.as_bytes()).expect("a body");
            let mut fields = Fields::of(&document).expect("an object");
            let flag = fields.flag("a");
            fields.finish().map(|()| flag).map_err(|errors| serde_json::to_string(&errors).expect("JSON"))
        };
        for (value, expected) in
            [("true", true), ("false", false), ("\"Yes\"", true), ("\"off\"", false), ("1", true), ("0", false)]
        {
            assert_eq!(read(&format!(r#"{{"a":{value}}}"#)), Ok(expected), "{value}");
        }
        assert_eq!(read("{}"), Ok(false));
        for value in ["[]", "{}", "2", "\"\"", "\"perhaps\""] {
            let refused = r#"{"a":["Must be a valid boolean."]}"#.to_owned();
            assert_eq!(read(&format!(r#"{{"a":{value}}}"#)), Err(refused), "{value}");
        }
        assert_eq!(read(r#"{"a":null}"#), Err(r#"{"a":["This field may not be null."]}"#.to_owned()));
    }

    #[test]
    fn white_space_is_what_python_calls_so() {
        let spaces = "\u{9}\u{a}\u{b}\u{c}\u{d}\u{1c}\u{1d}\u{1e}\u{1f}\u{20}\u{85}\u{a0}\u{1680}\u{2000}\u{2001}\
                      \u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\
                      \u{202f}\u{205f}\u{3000}";
        let all: String = (0..=0x10_ffff).filter_map(char::from_u32).filter(|c| is_trimmed(*c)).collect();
        assert_eq!(all, spaces);
    }

    #[test]
    fn forms_hold_the_same_fields() {
        let form = "application/x-www-form-urlencoded";
        assert_eq!(login(form, b"username=+a&password=+b"), Ok(["a", " b"].map(str::to_owned)));
        assert_eq!(
            login(form, b"username=+&password"),
            Err(r#"{"username":["This field may not be blank."],"password":["This field may not be blank."]}"#
                .to_owned())
        );
        assert_eq!(
            login(form, b"username=%00&password=x"),
            Err(r#"{"username":["Null characters are not allowed."]}"#.to_owned())
        );
        let file = b"--B\r\nContent-Disposition: form-data; name=username; filename=x\r\n\r\nx\r\n--B--";
        assert_eq!(
            login("multipart/form-data; boundary=B", file),
            Err(r#"{"username":["Not a valid string."],"password":["This field is required."]}"#.to_owned())
        );
    }
}
