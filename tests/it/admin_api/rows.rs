//! One row for each endpoint: a request that an administrator may make, and what a script's token with administration
//! gets for it.

use super::*;

/// A request to an endpoint of the list.
pub(super) struct Row {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Its body. `$user` stands for the number of a user that is there for this request alone.
    pub(super) body: Option<Value>,
    /// What an administrator gets who has just logged in.
    pub(super) admin: u16,
    /// What a script of an administrator gets.
    pub(super) script: u16,
}

fn row(method: &'static str, path: &'static str, body: Option<Value>, [admin, script]: [u16; 2]) -> Row {
    Row { method, path, body, admin, script }
}

/// All rows.
pub(super) fn rows() -> Vec<Row> {
    let user = || json!("$user");
    let login = json!({ "username": "root", "password": PASSWORD });
    let new = json!({ "username": "$name", "password": PASSWORD });
    vec![
        row("POST", "/admin/api/login/", Some(login), [200, 200]),
        row("POST", "/admin/api/logout/", None, [204, 204]),
        row("POST", "/admin/api/verify-password/", Some(json!({ "password": PASSWORD })), [204, 403]),
        row("GET", "/admin/api/me/", None, [200, 200]),
        row("GET", "/admin/api/users/", None, [200, 200]),
        row("POST", "/admin/api/users/", Some(new), [201, 201]),
        row("GET", "/admin/api/users/{id}/", None, [200, 200]),
        row("PATCH", "/admin/api/users/{id}/", Some(json!({ "is_staff": true })), [200, 200]),
        row("DELETE", "/admin/api/users/{id}/", None, [204, 204]),
        row("POST", "/admin/api/users/{id}/password/", Some(json!({ "password": "another-horse-9" })), [204, 204]),
        row("POST", "/admin/api/users/{id}/reset-password/", None, [200, 200]),
        row("POST", "/admin/api/users/{id}/end-sessions/", None, [204, 204]),
        row("GET", "/admin/api/sessions/", None, [200, 200]),
        row("GET", "/admin/api/sessions/{id}/", None, [200, 200]),
        row("DELETE", "/admin/api/sessions/{id}/", None, [204, 204]),
        row("POST", "/admin/api/sessions/revoke/", Some(json!({ "before": "2000-01-01T00:00:00Z" })), [200, 403]),
        row("GET", "/admin/api/tokens/", None, [200, 200]),
        row("POST", "/admin/api/tokens/revoke/", Some(json!({ "user": user(), "name": "backup" })), [200, 200]),
        row("POST", "/admin/api/tokens/", Some(json!({ "user": user(), "name": "backup" })), [201, 403]),
        row("DELETE", "/admin/api/tokens/{id}/", None, [204, 204]),
        row("GET", "/admin/api/clients/", None, [200, 200]),
        row("POST", "/admin/api/clients/", Some(json!({ "name": "$name" })), [201, 403]),
        row("POST", "/admin/api/clients/{id}/rotate/", None, [201, 403]),
        row("DELETE", "/admin/api/clients/{id}/", None, [204, 403]),
        row("GET", "/admin/api/keys/", None, [200, 200]),
        row("POST", "/admin/api/keys/rotate/", None, [201, 403]),
        row("GET", "/admin/api/throttle/", None, [200, 200]),
        row("POST", "/admin/api/throttle/clear/", Some(json!({ "user": user() })), [200, 403]),
        row("GET", "/admin/api/events/", None, [200, 200]),
        row("POST", "/admin/api/explain/", Some(json!({ "token": "no-such-token" })), [200, 200]),
    ]
}
