//! Signing in, as the pages of administrators and those of users have it in common.

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use askama::Template;

use super::cookie::{self, Holds};
use super::frame::Frame;
use super::site::Visit;
use super::{form, reply};
use crate::domain::token::Token;
use crate::service::{Auth, Unavailable};

/// The form for signing in.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignIn {
    pub(super) frame: Frame,
    /// Where the form leads.
    pub(super) action: String,
    pub(super) form_token: String,
    /// What was typed before.
    pub(super) username: String,
    /// The page to go on to.
    pub(super) next: String,
    /// Why the last attempt was refused.
    pub(super) problem: Option<String>,
    /// The path of the page that takes a one-time password, if there is one.
    pub(super) one_time: Option<String>,
}

/// The random value that the forms are bound to which are there before anybody has signed in.
pub(super) struct Bound {
    value: Token,
    is_new: bool,
}

impl Bound {
    /// The one of the browser, or a new one.
    ///
    /// # Errors
    /// No random bytes.
    pub(super) fn of(request: &HttpRequest, visit: &Visit, auth: &Auth) -> Result<Self, Unavailable> {
        Ok(match cookie::read(request, visit, Holds::SignIn) {
            Some(value) => Self { value, is_new: false },
            None => Self { value: auth.random_token()?, is_new: true },
        })
    }

    /// The token for the form.
    pub(super) fn form_token(&self) -> String {
        form::token_for(&self.value)
    }

    /// The page with the form. If the value is new, the browser gets it.
    pub(super) fn show(&self, visit: &Visit, mut builder: HttpResponseBuilder, page: &impl Template) -> HttpResponse {
        if self.is_new {
            builder.append_header(cookie::set(visit, Holds::SignIn, &self.value));
        }
        reply::page(builder, page)
    }
}

/// The reply to a sign-in: the browser gets the token of the session, and goes on to `next`.
pub(super) fn signed_in(visit: &Visit, token: &Token, next: &str) -> HttpResponse {
    let mut reply = reply::see_other(next);
    reply.append_header(cookie::set(visit, Holds::Session, token));
    reply.append_header(cookie::forget(visit, Holds::SignIn));
    reply.finish()
}

/// The path of the form at `sign_in`, which then leads to `next`, or else to `home`.
pub(super) fn path_of_form(sign_in: &str, home: &str, next: &str) -> String {
    if next == home {
        return sign_in.to_owned();
    }
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    format!("{sign_in}?next={next}")
}

/// Where to go on after signing in: to the page that was asked for, if it can be opened.
pub(super) fn next_of(home: &str, is_read: bool, request: &HttpRequest) -> String {
    let path = request.uri().path_and_query().map_or(home, |path| path.as_str());
    if is_read && is_below(home, path) { path.to_owned() } else { home.to_owned() }
}

/// Whether a path is one of the pages below `home`, so that a form may lead there after signing in.
pub(super) fn is_below(home: &str, path: &str) -> bool {
    path.starts_with(home) && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') && path.len() <= 2048
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_our_own_pages_alone() {
        for good in ["/admin/", "/admin/users/?q=a%20b&cursor=7"] {
            assert!(is_below("/admin/", good), "{good}");
        }
        for bad in [
            "",
            "/",
            "//evil.example/",
            "/admin",
            "https://evil.example/admin/",
            "/admin/\r\nSet-Cookie: a=b",
            "/admin/\\",
        ] {
            assert!(!is_below("/admin/", bad), "{bad}");
        }
    }
}
