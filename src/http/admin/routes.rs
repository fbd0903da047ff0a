//! The table of the endpoints.

use super::call::Call;
use super::description::Description;
use super::{clients, events, explain, keys, login, sessions, throttle, tokens, users};
use crate::http::routes::{Route, routes};

/// Who may call an endpoint, or ask for a page of administrators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anyone who reaches the listener.
    Nothing,
    /// An administrator.
    Admin,
    /// An administrator who has entered the password recently. Pages ask for it and then continue.
    RecentPassword,
}

/// An endpoint, with what the OpenAPI document says about it.
pub(super) type Endpoint = Route<Call, Needs, &'static Description>;

/// All endpoints. Changes to an administrator's account also need a recent password: their handlers check that.
#[rustfmt::skip]
pub const ROUTES: &[Endpoint] = routes! {
    "POST" "/admin/api/login/" Nothing login::log_in, &login::LOG_IN;
    "POST" "/admin/api/logout/" Admin login::log_out, &login::LOG_OUT;
    "POST" "/admin/api/verify-password/" Admin login::verify_password, &login::VERIFY_PASSWORD;
    "GET" "/admin/api/me/" Admin login::me, &login::ME;
    "GET" "/admin/api/users/" Admin users::list, &users::LIST;
    "POST" "/admin/api/users/" Admin users::create, &users::CREATE;
    "GET" "/admin/api/users/{id}/" Admin users::get, &users::GET;
    "PATCH" "/admin/api/users/{id}/" Admin users::change, &users::CHANGE;
    "DELETE" "/admin/api/users/{id}/" Admin users::delete, &users::DELETE;
    "POST" "/admin/api/users/{id}/password/" Admin users::set_password, &users::SET_PASSWORD;
    "POST" "/admin/api/users/{id}/reset-password/" Admin users::reset_password, &users::RESET_PASSWORD;
    "POST" "/admin/api/users/{id}/end-sessions/" Admin users::end_sessions, &users::END_SESSIONS;
    "GET" "/admin/api/sessions/" Admin sessions::list, &sessions::LIST;
    "GET" "/admin/api/sessions/{id}/" Admin sessions::get, &sessions::GET;
    "DELETE" "/admin/api/sessions/{id}/" Admin sessions::end, &sessions::END;
    "POST" "/admin/api/sessions/revoke/" RecentPassword sessions::revoke, &sessions::REVOKE;
    "GET" "/admin/api/tokens/" Admin tokens::list, &tokens::LIST;
    "POST" "/admin/api/tokens/" RecentPassword tokens::create, &tokens::CREATE;
    "POST" "/admin/api/tokens/revoke/" Admin tokens::revoke, &tokens::REVOKE;
    "DELETE" "/admin/api/tokens/{id}/" Admin sessions::end, &sessions::END;
    "GET" "/admin/api/clients/" Admin clients::list, &clients::LIST;
    "POST" "/admin/api/clients/" RecentPassword clients::add, &clients::ADD;
    "POST" "/admin/api/clients/{id}/rotate/" RecentPassword clients::rotate, &clients::ROTATE;
    "DELETE" "/admin/api/clients/{id}/" RecentPassword clients::delete, &clients::DELETE;
    "GET" "/admin/api/keys/" Admin keys::list, &keys::LIST;
    "POST" "/admin/api/keys/rotate/" RecentPassword keys::rotate, &keys::ROTATE;
    "GET" "/admin/api/throttle/" Admin throttle::list, &throttle::LIST;
    "POST" "/admin/api/throttle/clear/" RecentPassword throttle::clear, &throttle::CLEAR;
    "GET" "/admin/api/events/" Admin events::list, &events::LIST;
    "POST" "/admin/api/explain/" Admin explain::explain, &explain::EXPLAIN;
};
