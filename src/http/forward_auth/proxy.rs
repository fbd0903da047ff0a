//! The proxies that ask, and what their paths require of the user.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use actix_web::http::{Method, StatusCode};

use crate::domain::user::User;
use crate::http::browser::cookie::only;

static X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");

/// A kind of proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proxy {
    Nginx,
    Caddy,
    Traefik,
    Haproxy,
    Envoy,
}

/// What is required of the user. None of these includes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Requirement {
    /// Nothing but a good token.
    User,
    /// The staff flag.
    Staff,
    /// The administrators' flag.
    Admin,
}

impl Proxy {
    /// All kinds, in the order of the paths.
    pub(super) const ALL: [Self; 5] = [Self::Nginx, Self::Caddy, Self::Traefik, Self::Haproxy, Self::Envoy];

    /// The requirement in what follows the name of the proxy: its first segment. What comes after that decides nothing.
    ///
    /// `None`: an unknown word, such as a misspelled one, lets nothing pass. Only Envoy appends the path of the client,
    /// so there an unknown word is part of that.
    pub(super) fn requirement(self, rest: &str) -> Option<Requirement> {
        match rest.split('/').nth(1).unwrap_or_default() {
            "" => Some(Requirement::User),
            "staff" => Some(Requirement::Staff),
            "admin" => Some(Requirement::Admin),
            _ => match self {
                Self::Nginx | Self::Caddy | Self::Traefik | Self::Haproxy => None,
                Self::Envoy => Some(Requirement::User),
            },
        }
    }

    /// The status for a request with more than one token. nginx takes 401 and 403 for a refusal, and all else for an
    /// error of the server.
    pub(super) const fn bad_request(self) -> StatusCode {
        match self {
            Self::Nginx => StatusCode::FORBIDDEN,
            Self::Caddy | Self::Traefik | Self::Haproxy | Self::Envoy => StatusCode::BAD_REQUEST,
        }
    }

    /// The method of the client's request. Envoy asks with this method itself; the others name it in a header.
    pub(super) fn client_method(self, request: &HttpRequest) -> Option<Method> {
        match self {
            Self::Nginx | Self::Caddy | Self::Traefik | Self::Haproxy => {
                Method::from_bytes(only(request.headers(), &X_FORWARDED_METHOD)?.as_bytes()).ok()
            }
            Self::Envoy => Some(request.method().clone()),
        }
    }
}

impl Requirement {
    /// Why this user may not pass.
    pub(super) const fn refusal(self, user: &User) -> Option<&'static str> {
        match self {
            Self::Staff if !user.is_staff => Some("not_staff"),
            Self::Admin if !user.is_admin => Some("not_admin"),
            Self::User | Self::Staff | Self::Admin => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_segment_is_the_requirement_and_a_misspelled_one_lets_nothing_pass() {
        let cases = [
            ("", Some(Requirement::User)),
            ("/", Some(Requirement::User)),
            ("//staff", Some(Requirement::User)),
            ("/staff", Some(Requirement::Staff)),
            ("/staff/", Some(Requirement::Staff)),
            ("/staff//admin", Some(Requirement::Staff)),
            ("/admin/any/../thing", Some(Requirement::Admin)),
            ("/Staff", None),
            ("/staffs/", None),
            ("/staff;a=b/", None),
            ("/%73taff/", None),
            ("/../staff", None),
        ];
        for (rest, expected) in cases {
            for proxy in Proxy::ALL {
                let expected = if proxy == Proxy::Envoy { expected.or(Some(Requirement::User)) } else { expected };
                assert_eq!(proxy.requirement(rest), expected, "{proxy:?} {rest}");
            }
        }
    }
}
