//! What services ask about tokens, in the manner of OAuth 2.0 (`docs/introspection.md`):
//!
//! | request | does |
//! |---|---|
//! | `POST /introspect/` | tells whose a token is (RFC 7662) |
//! | `POST /check/` | the same for up to 1,000 tokens |
//! | `POST /revoke/` | ends the session of a token (RFC 7009) |
//! | `GET /.well-known/oauth-authorization-server` | says where these are (RFC 8414), if the public URL is known |
//!
//! A request is judged in this order: the method, the query, how many credentials there are, who asks, the parameters.
//! Tokens are judged by the same [`Resolver`](crate::service::Resolver) as everywhere.

mod batch;
mod caller;
mod credentials;
mod describe;
mod discovery;
mod document;
mod form;
mod introspect;
pub mod public_url;
mod refusal;
mod revoke;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};

pub(super) use self::document::document;
use self::refusal::Refusal;
use super::HttpState;
use super::middleware::request_log::note;

pub(super) const PATHS: [&str; 3] = ["introspect", "revoke", "check"];

/// What is asked at a path.
#[derive(Debug, Clone, Copy)]
enum Endpoint {
    Introspect,
    Revoke,
    Check,
}

impl Endpoint {
    /// All of them, in the order of [`PATHS`].
    const ALL: [Self; 3] = [Self::Introspect, Self::Revoke, Self::Check];
}

/// A request whose method and target are right.
struct Call<'a> {
    request: &'a HttpRequest,
    payload: Payload,
    state: &'a HttpState,
}

/// Mounts the endpoints, if they are enabled.
pub fn configure(config: &mut web::ServiceConfig, state: &HttpState) {
    let options = state.options();
    if !options.introspection {
        return;
    }
    for (path, endpoint) in PATHS.into_iter().zip(Endpoint::ALL) {
        let handler = move |request, payload, state| serve(endpoint, request, payload, state);
        for slash in ["/", ""] {
            config.service(web::resource(format!("/{path}{slash}")).to(handler));
        }
    }
    if options.public_url.is_some() {
        discovery::configure(config);
    }
}

async fn serve(
    endpoint: Endpoint,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<HttpState>,
) -> HttpResponse {
    let call = Call { request: &request, payload: payload.into_inner(), state: &state };
    match answer(endpoint, call).await {
        Ok(reply) => reply,
        Err(refusal) => {
            note(&request, |facts| facts.refused(refusal.reason()));
            refusal.reply(request.method() != Method::HEAD)
        }
    }
}

/// 200 with this JSON.
fn reply(json: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).content_type("application/json").body(json)
}

async fn answer(endpoint: Endpoint, call: Call<'_>) -> Result<HttpResponse, Refusal> {
    if call.request.method() != Method::POST {
        return Err(Refusal::method_not_allowed());
    }
    // The path of a request is in the logs of proxies and in histories, where no token may be.
    if !call.request.query_string().is_empty() {
        return Err(Refusal::invalid_request("parameters belong into the body, and never into the URL"));
    }
    match endpoint {
        Endpoint::Introspect => introspect::answer(call).await,
        Endpoint::Revoke => revoke::answer(call).await,
        Endpoint::Check => batch::answer(call).await,
    }
}
