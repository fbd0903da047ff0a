//! The page for signing in, and the page that says what went wrong: both are there before anybody is known.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::frame::Frame;
use super::reply;

/// The form for signing in.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignIn {
    pub(super) frame: Frame,
    /// Where the form leads.
    pub(super) action: &'static str,
    pub(super) form_token: String,
    /// What was typed before.
    pub(super) username: String,
    /// The page to go on to.
    pub(super) next: String,
    /// Why the last attempt was refused.
    pub(super) problem: Option<String>,
}

/// What went wrong, and what to do.
#[derive(Template)]
#[template(path = "problem.html")]
pub(super) struct Problem {
    pub(super) frame: Frame,
    pub(super) message: String,
    /// What the reader can do about it.
    pub(super) advice: String,
}

impl Problem {
    /// The page with this status.
    pub(super) fn reply(self, status: StatusCode) -> HttpResponse {
        reply::page(reply::begin(status), &self)
    }
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
