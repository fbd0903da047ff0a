//! `GET /.well-known/oauth-authorization-server`: where the endpoints are (RFC 8414). Every URL in it begins with the
//! public URL of the settings, and never with what a request says about its host.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::http::middleware::request_log::{Facts, note};
use crate::http::{HttpState, read_at};

/// Mounts the endpoint.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    read_at(config, "/.well-known/oauth-authorization-server", metadata);
}

/// The lists of grant types and response types are empty, because clients get tokens by logging in. They are not left
/// out, because their defaults name some (RFC 8414, section 2).
async fn metadata(request: HttpRequest, state: web::Data<HttpState>) -> HttpResponse {
    note(&request, Facts::read_only);
    let Some(url) = &state.options().public_url else { return HttpResponse::NotFound().finish() };
    let by_clients = ["client_secret_basic", "client_secret_post", "Bearer"];
    let by_all = ["client_secret_basic", "client_secret_post", "Bearer", "none"];
    HttpResponse::Ok().insert_header(("Cache-Control", "public, max-age=300")).json(json!({
        "issuer": url.as_str(),
        "introspection_endpoint": format!("{url}/introspect/"),
        "introspection_endpoint_auth_methods_supported": by_clients,
        "revocation_endpoint": format!("{url}/revoke/"),
        "revocation_endpoint_auth_methods_supported": by_all,
        "jwks_uri": format!("{url}/.well-known/jwks.json"),
        "response_types_supported": [],
        "grant_types_supported": [],
    }))
}
