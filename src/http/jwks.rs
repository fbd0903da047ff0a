//! `GET /.well-known/jwks.json`: the public keys (RFC 7517), with which services verify access
//! tokens offline. They accept a token until its `exp`, even if it was revoked; to learn about revocation, a
//! service has to ask this server.

use actix_web::{HttpResponse, web};

use super::HttpState;
use super::middleware::request_log::{Facts, note};

/// Mounts the endpoint.
pub fn configure(config: &mut web::ServiceConfig) {
    config.route("/.well-known/jwks.json", web::get().to(keys)).route("/.well-known/jwks.json", web::head().to(keys));
}

/// A new key is published for longer than the `max-age` before it signs, so caches can be used.
async fn keys(request: actix_web::HttpRequest, state: web::Data<HttpState>) -> HttpResponse {
    note(&request, Facts::read_only);
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "public, max-age=15"))
        .content_type("application/jwk-set+json")
        .body(state.auth().published_keys().to_string())
}
