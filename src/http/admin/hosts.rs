//! The host names under which the API is served. The check protects against DNS rebinding: a page of a stranger that
//! makes the browser resolve the stranger's name to this machine.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::http::header::HOST;
use actix_web::http::uri::Authority;

use super::error::ApiError;

/// A name or an address of a host, without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(String);

/// The text is not a host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no host: write a name such as admin.example.org or an address, without a scheme, port or path")]
pub struct BadHost;

impl FromStr for HostName {
    type Err = BadHost;

    fn from_str(text: &str) -> Result<Self, BadHost> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if text.is_empty() || text.len() > 253 || !text.chars().all(fits) {
            return Err(BadHost);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl From<IpAddr> for HostName {
    fn from(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(four) => four.to_string(),
            IpAddr::V6(six) => format!("[{six}]"),
        })
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The hosts that are served. Ports do not matter: a tunnel may have another one, and an attacking page cannot hide its
/// own name.
#[derive(Debug, Clone, Default)]
pub struct Hosts(Vec<HostName>);

impl Hosts {
    /// These hosts.
    pub const fn new(names: Vec<HostName>) -> Self {
        Self(names)
    }

    /// `localhost` and the address of the listener, or the loopback addresses for a listener on all addresses.
    pub fn of_listener(address: Option<IpAddr>) -> Self {
        let mut names = vec![HostName("localhost".to_owned())];
        match address {
            Some(address) if address.is_unspecified() => {
                names.push(IpAddr::from([127, 0, 0, 1]).into());
                names.push(IpAddr::from(Ipv6Addr::LOCALHOST).into());
            }
            Some(address) => names.push(address.into()),
            None => {}
        }
        Self(names)
    }

    /// These hosts and another one.
    #[cfg(feature = "pages")]
    pub(in crate::http) fn with(mut self, other: Option<HostName>) -> Self {
        self.0.extend(other);
        self
    }

    /// Checks that the request names one of the hosts.
    ///
    /// # Errors
    /// 421 if it names another one.
    pub(super) fn check(&self, request: &HttpRequest) -> Result<(), ApiError> {
        self.named(request).map(|_| ()).ok_or_else(ApiError::wrong_host)
    }

    /// The value of the only `Host` header, if it names one of the hosts. A host in the target of the request also has to
    /// be one of them.
    pub(in crate::http) fn named<'r>(&self, request: &'r HttpRequest) -> Option<&'r str> {
        let mut headers = request.headers().get_all(HOST);
        let only = match (headers.next(), headers.next()) {
            (Some(only), None) => only.to_str().ok(),
            (None | Some(_), None | Some(_)) => None,
        };
        let in_target = request.uri().authority().map(Authority::as_str);
        only.filter(|host| self.knows(host) && in_target.is_none_or(|host| self.knows(host)))
    }

    fn knows(&self, host: &str) -> bool {
        self.0.iter().any(|known| known.0.eq_ignore_ascii_case(without_port(host)))
    }
}

/// The host of a `Host` header.
pub(in crate::http) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) && !name.ends_with(':') => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(names: &[&str]) -> Hosts {
        Hosts::new(names.iter().map(|name| name.parse().expect("a host")).collect())
    }

    #[test]
    fn names_are_compared_without_case_and_port() {
        let hosts = hosts(&["admin.example.org", "127.0.0.1", "::1", "[2001:db8::7]"]);
        for known in [
            "admin.example.org",
            "ADMIN.example.ORG:8081",
            "127.0.0.1",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:8081",
            "[2001:db8::7]:443",
        ] {
            assert!(hosts.knows(known), "{known}");
        }
        for unknown in [
            "",
            "example.org",
            "admin.example.org.evil.example",
            "evil.example:admin.example.org",
            "admin.example.org:80:80",
            "127.0.0.1.evil.example",
            "127.0.0.11",
            "::1",
            "localhost",
            "admin.example.org ",
            "user@admin.example.org",
        ] {
            assert!(!hosts.knows(unknown), "{unknown}");
        }
    }

    #[test]
    fn a_listener_is_known_by_its_address_and_as_localhost() {
        let local = Hosts::of_listener("127.0.0.1".parse().ok());
        assert!(local.knows("localhost:8081") && local.knows("127.0.0.1:8081") && !local.knows("[::1]"));
        let all = Hosts::of_listener("0.0.0.0".parse().ok());
        assert!(all.knows("localhost") && all.knows("127.0.0.1") && !all.knows("0.0.0.0"));
        assert!(Hosts::of_listener(None).knows("localhost"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in ["", "http://localhost", "localhost:8081", "a b", "a/b", "[localhost]", "ä.example"] {
            assert_eq!(bad.parse::<HostName>(), Err(BadHost), "{bad}");
        }
    }
}
