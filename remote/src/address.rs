//! The address of the server, and whether it may be used.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use hyper::Uri;
use hyper::header::HeaderValue;

use crate::remote::SetupError;

/// The address of a server.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) place: Place,
    /// The `Host` header.
    pub(crate) host: HeaderValue,
    /// The path of calls.
    pub(crate) path: Uri,
    /// The name that the server's certificate must have, if the server speaks TLS.
    #[cfg(feature = "tls")]
    pub(crate) tls_name: Option<String>,
}

/// What to connect to.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A Unix socket.
    Unix(PathBuf),
    /// The first of these that can be connected to.
    Addresses(Vec<SocketAddr>),
    /// A host that has to be looked up, and a port.
    #[cfg(feature = "tls")]
    Named(String, u16),
}

impl Address {
    pub(crate) fn unix(path: PathBuf) -> Self {
        let host = HeaderValue::from_static("localhost");
        Self {
            place: Place::Unix(path),
            host,
            path: Uri::from_static("/check/"),
            #[cfg(feature = "tls")]
            tls_name: None,
        }
    }

    /// The server at a URL such as `http://127.0.0.1:8080`. A path in the URL is the one below which a proxy serves
    /// Knoxide. Plain HTTP to another machine needs consent.
    pub(crate) fn of_url(url: &str, consents_to_http: bool) -> Result<Self, SetupError> {
        let uri: Uri = url.parse().map_err(|_| SetupError::Address)?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(SetupError::Address),
        };
        let authority = uri.authority().ok_or(SetupError::Address)?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(SetupError::Address);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let loopback = loopback(host, port);
        if cfg!(not(feature = "tls")) && (is_tls || loopback.is_none()) {
            return Err(SetupError::NeedsTls);
        }
        if !is_tls && loopback.is_none() && !consents_to_http {
            return Err(SetupError::InsecureHttp);
        }
        Ok(Self {
            place: loopback.map_or_else(|| elsewhere(host, port), |addresses| Ok(Place::Addresses(addresses)))?,
            host: HeaderValue::from_str(authority.as_str()).map_err(|_| SetupError::Address)?,
            path: format!("{}/check/", uri.path().trim_end_matches('/')).parse().map_err(|_| SetupError::Address)?,
            #[cfg(feature = "tls")]
            tls_name: is_tls.then(|| host.to_owned()),
        })
    }
}

/// The addresses of this host, if it is this machine. Names other than `localhost` are not looked up for this: the DNS
/// server that answers could answer differently later.
fn loopback(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let addresses = if host.eq_ignore_ascii_case("localhost") {
        vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
    } else {
        vec![host.parse::<IpAddr>().ok().filter(|address| address.to_canonical().is_loopback())?]
    };
    Some(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
}

#[cfg(feature = "tls")]
fn elsewhere(host: &str, port: u16) -> Result<Place, SetupError> {
    let address = host.parse::<IpAddr>();
    Ok(address.map_or_else(
        |_| Place::Named(host.to_owned(), port),
        |address| Place::Addresses(vec![SocketAddr::new(address, port)]),
    ))
}

#[cfg(not(feature = "tls"))]
fn elsewhere(_: &str, _: u16) -> Result<Place, SetupError> {
    Err(SetupError::NeedsTls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> String {
        match Address::of_url(url, false) {
            Ok(Address { place, host, path, .. }) => {
                format!("{place:?} {} {path}", host.to_str().expect("ASCII"))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn loopback_addresses_need_nothing() {
        for (url, expected) in [
            ("http://127.0.0.1:8080", "Addresses([127.0.0.1:8080]) 127.0.0.1:8080 /check/"),
            ("http://127.9.9.9:8080/", "Addresses([127.9.9.9:8080]) 127.9.9.9:8080 /check/"),
            ("http://[::1]", "Addresses([[::1]:80]) [::1] /check/"),
            ("http://[::ffff:127.0.0.1]:1", "Addresses([[::ffff:127.0.0.1]:1]) [::ffff:127.0.0.1]:1 /check/"),
            ("HTTP://LocalHost/auth/", "Addresses([127.0.0.1:80, [::1]:80]) LocalHost /auth/check/"),
        ] {
            assert_eq!(place(url), expected, "{url}");
        }
    }

    #[test]
    fn what_is_no_address_of_a_server_is_refused() {
        for url in [
            "",
            "/",
            "127.0.0.1:8080",
            "http:",
            "http://",
            "ftp://127.0.0.1/",
            "unix:/run/knoxide.sock",
            "http://id:secret@127.0.0.1/",
            "http://127.0.0.1@example.com/",
            "http://127.0.0.1/?secret",
        ] {
            assert_eq!(place(url), SetupError::Address.to_string(), "{url}");
        }
    }

    #[test]
    fn another_machine_needs_the_feature_and_http_to_it_consent() {
        for host in ["10.0.0.5", "0.0.0.0", "[2001:db8::1]", "example.com", "localhost.example.com", "127.0.0.1.nip.io"]
        {
            let (http, https) = (format!("http://{host}/"), format!("https://{host}/"));
            if cfg!(feature = "tls") {
                assert_eq!(place(&http), SetupError::InsecureHttp.to_string(), "{http}");
                assert!(Address::of_url(&http, true).is_ok(), "{http}");
                #[cfg(feature = "tls")]
                assert!(Address::of_url(&https, false).is_ok_and(|address| address.tls_name.is_some()), "{https}");
            } else {
                assert_eq!(place(&http), SetupError::NeedsTls.to_string(), "{http}");
                assert_eq!(place(&https), SetupError::NeedsTls.to_string(), "{https}");
            }
        }
    }
}
