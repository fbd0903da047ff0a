//! The one list of the endpoints.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use actix_web::http::Method;

use super::call::{Answer, Call};
use super::described::Described;
use super::error::ApiError;
use super::{clients, events, explain, keys, login, sessions, throttle, tokens, users};
use crate::http::listed::Listed;

/// Who may call an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anyone who reaches the listener.
    Nothing,
    /// An administrator.
    Admin,
    /// An administrator who has lately given the password.
    RecentPassword,
}

type Answering = Pin<Box<dyn Future<Output = Answer>>>;

/// An endpoint.
pub struct Route {
    /// Its method.
    pub method: &'static str,
    /// Its path, in which `{id}` stands for a user's number, or a session's or a client's id.
    pub path: &'static str,
    /// Who may call it.
    pub needs: Needs,
    /// What the document says about it.
    pub(super) described: &'static Described,
    pub(super) handler: fn(Call) -> Answering,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Listed for Route {
    fn method(&self) -> &'static str {
        self.method
    }

    fn path(&self) -> &'static str {
        self.path
    }
}

/// One line for each endpoint.
macro_rules! routes {
    ($($method:literal $path:literal $needs:ident $handler:path, $described:path;)+) => {
        &[$(Route {
            method: $method,
            path: $path,
            needs: Needs::$needs,
            described: &$described,
            handler: |call| Box::pin($handler(call)),
        }),+]
    };
}

/// All endpoints. Changes of an administrator's account need a recent password too; their handlers ask for it.
#[rustfmt::skip]
pub const ROUTES: &[Route] = routes! {
    "POST" "/admin/api/login/" Nothing login::log_in, login::LOG_IN;
    "POST" "/admin/api/logout/" Admin login::log_out, login::LOG_OUT;
    "POST" "/admin/api/verify-password/" Admin login::verify_password, login::VERIFY_PASSWORD;
    "GET" "/admin/api/me/" Admin login::me, login::ME;
    "GET" "/admin/api/users/" Admin users::list, users::LIST;
    "POST" "/admin/api/users/" Admin users::create, users::CREATE;
    "GET" "/admin/api/users/{id}/" Admin users::get, users::GET;
    "PATCH" "/admin/api/users/{id}/" Admin users::change, users::CHANGE;
    "DELETE" "/admin/api/users/{id}/" Admin users::delete, users::DELETE;
    "POST" "/admin/api/users/{id}/password/" Admin users::set_password, users::SET_PASSWORD;
    "POST" "/admin/api/users/{id}/reset-password/" Admin users::reset_password, users::RESET_PASSWORD;
    "POST" "/admin/api/users/{id}/end-sessions/" Admin users::end_sessions, users::END_SESSIONS;
    "GET" "/admin/api/sessions/" Admin sessions::list, sessions::LIST;
    "GET" "/admin/api/sessions/{id}/" Admin sessions::get, sessions::GET;
    "DELETE" "/admin/api/sessions/{id}/" Admin sessions::end, sessions::END;
    "POST" "/admin/api/sessions/revoke/" RecentPassword sessions::revoke, sessions::REVOKE;
    "GET" "/admin/api/tokens/" Admin tokens::list, tokens::LIST;
    "POST" "/admin/api/tokens/" RecentPassword tokens::create, tokens::CREATE;
    "POST" "/admin/api/tokens/revoke/" Admin tokens::revoke, tokens::REVOKE;
    "DELETE" "/admin/api/tokens/{id}/" Admin sessions::end, sessions::END;
    "GET" "/admin/api/clients/" Admin clients::list, clients::LIST;
    "POST" "/admin/api/clients/" RecentPassword clients::add, clients::ADD;
    "POST" "/admin/api/clients/{id}/rotate/" RecentPassword clients::rotate, clients::ROTATE;
    "DELETE" "/admin/api/clients/{id}/" RecentPassword clients::delete, clients::DELETE;
    "GET" "/admin/api/keys/" Admin keys::list, keys::LIST;
    "POST" "/admin/api/keys/rotate/" RecentPassword keys::rotate, keys::ROTATE;
    "GET" "/admin/api/throttle/" Admin throttle::list, throttle::LIST;
    "POST" "/admin/api/throttle/clear/" RecentPassword throttle::clear, throttle::CLEAR;
    "GET" "/admin/api/events/" Admin events::list, events::LIST;
    "POST" "/admin/api/explain/" Admin explain::explain, explain::EXPLAIN;
};

/// The endpoint at this path of the list with this method.
///
/// # Errors
/// 405 if the path has other methods.
pub(super) fn find(path: &str, method: &Method) -> Result<&'static Route, ApiError> {
    let here = || ROUTES.iter().filter(|route| route.path == path);
    here().find(|route| route.method == method.as_str()).ok_or_else(|| {
        let allowed: Vec<&str> = here().map(|route| route.method).collect();
        ApiError::method_not_allowed(&allowed)
    })
}
