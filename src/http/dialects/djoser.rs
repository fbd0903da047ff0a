//! djoser over simplejwt (contract 004): `POST /jwt/create/`, `/jwt/refresh/`, `/jwt/verify/`.
//! Refusals are 400 `{"non_field_errors":["…"]}`; with [`Contract::Package`] the package's own 401s.
//!
//! | request | success |
//! |---|---|
//! | create: `username`, `password` | 200 `{"refresh":"<JWT>","access":"<JWT>"}` |
//! | refresh: `refresh` | 200 `{"access":"<JWT>"}`, with rotation `{"access":…,"refresh":…}` |
//! | verify: `token`, either kind | 200 `{}` |

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::dialect::Dialect;
use crate::http::fields::{Field, Trim};
use crate::http::front::{Answer, Endpoint, Front, respond};
use crate::http::steps::Step;
use crate::http::{Contract, HttpState};
use crate::service::TokenError;
use crate::user::LoginName;

const CREATE: Endpoint = endpoint("Token Obtain Pair", &["username", "password"]);
const VERIFY: Endpoint = endpoint("Token Verify", &["token"]);
const REFRESH: Endpoint = endpoint("Token Refresh", &["refresh"]);

const CHALLENGE: &str = "Bearer realm=\"api\"";

const fn endpoint(name: &'static str, actions: &'static [&'static str]) -> Endpoint {
    Endpoint { name, description: "", methods: &["POST"], actions }
}

pub(super) const PATHS: [&str; 3] = ["jwt/create", "jwt/verify", "jwt/refresh"];

/// Mounts the three endpoints below `prefix`.
pub fn configure(config: &mut web::ServiceConfig, prefix: &str) {
    let [create_at, verify_at, refresh_at] = PATHS.map(|name| super::with_and_without_slash(prefix, name));
    config
        .service(web::resource(create_at).to(create))
        .service(web::resource(verify_at).to(verify))
        .service(web::resource(refresh_at).to(refresh));
}

async fn create(request: HttpRequest, payload: web::Payload, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_create(&request, payload, &state).await)
}

async fn try_create(request: &HttpRequest, payload: web::Payload, state: &HttpState) -> Answer {
    let front = CREATE.open(request)?;
    front.check_method()?;
    let declared = [Field::text("username", Trim::Yes), Field::text("password", Trim::Yes)];
    let step = Step { request, state, front: &front, dialect: Dialect::Djoser };
    let issued = step.log_in(payload, declared, LoginName::Username).await?;
    Ok(match issued {
        Ok(issued) => front.replies().json(StatusCode::OK, &super::pair(&issued)),
        Err(error) => {
            let detail = super::login_refusal(&error, "No active account found with the given credentials");
            refuse(&front, state, detail, false)
        }
    })
}

async fn verify(request: HttpRequest, payload: web::Payload, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_verify(&request, payload, &state).await)
}

async fn try_verify(request: &HttpRequest, payload: web::Payload, state: &HttpState) -> Answer {
    let front = VERIFY.open(request)?;
    front.check_method()?;
    let step = Step { request, state, front: &front, dialect: Dialect::Djoser };
    Ok(match step.verify(payload, "token").await? {
        Ok(_) => front.replies().json(StatusCode::OK, &json!({})),
        // The package's verification does not look at the user, and has no words for that.
        Err(TokenError::InactiveUser) => refuse(&front, state, super::pair_refusal(&TokenError::Bad("")), true),
        Err(error) => refuse(&front, state, super::pair_refusal(&error), true),
    })
}

async fn refresh(request: HttpRequest, payload: web::Payload, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_refresh(&request, payload, &state).await)
}

async fn try_refresh(request: &HttpRequest, payload: web::Payload, state: &HttpState) -> Answer {
    let front = REFRESH.open(request)?;
    front.check_method()?;
    let step = Step { request, state, front: &front, dialect: Dialect::Djoser };
    Ok(match step.refresh(payload, "refresh").await? {
        Ok(exchanged) => front.replies().json(StatusCode::OK, &super::refreshed(&exchanged)),
        Err(error) => {
            let has_code = error != TokenError::InactiveUser;
            refuse(&front, state, super::pair_refusal(&error), has_code)
        }
    })
}

fn refuse(front: &Front<'_>, state: &HttpState, detail: &str, has_code: bool) -> HttpResponse {
    match (state.options().contract, has_code) {
        (Contract::Seed, _) => front.replies().non_field_error(detail),
        (Contract::Package, true) => {
            let body = json!({ "detail": detail, "code": "token_not_valid" });
            front.replies().unauthorized(CHALLENGE, &body)
        }
        (Contract::Package, false) => front.replies().unauthorized(CHALLENGE, &json!({ "detail": detail })),
    }
}
