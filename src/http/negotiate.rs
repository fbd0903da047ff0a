//! Which form of reply a client asks for: steps 2 and 3 of `docs/contract.md#order-of-judgement`, and
//! `docs/contract.md#accept`.

use crate::http::media::MediaType;

/// The longest `Accept` header that is read whole, in bytes; of a longer one the rest is ignored.
const MAX_ACCEPT_LENGTH: usize = 8192;
/// How many media types of an `Accept` header are looked at.
const MAX_MEDIA_TYPES: usize = 64;
/// The longest media type that is looked at, in bytes.
const MAX_MEDIA_TYPE_LENGTH: usize = 256;
/// The widest indentation a client can ask for, in spaces.
const MAX_INDENT: u8 = 8;

/// The media types without parameters that cover JSON.
const COVERING: [&str; 4] = ["*/*", "application/json", "application/*", "*/json"];

/// How a reply's JSON is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    indent: u8,
}

impl Style {
    /// No white space at all.
    pub const COMPACT: Self = Self { indent: 0 };

    /// Spaces per level, 1 to 8; 0 for compact JSON.
    pub const fn indent(self) -> u8 {
        self.indent
    }
}

/// Why no form of reply pleases the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// `?format=` asks for something other than `json`: 404.
    #[error("Not found.")]
    UnknownFormat,
    /// `Accept` covers no JSON: 406.
    #[error("Could not satisfy the request Accept header.")]
    NotAcceptable,
}

/// Chooses the style of the reply from the query string (without its question mark) and the
/// `Accept` header, all of its lines joined with commas.
///
/// # Errors
/// When `?format=` or `Accept` rule JSON out; the former is looked at first.
pub fn negotiate(query: &str, accept: Option<&str>) -> Result<Style, NegotiationError> {
    let format = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "format").last();
    if format.is_some_and(|(_, value)| !value.is_empty() && value != "json") {
        return Err(NegotiationError::UnknownFormat);
    }
    let Some(accept) = accept else { return Ok(Style::COMPACT) };
    if COVERING.contains(&accept)
        || bare_types(accept).any(|token| COVERING.iter().any(|covering| covering.eq_ignore_ascii_case(token)))
    {
        return Ok(Style::COMPACT);
    }
    // Quality values are not read; the most specific type wins, then the first. `min_by_key`
    // returns the first of equals.
    tokens(accept)
        .map(MediaType::parse)
        .filter(|media| media.covers("application", "json"))
        .min_by_key(generality)
        .map(|media| Style { indent: media.parameter("indent").map_or(0, indent) })
        .ok_or(NegotiationError::NotAcceptable)
}

/// The media types of a header, as they were sent, as far as they are looked at.
fn tokens(accept: &str) -> impl Iterator<Item = &str> {
    bounded(accept)
        .split(',')
        .map(str::trim)
        .filter(|token| !token.is_empty() && token.len() <= MAX_MEDIA_TYPE_LENGTH)
        .take(MAX_MEDIA_TYPES)
}

/// The same, if none of them has parameters, as almost always: then no indentation is asked for,
/// and it does not matter which of them covers JSON.
fn bare_types(accept: &str) -> impl Iterator<Item = &str> {
    tokens(if accept.contains(';') { "" } else { accept })
}

/// Cuts an overlong header behind a comma, so that no half media type is read as a whole one.
fn bounded(accept: &str) -> &str {
    if accept.len() <= MAX_ACCEPT_LENGTH {
        return accept;
    }
    let cut = accept.char_indices().take_while(|(at, _)| *at < MAX_ACCEPT_LENGTH).filter(|(_, c)| *c == ',').last();
    cut.and_then(|(at, _)| accept.get(..at)).unwrap_or_default()
}

/// 0 for a type with parameters, up to 3 for `*/*`.
fn generality(media: &MediaType) -> u8 {
    let (main, sub) = media.halves();
    if main == "*" {
        3
    } else if sub == "*" {
        2
    } else if media.parameters().all(|(name, _)| name == "q") {
        1
    } else {
        0
    }
}

/// Reads a number as Python does and keeps it between 0 and 8; what is no number is 0.
fn indent(text: &str) -> u8 {
    let text = text.trim();
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return 0;
    }
    // Only a number too large for the type fails to parse here.
    digits.parse().unwrap_or(MAX_INDENT).min(MAX_INDENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: Result<u8, NegotiationError> = Err(NegotiationError::NotAcceptable);

    fn accept(header: &str) -> Result<u8, NegotiationError> {
        negotiate("", Some(header)).map(Style::indent)
    }

    #[test]
    fn accept_decides_as_the_contract_says() {
        let cases = [
            ("*/*", Ok(0)),
            ("application/json", Ok(0)),
            ("application/*", Ok(0)),
            ("*/json", Ok(0)),
            ("APPLICATION/JSON", Ok(0)),
            ("application/json; q=0", Ok(0)),
            ("application/json; charset=utf-8", Ok(0)),
            ("application/json;", Ok(0)),
            ("text/html, application/xml;q=0.9, */*;q=0.8", Ok(0)),
            ("text/html,application/json;indent=2", Ok(2)),
            ("", NO),
            (" ", NO),
            ("text/html", NO),
            ("application/xml", NO),
            ("text/*", NO),
            ("garbage", NO),
            ("application / json", NO),
            ("application/json/", NO),
            (";indent=4", NO),
            ("*;indent=3", NO),
        ];
        for (header, expected) in cases {
            assert_eq!(accept(header), expected, "{header}");
        }
        assert_eq!(negotiate("", None), Ok(Style::COMPACT));
    }

    #[test]
    fn indent_is_kept_between_0_and_8() {
        let cases = [
            ("application/json; indent=4", 4),
            ("application/json; INDENT=3", 3),
            ("application/json; indent=\" 4 \"", 4),
            ("application/json; indent=+4", 4),
            ("application/json; indent=9", 8),
            ("application/json; indent=99999999999999999999", 8),
            ("application/json; indent=0", 0),
            ("application/json; indent=-3", 0),
            ("application/json; indent=x", 0),
            ("application/json; indent=", 0),
            ("application/json; indent", 0),
            ("application/json; indent=2; indent=3", 3),
            ("application/json; q=0.3;indent=4", 4),
            ("*/*; indent=2", 2),
        ];
        for (header, expected) in cases {
            assert_eq!(accept(header), Ok(expected), "{header}");
        }
    }

    #[test]
    fn the_most_specific_type_wins() {
        assert_eq!(accept("application/json, application/json;indent=3"), Ok(3));
        assert_eq!(accept("application/*;indent=5, application/json;indent=2"), Ok(2));
        assert_eq!(accept("*/*;indent=3, application/json"), Ok(0));
    }

    #[test]
    fn long_headers_are_read_up_to_a_bound() {
        let types = "text/html,".repeat(63);
        assert_eq!(accept(&format!("{types}*/*")), Ok(0));
        assert_eq!(accept(&format!("{types}text/plain,*/*")), NO);
        let filler = "x".repeat(250);
        let long = format!("{}*/*", format!("{filler},").repeat(40));
        assert!(long.len() > MAX_ACCEPT_LENGTH);
        assert_eq!(accept(&long), NO);
        assert_eq!(accept(&format!("*/*,{long}")), Ok(0));
        assert_eq!(accept(&format!("{}, */*", "a/b;".repeat(80))), Ok(0));
    }

    #[test]
    fn the_query_can_name_json_and_nothing_else() {
        let cases = [
            ("", true),
            ("format=json", true),
            ("format=", true),
            ("format", true),
            ("form%61t=j%73on", true),
            ("Format=xml", true),
            ("format=xml&format=json", true),
            ("=&&format=", true),
            ("format=xml", false),
            ("format=JSON", false),
            ("format=json&format=xml", false),
            ("a=1&format=json%20", false),
            ("format=+json", false),
            ("format=json%00", false),
            ("format=xml;format=json", false),
        ];
        for (query, good) in cases {
            assert_eq!(negotiate(query, None).is_ok(), good, "{query}");
        }
        assert_eq!(negotiate("format=xml", Some("text/html")), Err(NegotiationError::UnknownFormat));
    }
}
