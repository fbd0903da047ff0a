//! The cookies of the pages. Where a page is served in the clear, to a browser on the same machine, they have other names
//! and no `Secure`; each of the two reads its own names only.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, SET_COOKIE};

use super::site::Visit;
use crate::domain::token::Token;
use crate::http::browser::cookie::pairs;

/// What a cookie holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// The token of a session.
    Session,
    /// A random value that the form for signing in is bound to, since there is no session yet. It is a cookie of its own:
    /// a link on another site leads here without the cookie of the session, which has to stay as it is.
    SignIn,
}

impl Holds {
    const fn name(self, visit: &Visit) -> &'static str {
        match (self, visit.is_local) {
            (Self::Session, false) => "__Host-knoxide",
            (Self::Session, true) => "knoxide",
            (Self::SignIn, false) => "__Host-knoxide-sign-in",
            (Self::SignIn, true) => "knoxide-sign-in",
        }
    }
}

/// The value of the cookie, if it is there once and can be a token.
pub(super) fn read(request: &HttpRequest, visit: &Visit, holds: Holds) -> Option<Token> {
    let name = holds.name(visit).as_bytes();
    let mut values = pairs(request.headers()).filter(|(other, _)| *other == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => Token::parse(value),
        (None | Some(_), None | Some(_)) => None,
    }
}

/// The header that gives the browser this value, until it is closed.
pub(super) fn set(visit: &Visit, holds: Holds, value: &Token) -> (HeaderName, String) {
    (SET_COOKIE, with(visit, holds, value.expose()))
}

/// The header that makes the browser forget the value that it has.
pub(super) fn forget(visit: &Visit, holds: Holds) -> (HeaderName, String) {
    (SET_COOKIE, format!("{}; Max-Age=0", with(visit, holds, "")))
}

fn with(visit: &Visit, holds: Holds, value: &str) -> String {
    let secure = if visit.is_local { "" } else { "; Secure" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}", holds.name(visit))
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
        let token = read(&request.to_http_request(), &visit(is_local), Holds::Session);
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
        let (_, secure) = set(&visit(false), Holds::Session, &token);
        assert_eq!(secure, "__Host-knoxide=abc; Path=/; HttpOnly; SameSite=Strict; Secure");
        let (_, local) = set(&visit(true), Holds::SignIn, &token);
        assert_eq!(local, "knoxide-sign-in=abc; Path=/; HttpOnly; SameSite=Strict");
        let (_, gone) = forget(&visit(false), Holds::Session);
        assert_eq!(gone, "__Host-knoxide=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0");
    }
}
