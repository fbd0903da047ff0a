//! The cookies in which a request can have its token.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;

use super::cookie::pairs;
use super::origins::Origins;
use super::site::Site;
use crate::domain::dialect::{Dialect, PerDialect};

/// What the name of each cookie with an access token begins with: browsers take such a cookie from the very host
/// alone, over TLS alone, for all of its paths.
const ACCESS_PREFIX: &str = "__Host-";

/// The cookie with the access token of this dialect.
pub(in crate::http) fn access_cookie(dialect: Dialect) -> String {
    format!("{ACCESS_PREFIX}{}", dialect.as_str())
}

/// The cookie with the refresh token of this dialect. Its name lets it have a path of its own.
pub(in crate::http) fn refresh_cookie(dialect: Dialect) -> String {
    format!("__Secure-{}-refresh", dialect.as_str())
}

/// Where the token of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Found<'r> {
    /// In no cookie. What the `Authorization` header or the body has counts, which may be nothing.
    NoCookie,
    /// In the cookie of this dialect, which has this value.
    Cookie(Dialect, &'r [u8]),
    /// In a cookie, but another site may have made the browser send it.
    ForeignCookie,
    /// In two cookies, or in a cookie and the header.
    Several,
}

/// Whose cookies are read, and from which pages they count for more than reading.
#[derive(Debug, Clone)]
pub(in crate::http) struct TokenCookies {
    dialects: PerDialect<bool>,
    origins: Origins,
}

impl TokenCookies {
    /// The cookies of these dialects.
    pub(in crate::http) const fn new(dialects: PerDialect<bool>, origins: Origins) -> Self {
        Self { dialects, origins }
    }

    /// The pages whose requests count.
    pub(in crate::http) const fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Whether the cookie of this dialect is read.
    pub(in crate::http) const fn has(&self, dialect: Dialect) -> bool {
        *self.dialects.get(dialect)
    }

    /// The access token of any of the dialects.
    pub(in crate::http) fn access<'r>(&self, request: &'r HttpRequest) -> Found<'r> {
        self.find(request, |name| {
            let dialect = std::str::from_utf8(name.strip_prefix(ACCESS_PREFIX.as_bytes())?).ok()?;
            Dialect::from_name(dialect).filter(|dialect| self.has(*dialect))
        })
    }

    /// The token in the one cookie with this name, if cookies of the dialect are read.
    pub(in crate::http) fn named<'r>(&self, request: &'r HttpRequest, dialect: Dialect, name: &str) -> Found<'r> {
        self.find(request, |other| (self.has(dialect) && other == name.as_bytes()).then_some(dialect))
    }

    fn find<'r>(&self, request: &'r HttpRequest, whose: impl Fn(&[u8]) -> Option<Dialect>) -> Found<'r> {
        let mut cookies = pairs(request.headers()).filter_map(|(name, value)| Some((whose(name)?, value)));
        match (cookies.next(), cookies.next()) {
            (None, _) => Found::NoCookie,
            (Some(_), Some(_)) => Found::Several,
            (Some(_), None) if request.headers().contains_key(AUTHORIZATION) => Found::Several,
            (Some((dialect, value)), None) if Site::admits_cookie(request, request.method(), &self.origins) => {
                Found::Cookie(dialect, value)
            }
            (Some(_), None) => Found::ForeignCookie,
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const ONE: (&str, &str) = ("Cookie", "theme=dark; __Host-knox=abc; a=b");

    fn outcome(method: &str, headers: &[(&'static str, &'static str)]) -> String {
        let mut request = TestRequest::default().method(method.parse().expect("a method"));
        for header in headers {
            request = request.append_header(*header);
        }
        let dialects = PerDialect::from_fn(|dialect| matches!(dialect, Dialect::Knox | Dialect::Djoser));
        let cookies = TokenCookies::new(dialects, "https://app.example.com".parse().expect("origins"));
        let request = request.to_http_request();
        match cookies.access(&request) {
            Found::Cookie(dialect, value) => format!("{}: {}", dialect.as_str(), String::from_utf8_lossy(value)),
            other @ (Found::NoCookie | Found::ForeignCookie | Found::Several) => format!("{other:?}"),
        }
    }

    #[test]
    fn one_cookie_of_a_dialect_that_has_them_counts() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[], "NoCookie"),
            (&[("Authorization", "Token a"), ("Authorization", "Token a")], "NoCookie"),
            (&[ONE], "knox: abc"),
            (&[("Cookie", "__Host-djoser=a.b.c")], "djoser: a.b.c"),
            (&[("Cookie", "__Host-knox")], "knox: "),
            (&[("Cookie", "__Host-simplejwt=a")], "NoCookie"),
            (&[("Cookie", "__Host-=a; __host-knox=a; knox=a; __Secure-knox=a; __Host-knox2=a")], "NoCookie"),
            (&[("Cookie", "__Host-knox=a; __Host-knox=a")], "Several"),
            (&[ONE, ONE], "Several"),
            (&[ONE, ("Cookie", "__Host-djoser=a")], "Several"),
            (&[ONE, ("Cookie", "__Host-simplejwt=a")], "knox: abc"),
            (&[ONE, ("Authorization", "Token a")], "Several"),
            (&[ONE, ("Authorization", "")], "Several"),
        ];
        for (headers, expected) in cases {
            assert_eq!(outcome("GET", headers), *expected, "{headers:?}");
        }
    }

    #[test]
    fn what_is_more_than_reading_needs_a_page_of_ours() {
        for method in ["POST", "DELETE", "OPTIONS", "TRACE", "get"] {
            assert_eq!(outcome(method, &[ONE]), "ForeignCookie", "{method}");
            assert_eq!(outcome(method, &[ONE, ("Origin", "https://evil.example")]), "ForeignCookie", "{method}");
            assert_eq!(outcome(method, &[ONE, ("Origin", "https://app.example.com")]), "knox: abc", "{method}");
            assert_eq!(outcome(method, &[ONE, ("Sec-Fetch-Site", "same-origin")]), "knox: abc", "{method}");
            assert_eq!(outcome(method, &[("Authorization", "Token a")]), "NoCookie", "{method}");
        }
        for method in ["GET", "HEAD"] {
            assert_eq!(outcome(method, &[ONE, ("Origin", "https://evil.example")]), "knox: abc", "{method}");
        }
    }
}
