//! The fields of a request. Each has a type, none may be unknown or repeated, and all mistakes are reported at once.
//!
//! A handler takes its fields one by one and then calls [`Fields::finish`]. Until that succeeds, a wrong or missing field
//! has a placeholder value.

mod body;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use actix_web::dev::Payload;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use zeroize::Zeroizing;

pub(in crate::http) use self::body::read_body;
use super::description::Description;
use super::error::ApiError;
use crate::domain::time::Timestamp;
use crate::domain::user::{Password, UserId};
use crate::http::HttpOptions;
use crate::http::drf::body::BodyError;
use crate::http::drf::media::covers;

/// The largest number of rows of a page.
pub(super) const MOST_ROWS: i64 = 200;

/// The number of rows of a page by default.
const USUAL_ROWS: u32 = 50;

/// The fields that have not been taken yet, and the mistakes so far.
#[derive(Default)]
pub(in crate::http) struct Fields {
    given: Vec<(String, Given)>,
    source: Source,
    mistakes: BTreeMap<String, String>,
    /// The fields that the document has; `None` for forms, and in tests.
    declared: Option<&'static Description>,
}

/// The place of the fields in the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Source {
    /// A JSON object.
    #[default]
    Body,
    /// A query. All values are texts.
    Query,
    /// A form or its query. All values are texts, a blank field counts as missing, and times are as browsers send them.
    #[cfg(feature = "pages")]
    Form,
}

/// A value as it was sent.
enum Given {
    /// A text, which may be a password.
    Text(Zeroizing<String>),
    /// Anything else.
    Other(Value),
}

/// The members of a JSON object in their order, with repeated names.
struct Members(Vec<(String, Given)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    let given = if let Value::String(text) = value {
                        Given::Text(Zeroizing::new(text))
                    } else {
                        Given::Other(value)
                    };
                    members.push((name, given));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl Fields {
    fn new(given: Vec<(String, Given)>, source: Source) -> Self {
        let mut fields = Self { given: Vec::new(), source, mistakes: BTreeMap::new(), declared: None };
        for (name, value) in given {
            if fields.given.iter().any(|(known, _)| *known == name) {
                fields.report(&name, "is given twice");
            } else {
                fields.given.push((name, value));
            }
        }
        fields
    }

    /// The fields of a query.
    pub(in crate::http) fn of_query(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
        Self::new(pairs.map(|(name, value)| (name, Given::Text(Zeroizing::new(value)))).collect(), Source::Query)
    }

    /// The fields of a form, as browsers encode it.
    #[cfg(feature = "pages")]
    pub(in crate::http) fn of_form(form: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(form).into_owned().map(|(name, value)| (name, Zeroizing::new(value)));
        let filled = pairs.filter(|(_, value)| !value.is_empty());
        Self::new(filled.map(|(name, value)| (name, Given::Text(value))).collect(), Source::Form)
    }

    /// The texts that have not been taken yet, to be shown or sent again.
    #[cfg(feature = "pages")]
    pub(in crate::http) fn as_sent(&self) -> Vec<(String, String)> {
        let texts = self.given.iter().filter_map(|(name, given)| Some((name.clone(), given.text()?.to_owned())));
        texts.collect()
    }

    /// The fields of a JSON body, which is read to its end; an empty body has none.
    ///
    /// # Errors
    /// If the body is too large, too slow, or not a JSON object. The error repeats nothing of it.
    pub(in crate::http) async fn of_body(
        content_type: &str,
        declared: Option<u64>,
        payload: Payload,
        options: &HttpOptions,
    ) -> Result<Self, ApiError> {
        let body = read_body(declared, payload, options).await?;
        if body.is_empty() {
            return Ok(Self::new(Vec::new(), Source::Body));
        }
        if !covers(content_type, "application", "json") {
            return Err(BodyError::UnsupportedMediaType(content_type.to_owned()).into());
        }
        // The parser's own words could repeat a part of a password.
        let Members(members) = serde_json::from_slice(&body).map_err(|error| {
            ApiError::invalid(format!(
                "the body is not a JSON object (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        Ok(Self::new(members, Source::Body))
    }

    /// Allows no other fields to be taken than those of this description.
    pub(super) fn declared_by(self, description: &'static Description) -> Self {
        Self { declared: Some(description), ..self }
    }

    /// Reports a mistake in a field.
    pub(in crate::http) fn report(&mut self, name: &str, problem: impl Into<String>) {
        self.mistakes.entry(name.to_owned()).or_insert_with(|| problem.into());
    }

    /// Ends the reading of fields.
    ///
    /// # Errors
    /// All mistakes, including unknown fields.
    pub(in crate::http) fn finish(mut self) -> Result<(), ApiError> {
        for (name, _) in std::mem::take(&mut self.given) {
            self.report(&name, "is not a field of this request");
        }
        if self.mistakes.is_empty() { Ok(()) } else { Err(ApiError::invalid_fields(self.mistakes)) }
    }

    fn take(&mut self, name: &str) -> Option<Given> {
        if self.declared.is_some_and(|description| !description.has(name)) {
            // A bug: no request to the endpoint succeeds until the field is declared.
            self.report(name, "is not declared");
        }
        let index = self.given.iter().position(|(known, _)| known == name)?;
        Some(self.given.swap_remove(index).1)
    }

    /// A value that `read` accepts; `null` counts as missing.
    fn value<T>(&mut self, name: &str, what: &str, read: impl FnOnce(&Given) -> Option<T>) -> Option<T> {
        let given = self.take(name)?;
        if matches!(given, Given::Other(Value::Null)) {
            return None;
        }
        let value = read(&given);
        if value.is_none() {
            self.report(name, format!("must be {what}"));
        }
        value
    }

    /// The value. Reports a mistake if it is missing.
    pub(in crate::http) fn require<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.report(name, "is required");
        }
        value
    }

    /// A text.
    pub(in crate::http) fn text(&mut self, name: &str) -> Option<String> {
        self.value(name, "a text", |given| given.text().map(str::to_owned))
    }

    /// A required text.
    pub(in crate::http) fn required_text(&mut self, name: &str) -> String {
        let text = self.text(name);
        self.require(name, text).unwrap_or_default()
    }

    /// A password.
    pub(in crate::http) fn password(&mut self, name: &str) -> Option<Password> {
        self.value(name, "a text", |given| given.text().map(|text| Password::new(text.to_owned())))
    }

    /// A required password.
    pub(in crate::http) fn required_password(&mut self, name: &str) -> Password {
        let password = self.password(name);
        self.require(name, password).unwrap_or_else(|| Password::new(String::new()))
    }

    /// `true` or `false`.
    pub(in crate::http) fn flag(&mut self, name: &str) -> Option<bool> {
        let has_texts = self.source != Source::Body;
        self.value(name, "true or false", |given| match given {
            Given::Other(Value::Bool(flag)) => Some(*flag),
            Given::Text(text) if has_texts => text.parse().ok(),
            Given::Other(_) | Given::Text(_) => None,
        })
    }

    /// A whole number within bounds.
    pub(in crate::http) fn number(&mut self, name: &str, bounds: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let has_texts = self.source != Source::Body;
        let what = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        self.value(name, &what, |given| {
            match given {
                Given::Other(Value::Number(number)) => number.as_i64(),
                Given::Text(text) if has_texts => text.parse().ok(),
                Given::Other(_) | Given::Text(_) => None,
            }
            .filter(|number| bounds.contains(number))
        })
    }

    /// A whole number within bounds, or `null`: `Some(None)`.
    pub(super) fn number_or_null(&mut self, name: &str, bounds: std::ops::RangeInclusive<i64>) -> Option<Option<i64>> {
        let is_null = |(known, value): &(String, Given)| known == name && matches!(value, Given::Other(Value::Null));
        if self.given.iter().any(is_null) {
            self.take(name);
            return Some(None);
        }
        self.number(name, bounds).map(Some)
    }

    /// A list of texts that `parse` accepts, which is not empty.
    pub(super) fn texts<T>(&mut self, name: &str, what: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        self.value(name, what, |given| match given {
            Given::Other(Value::Array(texts)) if !texts.is_empty() => {
                texts.iter().map(|text| text.as_str().and_then(&parse)).collect()
            }
            Given::Other(_) | Given::Text(_) => None,
        })
    }

    /// A user's number.
    pub(in crate::http) fn user(&mut self, name: &str) -> Option<UserId> {
        self.number(name, i64::MIN..=i64::MAX).map(UserId)
    }

    /// A required user's number.
    pub(in crate::http) fn required_user(&mut self, name: &str) -> UserId {
        let user = self.user(name);
        self.require(name, user).unwrap_or(UserId(0))
    }

    /// A time.
    pub(in crate::http) fn time(&mut self, name: &str) -> Option<Timestamp> {
        #[cfg(feature = "pages")]
        if self.source == Source::Form {
            return self.parsed(name, "a time such as 2024-01-02T03:04, in UTC", parse_local);
        }
        self.parsed(name, "a time such as 2024-01-02T03:04:05Z", Timestamp::parse)
    }

    /// An IP address.
    pub(in crate::http) fn address(&mut self, name: &str) -> Option<IpAddr> {
        self.parsed(name, "an IP address", |text| text.parse().ok())
    }

    /// A text that `parse` accepts.
    pub(in crate::http) fn parsed<T>(
        &mut self,
        name: &str,
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.value(name, what, |given| given.text().and_then(parse))
    }

    /// The number of rows of a page.
    pub(in crate::http) fn limit(&mut self) -> u32 {
        let limit = self.number("limit", 1..=MOST_ROWS);
        limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(USUAL_ROWS)
    }
}

impl Given {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other(_) => None,
        }
    }
}

/// A time as the input of a browser sends it, taken as UTC; or a time with a zone, as in the API.
#[cfg(feature = "pages")]
fn parse_local(text: &str) -> Option<Timestamp> {
    let in_utc = |text: String| Timestamp::parse(&text);
    Timestamp::parse(text).or_else(|| in_utc(format!("{text}Z"))).or_else(|| in_utc(format!("{text}:00Z")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_body(text: &str) -> Fields {
        let Members(members) = serde_json::from_str(text).expect("an object");
        Fields::new(members, Source::Body)
    }

    fn mistakes(fields: &Fields) -> Vec<String> {
        let named = fields.mistakes.keys().cloned().collect::<Vec<_>>();
        let unknown = fields.given.iter().map(|(name, _)| format!("?{name}"));
        named.into_iter().chain(unknown).collect()
    }

    #[test]
    fn values_have_the_types_of_their_fields() {
        let mut fields = of_body(r#"{"a": "x", "b": true, "c": 7, "d": null, "e": "2024-01-02T03:04:05Z"}"#);
        assert_eq!(fields.text("a").as_deref(), Some("x"));
        assert_eq!(fields.flag("b"), Some(true));
        assert_eq!(fields.number("c", 0..=9), Some(7));
        assert_eq!(fields.text("d"), None);
        assert!(fields.time("e").is_some());
        assert!(fields.finish().is_ok());
        let mut fields = of_body(r#"{"a": null, "b": 7, "d": ["x", "y"]}"#);
        assert_eq!(fields.number_or_null("a", 0..=9), Some(None));
        assert_eq!(fields.number_or_null("b", 0..=9), Some(Some(7)));
        assert_eq!(fields.number_or_null("c", 0..=9), None);
        let letter = |text: &str| text.chars().next();
        assert_eq!(fields.texts("d", "letters", letter), Some(vec!['x', 'y']));
        assert_eq!(fields.texts("e", "letters", letter), None);
        assert!(fields.finish().is_ok());
        let mut fields = of_body(r#"{"a": "7", "b": [], "c": [1], "d": "x", "e": ["x", ""]}"#);
        fields.number_or_null("a", 0..=9);
        for name in ["b", "c", "d", "e"] {
            fields.texts(name, "letters", letter);
        }
        assert_eq!(mistakes(&fields), ["a", "b", "c", "d", "e"]);
        let mut fields = of_body(r#"{"a": 1, "b": "true", "c": "7", "d": 10, "e": "yesterday", "f": [1], "g": 1.5}"#);
        fields.text("a");
        fields.flag("b");
        fields.number("c", 0..=9);
        fields.number("d", 0..=9);
        fields.time("e");
        fields.required_password("f");
        fields.number("g", 0..=9);
        fields.required_text("h");
        assert_eq!(mistakes(&fields), ["a", "b", "c", "d", "e", "f", "g", "h"]);
    }

    #[test]
    fn in_a_query_all_values_are_texts() {
        let mut fields = Fields::of_query("a=%C3%A4+b&b=true&c=7");
        assert_eq!(fields.text("a").as_deref(), Some("ä b"));
        assert_eq!((fields.flag("b"), fields.number("c", 0..=9)), (Some(true), Some(7)));
        assert!(fields.finish().is_ok());
        let mut fields = Fields::of_query("b=1&c=x&limit=201");
        fields.flag("b");
        fields.number("c", 0..=9);
        assert_eq!(fields.limit(), USUAL_ROWS);
        assert_eq!(mistakes(&fields), ["b", "c", "limit"]);
    }

    #[test]
    fn unknown_and_repeated_fields_are_mistakes() {
        assert_eq!(mistakes(&of_body(r#"{"a": 1, "b": {}}"#)), ["?a", "?b"]);
        assert_eq!(mistakes(&Fields::of_query("a=1&a=2")), ["a", "?a"]);
        assert!(of_body(r#"{"a": 1}"#).finish().is_err());
        assert!(serde_json::from_str::<Members>("[]").is_err() && serde_json::from_str::<Members>("1").is_err());
    }
}
