//! `GET /.well-known/jwks.json`: the public keys (RFC 7517), with which services verify access
//! tokens offline. They accept a token until its `exp`, even if it was revoked; to learn about revocation, a
//! service has to ask this server.

use actix_web::{HttpResponse, web};

use super::middleware::request_log::{Facts, note};
use super::openapi::document::Document;
use super::openapi::operation::Operation;
use super::openapi::schema::{fields, list, one_of, text};
use super::{HttpState, read_at};

/// Mounts the endpoint.
pub fn configure(config: &mut web::ServiceConfig) {
    read_at(config, "/.well-known/jwks.json", keys);
}

/// What the document says about it.
pub(super) fn document(document: &mut Document) {
    let members = ["n", "e", "crv", "x"].map(|name| (name, text()));
    let common = [
        ("kty", one_of(&["RSA", "OKP"])),
        ("use", one_of(&["sig"])),
        ("alg", one_of(&["RS256", "EdDSA"])),
        ("kid", text()),
    ];
    let key = fields(&[common.as_slice(), members.as_slice()].concat(), &["kty", "use", "alg", "kid"]);
    let keys = fields(&[("keys", list(&key))], &["keys"]);
    let operation = Operation::new("Public keys")
        .about("With them, services verify access tokens of asymmetric algorithms offline, until their `exp`. Whether a token was revoked they learn by asking.")
        .reply_in("application/jwk-set+json", 200, "A set of keys (RFC 7517), which may be empty.", keys);
    document.section("keys", "Keys that sign JWTs.", "").add("get", "/.well-known/jwks.json", &operation);
}

/// A new key is published for longer than the `max-age` before it signs, so caches can be used.
async fn keys(request: actix_web::HttpRequest, state: web::Data<HttpState>) -> HttpResponse {
    note(&request, Facts::read_only);
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "public, max-age=15"))
        .content_type("application/jwk-set+json")
        .body(state.auth().published_keys().to_string())
}
