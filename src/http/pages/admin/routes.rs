//! The one list of the pages.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::request::{Answer, Asked};
use super::{events, explain, keys, mass_end, overview, sessions, sign_in, throttle, tokens, users};
use crate::http::listed::Listed;

/// Who may ask for a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anyone who reaches the listener.
    Nothing,
    /// An administrator who has signed in.
    Admin,
    /// An administrator who has lately given the password. Others are asked for it, and then it goes on.
    RecentPassword,
}

type Answering = Pin<Box<dyn Future<Output = Answer>>>;

/// A page, or an act that a form on one leads to.
pub struct Page {
    /// Its method. What can be read with GET can be asked for with HEAD.
    pub method: &'static str,
    /// Its path, in which `{id}` stands for a user's number or a session's id.
    pub path: &'static str,
    /// Who may ask for it.
    pub needs: Needs,
    pub(super) handler: fn(Asked) -> Answering,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Listed for Page {
    fn method(&self) -> &'static str {
        self.method
    }

    fn path(&self) -> &'static str {
        self.path
    }
}

/// One line for each page.
macro_rules! pages {
    ($($method:literal $path:literal $needs:ident $handler:path;)+) => {
        &[$(Page {
            method: $method,
            path: $path,
            needs: Needs::$needs,
            handler: |asked| Box::pin($handler(asked)),
        }),+]
    };
}

/// All pages. What is done to an administrator's account needs a recent password too; the handlers ask for it.
#[rustfmt::skip]
pub const PAGES: &[Page] = pages! {
    "GET" "/admin/" Admin overview::show;
    "GET" "/admin/sign-in/" Nothing sign_in::show;
    "POST" "/admin/sign-in/" Nothing sign_in::sign_in;
    "POST" "/admin/sign-out/" Admin sign_in::sign_out;
    "GET" "/admin/users/" Admin users::list;
    "GET" "/admin/users/new/" Admin users::new;
    "POST" "/admin/users/new/" Admin users::create;
    "GET" "/admin/users/{id}/" Admin users::one;
    "POST" "/admin/users/{id}/active/" Admin users::set_active;
    "POST" "/admin/users/{id}/reset-password/" Admin users::reset_password;
    "POST" "/admin/users/{id}/end-sessions/" Admin users::end_sessions;
    "GET" "/admin/sessions/" Admin sessions::list;
    "GET" "/admin/sessions/end/" Admin mass_end::show;
    "POST" "/admin/sessions/end/" RecentPassword mass_end::end;
    "GET" "/admin/sessions/end/result/" Admin mass_end::result;
    "GET" "/admin/sessions/{id}/" Admin sessions::one;
    "POST" "/admin/sessions/{id}/end/" Admin sessions::end;
    "GET" "/admin/events/" Admin events::list;
    "GET" "/admin/explain/" Admin explain::show;
    "POST" "/admin/explain/" Admin explain::explain;
    "GET" "/admin/tokens/" Admin tokens::list;
    "GET" "/admin/tokens/new/" Admin tokens::new;
    "POST" "/admin/tokens/new/" RecentPassword tokens::create;
    "GET" "/admin/keys/" Admin keys::list;
    "POST" "/admin/keys/rotate/" RecentPassword keys::rotate;
    "GET" "/admin/throttle/" Admin throttle::list;
    "POST" "/admin/throttle/clear/" RecentPassword throttle::clear;
};
