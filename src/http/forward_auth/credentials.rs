//! Which token of a request counts: that of the `Authorization` header or, if the settings name one, that of a cookie.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;

use crate::http::address::{Peer, Proxies};
use crate::http::browser::cookie::pairs;
use crate::http::browser::site::Site;
use crate::http::forward_auth::options::ForwardAuthOptions;
use crate::http::forward_auth::proxy::Proxy;

/// The token of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credentials<'r> {
    /// What the `Authorization` header has, which may be nothing.
    Header,
    /// The value of the cookie.
    Cookie(&'r [u8]),
    /// A cookie that does not count, and no header.
    Uncounted(Uncounted),
    /// A cookie with a request that another site may have caused.
    ForeignCookie,
    /// Two headers, two cookies, or both.
    Several,
}

/// Why a cookie does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uncounted {
    /// The peer is not a trusted proxy.
    UntrustedPeer,
    /// The proxy did not pass on the method of the client.
    UnknownMethod,
}

impl Uncounted {
    /// The reason in the log.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::UntrustedPeer => "cookie_from_untrusted_peer",
            Self::UnknownMethod => "cookie_without_method",
        }
    }
}

/// Finds the token that counts.
pub(super) fn find<'r>(
    request: &'r HttpRequest,
    proxy: Proxy,
    options: &ForwardAuthOptions,
    proxies: &Proxies,
) -> Credentials<'r> {
    let headers = request.headers();
    let authorizations = headers.get_all(AUTHORIZATION).take(2).count();
    if authorizations > 1 {
        return Credentials::Several;
    }
    let Some(name) = &options.cookie else { return Credentials::Header };
    let mut cookies = pairs(headers).filter(|(other, _)| *other == name.as_bytes()).map(|(_, value)| value);
    match (cookies.next(), cookies.next()) {
        (None, _) => Credentials::Header,
        (Some(_), Some(_)) => Credentials::Several,
        (Some(_), None) if authorizations > 0 => Credentials::Several,
        (Some(value), None) => {
            if !proxies.believes(Peer::of(request)) {
                return Credentials::Uncounted(Uncounted::UntrustedPeer);
            }
            let Some(method) = proxy.client_method(request) else {
                return Credentials::Uncounted(Uncounted::UnknownMethod);
            };
            if Site::admits_cookie(request, &method, &options.origins) {
                Credentials::Cookie(value)
            } else {
                Credentials::ForeignCookie
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use actix_web::http::Method;
    use actix_web::test::TestRequest;

    use super::*;

    const GET: (&str, &str) = ("X-Forwarded-Method", "GET");
    const POST: (&str, &str) = ("X-Forwarded-Method", "POST");
    const COOKIE: (&str, &str) = ("Cookie", "session=abc");

    fn outcome(proxy: Proxy, method: &Method, peer: &str, headers: &[(&'static str, &'static str)]) -> String {
        let peer: SocketAddr = peer.parse().expect("an address");
        let mut request = TestRequest::default().method(method.clone()).peer_addr(peer);
        for header in headers {
            request = request.append_header(*header);
        }
        let options = ForwardAuthOptions {
            cookie: Some("session".parse().expect("a name")),
            origins: "https://app.example.com".parse().expect("origins"),
            ..ForwardAuthOptions::default()
        };
        let proxies = "10.0.0.0/8".parse().expect("proxies");
        match find(&request.to_http_request(), proxy, &options, &proxies) {
            Credentials::Cookie(value) => String::from_utf8_lossy(value).into_owned(),
            other @ (Credentials::Header
            | Credentials::Uncounted(_)
            | Credentials::ForeignCookie
            | Credentials::Several) => format!("{other:?}"),
        }
    }

    fn from_proxy(headers: &[(&'static str, &'static str)]) -> String {
        outcome(Proxy::Nginx, &Method::GET, "10.0.0.1:5", headers)
    }

    #[test]
    fn one_token_counts_and_two_are_refused() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[], "Header"),
            (&[("Authorization", "Token a")], "Header"),
            (&[("Authorization", "Token a"), ("Authorization", "Token a")], "Several"),
            (&[("Authorization", ""), ("Authorization", "Token a")], "Several"),
            (&[GET, COOKIE], "abc"),
            (&[GET, ("Cookie", "a=b; session=abc ;c=d")], "abc"),
            (&[GET, ("Cookie", "a=b"), ("Cookie", "session=a=b")], "a=b"),
            (&[GET, ("Cookie", "session")], ""),
            (&[GET, ("Cookie", "session=\"abc\"")], "\"abc\""),
            (&[GET, ("Cookie", "Session=abc; sessions=abc; xsession=abc; a=session=abc")], "Header"),
            (&[GET, ("Cookie", "session=a; session=a")], "Several"),
            (&[GET, COOKIE, COOKIE], "Several"),
            (&[GET, COOKIE, ("Authorization", "Token a")], "Several"),
            (&[GET, COOKIE, ("Authorization", "Basic a")], "Several"),
            (&[GET, ("Cookie", "session="), ("Authorization", "Token a")], "Several"),
        ];
        for (headers, expected) in cases {
            assert_eq!(from_proxy(headers), *expected, "{headers:?}");
        }
    }

    #[test]
    fn a_cookie_counts_from_a_trusted_proxy_that_passes_the_method_on() {
        let untrusted = outcome(Proxy::Nginx, &Method::GET, "203.0.113.9:5", &[GET, COOKIE]);
        assert_eq!(untrusted, "Uncounted(UntrustedPeer)");
        let mapped = outcome(Proxy::Nginx, &Method::GET, "[::ffff:10.0.0.1]:5", &[GET, COOKIE]);
        assert_eq!(mapped, "abc");
        for headers in [&[COOKIE][..], &[COOKIE, GET, POST], &[COOKIE, GET, GET], &[COOKIE, ("X-Forwarded-Method", "")]]
        {
            assert_eq!(from_proxy(headers), "Uncounted(UnknownMethod)", "{headers:?}");
        }
        assert_eq!(outcome(Proxy::Envoy, &Method::GET, "10.0.0.1:5", &[COOKIE]), "abc");
        assert_eq!(outcome(Proxy::Envoy, &Method::POST, "10.0.0.1:5", &[COOKIE, GET]), "ForeignCookie");
    }

    #[test]
    fn a_cookie_counts_for_reading_or_from_a_listed_origin() {
        let head = ("X-Forwarded-Method", "HEAD");
        assert_eq!(from_proxy(&[head, COOKIE]), "abc");
        assert_eq!(from_proxy(&[("X-Forwarded-Method", "get"), COOKIE]), "ForeignCookie");
        assert_eq!(from_proxy(&[POST, COOKIE]), "ForeignCookie");
        let listed = ("Origin", "https://app.example.com");
        assert_eq!(from_proxy(&[POST, COOKIE, listed]), "abc");
        assert_eq!(from_proxy(&[POST, COOKIE, listed, listed]), "ForeignCookie");
        assert_eq!(from_proxy(&[POST, COOKIE, ("Sec-Fetch-Site", "same-origin")]), "abc");
        assert_eq!(from_proxy(&[POST, COOKIE, ("Sec-Fetch-Site", "same-site")]), "ForeignCookie");
        for origin in [
            "null",
            "",
            "http://app.example.com",
            "https://app.example.com:443",
            "https://app.example.com.evil.example",
            "https://evil.example",
            "https://app.example.com, https://evil.example",
        ] {
            assert_eq!(from_proxy(&[POST, COOKIE, ("Origin", origin)]), "ForeignCookie", "{origin}");
        }
    }
}
