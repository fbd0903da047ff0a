//! Header values of the form `type/subtype; name=value`, read as Python's `email` package reads
//! them, because that decides which requests the contract's packages accept.

use std::borrow::Cow;

use actix_web::http::header::{HeaderMap, HeaderName};

/// A media type with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    /// What stands before the first `;`, lower-case and trimmed.
    full: String,
    /// Names are lower-case, values unquoted.
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads any text: what is no media type matches nothing.
    pub fn parse(text: &str) -> Self {
        let mut pieces = pieces(text).into_iter();
        let full = pieces.next().unwrap_or_default().trim().to_lowercase();
        let parameters = pieces
            .map(|piece| {
                let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
                (name.trim().to_lowercase(), unquote(value.trim()))
            })
            .filter(|(name, _)| !name.is_empty())
            .collect();
        Self { full, parameters }
    }

    /// The part before the slash, and the part behind it (empty without a slash).
    pub fn halves(&self) -> (&str, &str) {
        self.full.split_once('/').unwrap_or((&self.full, ""))
    }

    /// The value of a parameter, by its lower-case name. Of several the last one counts.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The parameters in the order in which they were sent.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether this type, in which `*` stands for anything, covers `main`/`sub`.
    pub fn covers(&self, main: &str, sub: &str) -> bool {
        let (own_main, own_sub) = self.halves();
        (own_main == main || own_main == "*") && (own_sub == sub || own_sub == "*")
    }
}

/// All values of a header, joined with commas as a WSGI server joins them, each byte read as one
/// Latin-1 character. `None` when the header is absent.
pub fn joined<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Cow<'h, str>> {
    let mut values = headers.get_all(name);
    let (first, second) = (values.next()?, values.next());
    if let (Ok(only), None) = (first.to_str(), second) {
        return Some(Cow::Borrowed(only));
    }
    let all = [first].into_iter().chain(second).chain(values);
    let all: Vec<String> = all.map(|value| latin1(value.as_bytes())).collect();
    Some(Cow::Owned(all.join(",")))
}

/// Bytes as Latin-1 text: every byte is a character, so nothing is ever refused.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Splits at the semicolons that stand outside of quotes.
fn pieces(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |c: char| {
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\';
        c == ';' && !quoted
    })
    .collect()
}

fn unquote(value: &str) -> String {
    if let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return inner.replace("\\\\", "\\").replace("\\\"", "\"");
    }
    let bracketed = value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    bracketed.unwrap_or(value).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_lower_case_and_parameters_unquoted() {
        let parsed = MediaType::parse(r#" Application/JSON ;; A = "x;\"y" ; b;c=<d>; a=2; ;="#);
        assert_eq!(parsed.halves(), ("application", "json"));
        let all: Vec<_> = parsed.parameters().collect();
        assert_eq!(all, [("a", r#"x;"y"#), ("b", ""), ("c", "d"), ("a", "2")]);
        assert_eq!(parsed.parameter("a"), Some("2"));
        assert_eq!(parsed.parameter("z"), None);
    }

    #[test]
    fn an_open_quote_reaches_to_the_end() {
        assert_eq!(MediaType::parse("a/b; c=\"d; e=f").parameter("c"), Some("\"d; e=f"));
    }

    #[test]
    fn stars_cover_and_fragments_do_not() {
        for yes in ["application/json", "application/*", "*/json", "*/*;q=0"] {
            assert!(MediaType::parse(yes).covers("application", "json"), "{yes}");
        }
        for no in ["", "*", "/", "/*", "*/", "json", "application", "application/json/", "application / json"] {
            assert!(!MediaType::parse(no).covers("application", "json"), "{no}");
        }
    }
}
