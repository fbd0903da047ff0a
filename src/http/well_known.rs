//! `GET /.well-known/jwks.json`: the public keys (RFC 7517), with which anybody verifies access
//! tokens offline. Who does so accepts a token until its `exp`, revoked or not; who wants to know
//! about revocation asks us.

use actix_web::{HttpResponse, web};

use super::HttpState;
use super::request_log::{Facts, note};

/// Mounts it.
pub fn configure(config: &mut web::ServiceConfig) {
    config.route("/.well-known/jwks.json", web::get().to(keys)).route("/.well-known/jwks.json", web::head().to(keys));
}

/// A new key is published for longer than this before it signs, so a short stay in a cache
/// does no harm.
async fn keys(request: actix_web::HttpRequest, state: web::Data<HttpState>) -> HttpResponse {
    note(&request, Facts::read_only);
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "public, max-age=15"))
        .content_type("application/jwk-set+json")
        .body(state.auth().published_keys().to_string())
}
