//! The hosts under which pages are served, and the check whether a request comes from this machine without TLS.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;

use crate::http::admin::Hosts;
use crate::http::admin::hosts::without_port;
use crate::http::oauth::public_url::PublicUrl;

/// The hosts and the listener of a set of pages.
#[derive(Debug, Clone)]
pub(super) struct Site {
    hosts: Hosts,
    is_bound_to_loopback: bool,
    public_url: Option<PublicUrl>,
}

/// How a request that names one of the hosts has reached the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Visit {
    /// Whether it came without TLS from a browser on this machine, or through a tunnel to it.
    pub(super) is_local: bool,
    /// The origin of the pages, as browsers write it.
    pub(super) origin: String,
}

/// The names under which a browser reaches its own machine. Browsers trust them without TLS.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Headers that proxies add, besides those that begin with `x-forwarded-`.
const OF_PROXIES: [&str; 9] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "x-original-forwarded-for",
    "true-client-ip",
    "cf-connecting-ip",
];

impl Site {
    /// Pages under these hosts, at a listener with this address; `None` for a Unix socket.
    pub(super) fn new(hosts: Hosts, bound_to: Option<IpAddr>) -> Self {
        let is_bound_to_loopback = bound_to.is_some_and(|address| address.is_loopback());
        Self { hosts, is_bound_to_loopback, public_url: None }
    }

    /// Pages of users: under the host of this URL, as `localhost`, and under the address of the listener.
    pub(super) fn public(public_url: Option<PublicUrl>, bound_to: Option<IpAddr>) -> Self {
        let hosts = Hosts::of_listener(bound_to).with(public_url.as_ref().and_then(|url| url.host().parse().ok()));
        Self { public_url, ..Self::new(hosts, bound_to) }
    }

    /// The visit, if the request names one of the hosts.
    pub(super) fn visit(&self, request: &HttpRequest) -> Option<Visit> {
        let host = self.hosts.named(request)?;
        let is_local = self.is_bound_to_loopback && is_of_loopback(host) && !is_forwarded(request.headers());
        // A proxy may have left out the port, which the URL has.
        let is_of_url = |url: &&PublicUrl| !is_local && without_port(host).eq_ignore_ascii_case(url.host());
        let of_url = self.public_url.as_ref().filter(is_of_url);
        let origin = of_url.map_or_else(|| origin(host, is_local), |url| url.as_str().to_owned());
        Some(Visit { is_local, origin })
    }
}

fn is_of_loopback(host: &str) -> bool {
    LOOPBACK_NAMES.iter().any(|name| name.eq_ignore_ascii_case(without_port(host)))
}

/// Whether a proxy has forwarded the request, so that the browser may be anywhere. The address of the peer would not show
/// that.
fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("x-forwarded-") || OF_PROXIES.contains(&name.as_str()))
}

/// The origin, without the default port, as browsers write it.
fn origin(host: &str, is_local: bool) -> String {
    let (scheme, usual) = if is_local { ("http", ":80") } else { ("https", ":443") };
    let host = host.strip_suffix(usual).unwrap_or(host);
    format!("{scheme}://{}", host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn site(bound_to: &str) -> Site {
        let hosts = ["admin.example.org", "localhost", "127.0.0.1", "::1"].map(|name| name.parse().expect("a host"));
        Site::new(Hosts::new(hosts.into()), bound_to.parse().ok())
    }

    #[test]
    fn users_come_under_the_public_url_and_its_origin_is_the_one_that_counts() {
        let visit = |url: &str, bound_to: &str, host: &str| {
            let site = Site::public(url.parse().ok(), bound_to.parse().ok());
            let request = TestRequest::default().insert_header(("Host", host)).to_http_request();
            site.visit(&request).map(|visit| (visit.is_local, visit.origin))
        };
        let is = |is_local: bool, origin: &str| Some((is_local, origin.to_owned()));
        let url = "https://auth.example.com:8443";
        for host in ["auth.example.com", "AUTH.example.com:8443", "auth.example.com:8000"] {
            assert_eq!(visit(url, "0.0.0.0", host), is(false, url), "{host}");
        }
        assert_eq!(visit(url, "127.0.0.1", "localhost:8000"), is(true, "http://localhost:8000"));
        assert_eq!(visit(url, "0.0.0.0", "localhost:8000"), is(false, "https://localhost:8000"));
        assert_eq!(visit(url, "10.0.0.5", "10.0.0.5:8000"), is(false, "https://10.0.0.5:8000"));
        for host in ["example.com", "auth.example.com.evil.example", "10.0.0.6", "evil.example"] {
            assert_eq!(visit(url, "10.0.0.5", host), None, "{host}");
        }
        assert_eq!(visit("", "127.0.0.1", "auth.example.com"), None, "there is no such URL");
        assert_eq!(visit("https://[::1]:8443", "0.0.0.0", "[::1]:8443"), is(false, "https://[::1]:8443"));
    }

    fn visit(bound_to: &str, host: &str, header: Option<(&str, &str)>) -> Option<(bool, String)> {
        let request = TestRequest::default().insert_header(("Host", host));
        let request = header.into_iter().fold(request, TestRequest::insert_header);
        let visit = site(bound_to).visit(&request.to_http_request())?;
        Some((visit.is_local, visit.origin))
    }

    #[test]
    fn only_a_loopback_listener_under_a_loopback_name_and_without_a_proxy_is_local() {
        let local = |host| visit("127.0.0.1", host, None);
        let is = |is_local: bool, origin: &str| Some((is_local, origin.to_owned()));
        assert_eq!(local("localhost:8081"), is(true, "http://localhost:8081"));
        assert_eq!(local("LOCALHOST:8081"), is(true, "http://localhost:8081"));
        assert_eq!(local("127.0.0.1:80"), is(true, "http://127.0.0.1"));
        assert_eq!(visit("::1", "[::1]:8081", None), is(true, "http://[::1]:8081"));
        assert_eq!(local("admin.example.org"), is(false, "https://admin.example.org"));
        assert_eq!(local("admin.example.org:443"), is(false, "https://admin.example.org"));
        assert_eq!(local("admin.example.org:8443"), is(false, "https://admin.example.org:8443"));
        assert_eq!(local("evil.example"), None);
        for bound_to in ["0.0.0.0", "::", "10.0.0.5", "a Unix socket"] {
            assert_eq!(visit(bound_to, "localhost", None), is(false, "https://localhost"), "{bound_to}");
        }
        for header in [
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "X-Forwarded-Host",
            "x-forwarded-anything",
            "Forwarded",
            "Via",
            "X-Real-IP",
            "CF-Connecting-IP",
        ] {
            let forwarded = visit("127.0.0.1", "localhost", Some((header, "")));
            assert_eq!(forwarded, is(false, "https://localhost"), "{header}");
        }
    }
}
