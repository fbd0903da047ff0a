//! The URL under which clients reach the server.

use std::fmt;
use std::str::FromStr;

use crate::http::browser::origins::is_as_browsers_write;

/// An https URL without a path, such as `https://auth.example.com`: also the server's own origin, as browsers write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The URL, without a final slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, without its port.
    #[cfg(feature = "pages")]
    pub(in crate::http) fn host(&self) -> &str {
        let authority = self.0.strip_prefix("https://").unwrap_or(&self.0);
        crate::http::admin::hosts::without_port(authority)
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_suffix('/').unwrap_or(text);
        if bare.starts_with("https://") && is_as_browsers_write(bare) {
            return Ok(Self(bare.to_owned()));
        }
        Err("is not the URL of a server: write https:// and a host in lower case, with its port unless that is 443, \
             and without a path, such as https://auth.example.com"
            .to_owned())
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_https_and_a_host_as_browsers_write_them() {
        for (text, url) in [
            ("https://auth.example.com", "https://auth.example.com"),
            ("https://auth.example.com/", "https://auth.example.com"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().map(|url| url.to_string()).as_deref(), Ok(url));
        }
        for bad in [
            "",
            "auth.example.com",
            "http://auth.example.com",
            "https://",
            "https://auth.example.com/auth",
            "https://auth.example.com//",
            "https://auth.example.com?",
            "https://auth.example.com#a",
            "https://auth.example.com:443",
            "https://Auth.example.com",
            "https://u@auth.example.com",
            "https://u:p@auth.example.com",
            " https://auth.example.com",
            "https://zoë.example",
        ] {
            assert!(bad.parse::<PublicUrl>().is_err(), "{bad}");
        }
    }
}
