//! The table of the pages.

use super::request::PageRequest;
use super::{events, explain, keys, mass_end, overview, sessions, sign_in, throttle, tokens, users};
use crate::http::admin::Needs;
use crate::http::routes::{Route, routes};

/// A page, or an action that a form on a page is sent to.
pub(super) type Page = Route<PageRequest, Needs>;

/// All pages. Changes to an administrator's account also need a recent password: their handlers check that.
#[rustfmt::skip]
pub const PAGES: &[Page] = routes! {
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
