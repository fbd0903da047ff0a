//! djangorestframework-jwt (contract 000): `POST /api-token-auth/`, `/api-token-refresh/`,
//! `/api-token-verify/`. One JWT, refreshable while it lives. Every refusal is 400.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | auth: `username`, `password` | 200 `{"token":"<JWT>"}` | field errors; `Unable to login with provided credentials.` |
//! | verify: `token` | 200 `{"token":"<the same>"}` | `Signature has expired.`, `User account is disabled.`, else `Error decoding signature.` |
//! | refresh: `token` | 200 `{"token":"<JWT>"}` | the same, and `Refresh has expired.` |

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::dialect::Dialect;
use crate::http::HttpState;
use crate::http::fields::{Field, Trim};
use crate::http::front::{Answer, Endpoint, respond};
use crate::http::steps::Step;
use crate::service::TokenError;
use crate::user::LoginName;

const AUTH: Endpoint = endpoint("Obtain Json Web Token", &["username", "password"]);
const VERIFY: Endpoint = endpoint("Verify Json Web Token", &["token"]);
const REFRESH: Endpoint = endpoint("Refresh Json Web Token", &["token"]);

const fn endpoint(name: &'static str, actions: &'static [&'static str]) -> Endpoint {
    Endpoint { name, description: "", methods: &["POST"], actions }
}

pub(super) const PATHS: [&str; 3] = ["api-token-auth", "api-token-verify", "api-token-refresh"];

/// Mounts the three endpoints below `prefix`.
pub fn configure(config: &mut web::ServiceConfig, prefix: &str) {
    let [auth_at, verify_at, refresh_at] = PATHS.map(|name| super::with_and_without_slash(prefix, name));
    config
        .service(web::resource(auth_at).to(auth))
        .service(web::resource(verify_at).to(verify))
        .service(web::resource(refresh_at).to(refresh));
}

async fn auth(request: HttpRequest, payload: web::Payload, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_auth(&request, payload, &state).await)
}

async fn try_auth(request: &HttpRequest, payload: web::Payload, state: &HttpState) -> Answer {
    let front = AUTH.open(request)?;
    front.check_method()?;
    let declared = [Field::text("username", Trim::Yes), Field::text("password", Trim::Yes)];
    let step = Step { request, state, front: &front, dialect: Dialect::DrfJwt };
    let issued = step.log_in(payload, declared, LoginName::Username).await?;
    let replies = front.replies();
    Ok(match issued {
        Ok(issued) => replies.json(StatusCode::OK, &json!({ "token": issued.access.token.expose() })),
        Err(error) => {
            replies.non_field_error(super::login_refusal(&error, "Unable to login with provided credentials."))
        }
    })
}

async fn verify(request: HttpRequest, payload: web::Payload, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_verify(&request, payload, &state).await)
}

async fn try_verify(request: &HttpRequest, payload: web::Payload, state: &HttpState) -> Answer {
    let front = VERIFY.open(request)?;
    front.check_method()?;
    let step = Step { request, state, front: &front, dialect: Dialect::DrfJwt };
    let replies = front.replies();
    Ok(match step.verify(payload, "token").await? {
        Ok((token, _)) => replies.json(StatusCode::OK, &json!({ "token": token })),
        Err(error) => replies.non_field_error(refusal(&error)),
    })
}

async fn refresh(request: HttpRequest, payload: web::Payload, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_refresh(&request, payload, &state).await)
}

async fn try_refresh(request: &HttpRequest, payload: web::Payload, state: &HttpState) -> Answer {
    let front = REFRESH.open(request)?;
    front.check_method()?;
    let step = Step { request, state, front: &front, dialect: Dialect::DrfJwt };
    let replies = front.replies();
    Ok(match step.refresh(payload, "token").await? {
        Ok(exchanged) => replies.json(StatusCode::OK, &json!({ "token": exchanged.access.token.expose() })),
        Err(error) => replies.non_field_error(refusal(&error)),
    })
}

const fn refusal(error: &TokenError) -> &'static str {
    match error {
        TokenError::Expired => "Signature has expired.",
        TokenError::InactiveUser => "User account is disabled.",
        TokenError::WindowOver => "Refresh has expired.",
        TokenError::WrongKind | TokenError::Bad(_) | TokenError::Unavailable(_) => "Error decoding signature.",
    }
}
