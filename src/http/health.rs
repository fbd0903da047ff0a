//! Liveness and readiness.

use actix_web::{HttpResponse, web};

use super::middleware::request_log::{Facts, note};
use super::openapi::document::Document;
use super::openapi::operation::Operation;
use super::openapi::schema::{object, one_of};
use super::{HttpState, read_at};

/// `GET /healthz`: 200 `{"status":"ok"}` while the process answers.
async fn healthz(request: actix_web::HttpRequest) -> HttpResponse {
    note(&request, Facts::read_only);
    answer(HttpResponse::Ok(), "ok")
}

/// `GET /readyz`: 200 `{"status":"ready"}` when the database answers and its schema fits this
/// binary, else 503 with `{"status":"unavailable"}`, `{"status":"full"}` when sessions can only be
/// ended because the disk of the database is full, or `{"status":"stopping"}` while the server
/// stops.
async fn readyz(request: actix_web::HttpRequest, state: web::Data<HttpState>) -> HttpResponse {
    note(&request, Facts::read_only);
    if state.is_stopping() {
        return not_now("stopping");
    }
    match state.auth().ready().await {
        Ok(()) => answer(HttpResponse::Ok(), "ready"),
        Err(error) => {
            log::warn!("not ready: {error}");
            not_now(if error.is_full() { "full" } else { "unavailable" })
        }
    }
}

fn not_now(status: &str) -> HttpResponse {
    let mut reply = HttpResponse::ServiceUnavailable();
    reply.insert_header(("Retry-After", "1"));
    answer(reply, status)
}

fn answer(mut reply: actix_web::HttpResponseBuilder, status: &str) -> HttpResponse {
    reply.insert_header(("Cache-Control", "no-store")).json(serde_json::json!({ "status": status }))
}

/// Mounts both endpoints.
pub fn configure(config: &mut web::ServiceConfig) {
    for path in ["/healthz", "/healthz/"] {
        read_at(config, path, healthz);
    }
    for path in ["/readyz", "/readyz/"] {
        read_at(config, path, readyz);
    }
}

/// What the document says about them.
pub(super) fn document(document: &mut Document) {
    let says = |words: &[&str]| object([("status", one_of(words))]);
    let mut section = document.section("health", "For load balancers and supervisors.", "");
    let alive = Operation::new("Whether the process lives").reply(200, "It does.", says(&["ok"]));
    section.add("get", "/healthz", &alive);
    let ready = Operation::new("Whether requests can be sent here")
        .reply(200, "They can.", says(&["ready"]))
        .reply(
            503,
            "They cannot: the database does not answer, its disk is full so that sessions can only be ended, or the server is stopping.",
            says(&["unavailable", "full", "stopping"]),
        )
        .header(503, "Retry-After");
    section.add("get", "/readyz", &ready);
}
