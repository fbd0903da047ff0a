//! Forward authentication: `/forward-auth/<proxy>/` tells a proxy whether it may pass a request on, and who its user is
//! (`docs/forward-auth.md`).
//!
//! | reply | when |
//! |---|---|
//! | 200 | the token is good: `identity.rs` has the headers |
//! | 401 | no token, or a bad one |
//! | 403 | the requirement is not met, or a cookie came with a request that another site may have caused |
//! | 400, at nginx 403 | more than one token |
//! | 404 | the path names no requirement that is known |
//! | 503 | the check could not be made |
//!
//! No reply has a body: nginx would open a new connection for the next check.

mod credentials;
mod identity;
pub mod options;
mod proxy;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, web};

use self::credentials::Credentials;
use self::identity::Source;
use self::options::ForwardAuthOptions;
use self::proxy::{Proxy, Requirement};
use super::HttpState;
use super::address::Proxies;
use super::browser::credentials::access_cookie;
use super::middleware::guard::{AuthFailure, Guard};
use super::middleware::request_log::{Facts, note};
use super::openapi::document::Document;
use super::openapi::operation::Operation;
use super::openapi::schema::{one_of, text};
use crate::domain::dialect::{CookieMode, Dialect};

/// The paths, one for each kind of proxy.
pub(super) const PATHS: [&str; 5] =
    ["forward-auth/nginx", "forward-auth/caddy", "forward-auth/traefik", "forward-auth/haproxy", "forward-auth/envoy"];

static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
static SOON: HeaderValue = HeaderValue::from_static("1");

/// What the endpoints need.
struct ForwardAuth {
    /// Its checks count as use of the session, because each stands for a request of the client to a service.
    guard: Guard,
    options: ForwardAuthOptions,
    /// The dialect of the tokens in the cookie, if its logins set that cookie; else tokens of every dialect are good
    /// in it.
    dialect: Option<Dialect>,
    proxies: Proxies,
}

/// Mounts the endpoints, if they are enabled.
pub fn configure(config: &mut web::ServiceConfig, state: &HttpState) {
    let options = state.options();
    if !options.forward_auth.enabled {
        return;
    }
    let cookie = options.forward_auth.cookie.as_ref();
    let sets_it = |dialect: &Dialect| {
        let is_its = cookie.is_some_and(|name| name.as_bytes() == access_cookie(*dialect).as_bytes());
        is_its && options.dialects.get(*dialect).cookie != CookieMode::Off
    };
    config.app_data(web::Data::new(ForwardAuth {
        guard: Guard::of_dialects(state.auth().clone(), &options.dialects),
        dialect: Dialect::ALL.into_iter().find(sets_it),
        options: options.forward_auth.clone(),
        proxies: options.proxies.clone(),
    }));
    for (proxy, path) in Proxy::ALL.into_iter().zip(PATHS) {
        // The path that nearly all checks have is compared as text, which is faster than a pattern.
        let for_users = move |request: HttpRequest, shared: web::Data<ForwardAuth>| {
            answer(request, shared, proxy, Some(Requirement::User))
        };
        let by_path = move |request: HttpRequest, shared: web::Data<ForwardAuth>| {
            let requirement = proxy.requirement(request.match_info().unprocessed());
            answer(request, shared, proxy, requirement)
        };
        config
            .service(web::resource(format!("/{path}/")).to(for_users))
            .service(web::scope(&format!("/{path}")).default_service(web::to(by_path)));
    }
}

/// What the document says about them.
pub(super) fn document(document: &mut Document, schemes: &[String]) {
    let about =
        "A proxy asks before it passes a request on. Any method is answered in the same way, and a body is never read.";
    let mut section = document.section("forward-auth", about, "");
    for (proxy, path) in Proxy::ALL.into_iter().zip(PATHS) {
        section.add("get", &format!("/{path}/"), &asked_by(proxy, "Whether a request may pass", schemes));
        let operation = asked_by(proxy, "Whether a request may pass that is for some users only", schemes);
        let word = match proxy {
            Proxy::Nginx | Proxy::Caddy | Proxy::Traefik | Proxy::Haproxy => one_of(&["staff", "admin"]),
            // The path of the client may follow, of which each word is as good as any other.
            Proxy::Envoy => text(),
        };
        let operation = operation
            .part("requirement", &word, "The users that it is for: `staff`, `admin`.")
            .empty(404, "There is no such requirement.");
        section.add("get", &format!("/{path}/{{requirement}}/"), &operation);
    }
}

fn asked_by(proxy: Proxy, summary: &'static str, schemes: &[String]) -> Operation {
    let operation = Operation::new(summary)
        .secured_by(schemes)
        .empty(200, "It may.")
        .empty(401, "There is no token, or it is not good.")
        .header(401, "WWW-Authenticate")
        .empty(403, "The user is none of those that it is for, or another site may have caused the request.")
        .empty(proxy.bad_request().as_u16(), "There is more than one token.")
        .empty(503, "It could not be checked now.")
        .header(503, "Retry-After");
    identity::HEADERS.into_iter().fold(operation, |operation, name| operation.header(200, name))
}

/// The answer to any method; a body is never read.
async fn answer(
    request: HttpRequest,
    shared: web::Data<ForwardAuth>,
    proxy: Proxy,
    requirement: Option<Requirement>,
) -> HttpResponse {
    note(&request, Facts::read_only);
    let refuse = |status: StatusCode, reason: &'static str| {
        note(&request, |facts| facts.refused(reason));
        empty(status)
    };
    let Some(requirement) = requirement else { return refuse(StatusCode::NOT_FOUND, "unknown_requirement") };
    let ForwardAuth { guard, options, dialect, proxies } = &**shared;
    let (verdict, source) = match credentials::find(&request, proxy, options, proxies) {
        Credentials::Several => return refuse(proxy.bad_request(), "several_tokens"),
        Credentials::ForeignCookie => return refuse(StatusCode::FORBIDDEN, "cookie_of_another_site"),
        Credentials::Header => (guard.check(&request).await, Source::Header),
        Credentials::Cookie(value) => (guard.check_cookie(&request, value, *dialect).await, Source::Cookie),
        Credentials::Uncounted(why) => {
            let verdict = guard.check(&request).await;
            note(&request, |facts| facts.refused(why.as_str()));
            (verdict, Source::Cookie)
        }
    };
    match verdict {
        Ok(who) => match requirement.refusal(&who.user) {
            Some(reason) => refuse(StatusCode::FORBIDDEN, reason),
            None => identity::describe(empty(StatusCode::OK), &who, source),
        },
        Err(failure) => refused(&failure),
    }
}

/// 401 with a challenge, or 503.
fn refused(failure: &AuthFailure) -> HttpResponse {
    let mut reply = empty(failure.status());
    let (name, value) = match failure.challenge() {
        Some(challenge) => (WWW_AUTHENTICATE, HeaderValue::from_str(challenge)),
        None => (RETRY_AFTER, Ok(SOON.clone())),
    };
    // Keywords are tokens of HTTP, so the value is always good.
    if let Ok(value) = value {
        reply.headers_mut().insert(name, value);
    }
    reply
}

/// A reply without a body, which says so: `Content-Length: 0`.
fn empty(status: StatusCode) -> HttpResponse {
    let mut reply = HttpResponse::new(status);
    reply.headers_mut().insert(CACHE_CONTROL, NO_STORE.clone());
    reply
}
