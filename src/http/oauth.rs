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
use actix_web::{HttpRequest, HttpResponse, Route, web};

pub(super) use self::document::document;
use self::refusal::Refusal;
use super::HttpState;
use super::middleware::request_log::note;
use super::openapi::operation::Operation;

/// What is asked with `POST` at a path.
pub(super) struct Endpoint {
    pub(super) path: &'static str,
    route: fn() -> Route,
    described: fn() -> Operation,
}

pub(super) const ENDPOINTS: [Endpoint; 3] = [
    Endpoint { path: "introspect", route: || post(introspect::answer), described: document::introspect },
    Endpoint { path: "revoke", route: || post(revoke::answer), described: document::revoke },
    Endpoint { path: "check", route: || post(batch::answer), described: document::check },
];

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
    for Endpoint { path, route, .. } in ENDPOINTS {
        for slash in ["/", ""] {
            config.service(web::resource(format!("/{path}{slash}")).route(route()));
        }
    }
    if options.public_url.is_some() {
        discovery::configure(config);
    }
}

fn post<A>(answer: A) -> Route
where
    A: AsyncFn(Call<'_>) -> Result<HttpResponse, Refusal> + Copy + 'static,
{
    web::to(move |request: HttpRequest, payload: web::Payload, state: web::Data<HttpState>| async move {
        let call = Call { request: &request, payload: payload.into_inner(), state: &state };
        let outcome = match judge(&request) {
            Ok(()) => answer(call).await,
            Err(refusal) => Err(refusal),
        };
        outcome.unwrap_or_else(|refusal| {
            note(&request, |facts| facts.refused(refusal.reason()));
            refusal.reply(request.method() != Method::HEAD)
        })
    })
}

/// What is judged before the credentials.
fn judge(request: &HttpRequest) -> Result<(), Refusal> {
    if request.method() != Method::POST {
        return Err(Refusal::method_not_allowed());
    }
    // The path of a request is in the logs of proxies and in histories, where no token may be.
    if !request.query_string().is_empty() {
        return Err(Refusal::invalid_request("parameters belong into the body, and never into the URL"));
    }
    Ok(())
}

/// 200 with this JSON.
fn reply(json: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).content_type("application/json").body(json)
}
