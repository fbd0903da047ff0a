//! Origins, and which of them a request may come from.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// Origins, as browsers write them in the header `Origin` (RFC 6454, section 6.2); by default none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Whether this is exactly one of them.
    pub fn contains(&self, origin: &[u8]) -> bool {
        self.0.iter().any(|known| known.as_bytes() == origin)
    }

    /// These and another one, if there is one.
    pub(in crate::http) fn with(&self, other: Option<&str>) -> Self {
        Self(self.0.iter().map(String::as_str).chain(other).map(str::to_owned).collect())
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A comma list. Empty: none.
impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim).filter(|_| !text.trim().is_empty());
        let origins = entries.map(|entry| {
            if is_origin(entry) {
                return Ok(entry.to_owned());
            }
            Err(format!(
                "holds {entry:?}, which no browser sends as an origin: write https:// or http:// and a host in lower \
                 case, with its port unless it is the usual one, such as https://app.example.com"
            ))
        });
        origins.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// Whether a browser would write an origin like this: lower case, no path, no usual port.
fn is_origin(text: &str) -> bool {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    is_web && !text.contains('*') && is_as_browsers_write(text)
}

/// Whether this is the origin of a URL, and written as browsers write it.
pub(in crate::http) fn is_as_browsers_write(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_those_that_browsers_send() {
        for good in ["https://a.example", "http://localhost:3000", "https://[::1]:8443", "https://xn--zo-jka.example"] {
            assert!(good.parse::<Origins>().is_ok_and(|origins| origins.contains(good.as_bytes())), "{good}");
        }
        for bad in [
            "a.example",
            "null",
            "*",
            "https://",
            "https://*.example",
            "https://a.example/",
            "https://a.example:443",
            "http://a.example:80",
            "https://a.example:+1",
            "https://a.example:099",
            "https://A.example",
            "https://zoë.example",
            "https://u@a.example",
            "ftp://a.example",
            "https://a.example,",
        ] {
            assert!(bad.parse::<Origins>().is_err(), "{bad}");
        }
        let two: Origins = "https://a.example, http://b.example:81".parse().expect("origins");
        assert_eq!(two.to_string(), "https://a.example,http://b.example:81");
        assert!(!two.contains(b"https://a.example.b.example") && !Origins::default().contains(b""));
        assert_eq!(" ".parse(), Ok(Origins::default()));
        assert!(Origins::default().is_empty() && !two.is_empty());
    }
}
