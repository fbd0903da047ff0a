//! Liveness and readiness.

use actix_web::{HttpResponse, web};

use super::HttpState;
use super::middleware::request_log::{Facts, note};

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
        config.route(path, web::get().to(healthz)).route(path, web::head().to(healthz));
    }
    for path in ["/readyz", "/readyz/"] {
        config.route(path, web::get().to(readyz)).route(path, web::head().to(readyz));
    }
}
