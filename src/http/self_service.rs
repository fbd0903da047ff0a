//! A user's own sessions and password (`docs/sessions.md`), for tokens of every dialect. As the endpoints of
//! [`account`](super::account), they lie below the prefix of knox and refuse in its words.
//!
//! An application whose users come from a user provider has no passwords here, and so no endpoints that take one.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use super::HttpState;
use super::dialects::serve;
use super::drf::request::{LoginDenial, RequestContext};
use super::openapi::document::Section;
use crate::domain::dialect::Dialect;

mod password;
mod sessions;

pub(super) const PATHS: [&str; 5] = [
    "auth/sessions",
    "auth/sessions/revoke-others",
    "auth/sessions/{id}",
    "auth/sessions/revoke-all",
    "auth/password/change",
];

/// What can be the id of a session. Everything else in its place is another path.
const ID: &str = "{id:[0-9a-fA-F-]{36}}";

/// Mounts the endpoints below the prefix of knox, if that is enabled.
pub(super) fn configure(config: &mut web::ServiceConfig, state: &HttpState) {
    let knox = state.options().dialects.get(Dialect::Knox);
    if !knox.enabled {
        return;
    }
    let prefix = &knox.prefix;
    let [sessions_at, others_at, one_at, all_at, password_at] = PATHS;
    serve(config, prefix, sessions_at, &sessions::list);
    serve(config, prefix, others_at, &sessions::revoke_others);
    serve(config, prefix, &one_at.replace("{id}", ID), &sessions::end_one);
    if state.auth().has_passwords() {
        serve(config, prefix, all_at, &password::revoke_all);
        serve(config, prefix, password_at, &password::change);
    }
}

/// What the document says about them.
pub(super) fn document(section: &mut Section<'_>, state: &HttpState, schemes: &[String]) {
    let [sessions_at, others_at, one_at, all_at, password_at] = PATHS;
    sessions::document(section, [sessions_at, others_at, one_at], schemes);
    if state.auth().has_passwords() {
        password::document(section, [all_at, password_at], schemes);
    }
}

/// The reply to what was done: nothing but the status.
fn done(context: &RequestContext<'_>) -> HttpResponse {
    context.replies().empty(StatusCode::NO_CONTENT)
}

/// The refusal of a name and a password: as that of a login with knox.
fn denied(context: &RequestContext<'_>, denial: LoginDenial) -> HttpResponse {
    context.replies().non_field_error(denial.message("Unable to log in with provided credentials."))
}
