//! Cookies as browsers send them.

use std::fmt;
use std::str::FromStr;

use actix_web::http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};

/// The name of a cookie (RFC 6265, section 4.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieName(String);

impl CookieName {
    /// The name, as it is compared.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for CookieName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if !text.is_empty() && text.len() <= 100 && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err("is not the name of a cookie: write up to 100 letters, digits and !#$%&'*+-.^_`|~, such as __Host-session"
            .to_owned())
    }
}

impl fmt::Display for CookieName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The names and values of all cookies, as they are sent (RFC 6265, section 4.2.1).
pub(in crate::http) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let pairs = headers.get_all(COOKIE).flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(|pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = halves.next()?.trim_ascii();
        Some((name, halves.next().unwrap_or_default().trim_ascii()))
    })
}

/// The value of a header that is there once.
pub(in crate::http) fn only<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Option<&'r HeaderValue> {
    let mut values = headers.get_all(name);
    let first = values.next();
    if values.next().is_some() { None } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cookies_are_seen_as_they_were_sent() {
        let mut headers = HeaderMap::new();
        for line in ["a=b; session=abc ;c", "session=\"x=y\"; =z;"] {
            headers.append(COOKIE, HeaderValue::from_static(line));
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let seen: Vec<_> = pairs(&headers).map(|(name, value)| (text(name), text(value))).collect();
        let expected = [("a", "b"), ("session", "abc"), ("c", ""), ("session", "\"x=y\""), ("", "z"), ("", "")];
        assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_header_that_is_there_twice_has_no_value() {
        let mut headers = HeaderMap::new();
        assert_eq!(only(&headers, &COOKIE), None);
        headers.append(COOKIE, HeaderValue::from_static("a"));
        assert_eq!(only(&headers, &COOKIE).map(HeaderValue::as_bytes), Some(&b"a"[..]));
        headers.append(COOKIE, HeaderValue::from_static("a"));
        assert_eq!(only(&headers, &COOKIE), None);
    }
}
