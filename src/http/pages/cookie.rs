//! The cookies of the pages. Without TLS, for a browser on the same machine, they have other names and no `Secure`. Pages
//! with TLS and pages without it read only their own names.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, SET_COOKIE};

use super::site::Visit;
use crate::domain::token::Token;
use crate::http::browser::cookie::pairs;

/// A cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cookie {
    /// The token of a session.
    Session,
    /// A random value to which the form for signing in is bound, since there is no session yet. It needs a cookie of its
    /// own: a link on another site leads here without the cookie of the session, which must not be overwritten.
    SignIn,
}

impl Cookie {
    const fn name(self, visit: &Visit) -> &'static str {
        match (self, visit.is_local) {
            (Self::Session, false) => "__Host-knoxide",
            (Self::Session, true) => "knoxide",
            (Self::SignIn, false) => "__Host-knoxide-sign-in",
            (Self::SignIn, true) => "knoxide-sign-in",
        }
    }
}

/// The value of a cookie, if the request has it once and it can be a token.
pub(super) fn read(request: &HttpRequest, visit: &Visit, cookie: Cookie) -> Option<Token> {
    let name = cookie.name(visit).as_bytes();
    let mut values = pairs(request.headers()).filter(|(other, _)| *other == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => Token::parse(value),
        (None | Some(_), None | Some(_)) => None,
    }
}

/// The header that sets this value until the browser is closed.
pub(super) fn set(visit: &Visit, cookie: Cookie, value: &Token) -> (HeaderName, String) {
    (SET_COOKIE, with(visit, cookie, value.expose()))
}

/// The header that deletes the cookie.
pub(super) fn forget(visit: &Visit, cookie: Cookie) -> (HeaderName, String) {
    (SET_COOKIE, format!("{}; Max-Age=0", with(visit, cookie, "")))
}

fn with(visit: &Visit, cookie: Cookie, value: &str) -> String {
    let secure = if visit.is_local { "" } else { "; Secure" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}", cookie.name(visit))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::COOKIE;
    use actix_web::test::TestRequest;

    use super::*;

    fn visit(is_local: bool) -> Visit {
        Visit { is_local, origin: String::new() }
    }

    fn value(is_local: bool, lines: &[&str]) -> Option<String> {
        let request = lines.iter().fold(TestRequest::default(), |request, line| request.append_header((COOKIE, *line)));
        let token = read(&request.to_http_request(), &visit(is_local), Cookie::Session);
        token.map(|token| token.expose().to_owned())
    }

    #[test]
    fn each_place_reads_its_own_name_once() {
        let abc = Some("abc".to_owned());
        assert_eq!(value(false, &["__Host-knoxide=abc"]), abc);
        assert_eq!(value(false, &["a=b; __Host-knoxide=abc ;c=d", "e=f"]), abc);
        assert_eq!(value(true, &["knoxide=abc"]), abc);
        for lines in [
            &["knoxide=abc"][..],
            &["__Host-knoxide=abc; __Host-knoxide=abc"],
            &["__Host-knoxide=abc", "__Host-knoxide=abc"],
            &["__Host-knoxide="],
            &["__Host-knoxide"],
            &["__host-knoxide=abc"],
            &["__Host-knoxide-sign-in=abc"],
            &["__Host-knoxide=a b"],
        ] {
            assert_eq!(value(false, lines), None, "{lines:?}");
        }
        assert_eq!(value(true, &["__Host-knoxide=abc"]), None);
    }

    #[test]
    fn cookies_are_for_these_pages_alone() {
        let token = Token::parse(b"abc").expect("a token");
        let (_, secure) = set(&visit(false), Cookie::Session, &token);
        assert_eq!(secure, "__Host-knoxide=abc; Path=/; HttpOnly; SameSite=Strict; Secure");
        let (_, local) = set(&visit(true), Cookie::SignIn, &token);
        assert_eq!(local, "knoxide-sign-in=abc; Path=/; HttpOnly; SameSite=Strict");
        let (_, gone) = forget(&visit(false), Cookie::Session);
        assert_eq!(gone, "__Host-knoxide=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0");
    }
}
