//! djangorestframework-simplejwt, login by e-mail (contract 001): `POST /api/token/`,
//! `/api/token/refresh/`, `/api/token/verify/`. Refusals of credentials and tokens are 401 with
//! `WWW-Authenticate: Bearer realm="api"`.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | token: `email`, `password` | 200 `{"refresh":"<JWT>","access":"<JWT>"}` | `{"detail":"No active account found with the given credentials"}` |
//! | refresh: `refresh` | 200 `{"access":"<JWT>"}`, with rotation `{"access":…,"refresh":…}` | `{"detail":…,"code":"token_not_valid"}`; inactive user: without `code` |
//! | verify: `token`, either kind | 200 `[]` (`{}` with [`Contract::Package`]) | `{"detail":…,"code":"token_not_valid"}` |

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use crate::dialect::Dialect;
use crate::http::fields::{Field, Trim};
use crate::http::front::{Answer, Endpoint, respond};
use crate::http::reply::Replies;
use crate::http::steps::Step;
use crate::http::{Contract, HttpState};
use crate::service::{LoginError, TokenError};
use crate::user::LoginName;

const TOKEN: Endpoint = endpoint("Email Token Obtain Pair", &["email", "password"]);
const VERIFY: Endpoint = endpoint("Token Verify", &["token"]);
const REFRESH: Endpoint = endpoint("Token Refresh", &["refresh"]);

const CHALLENGE: &str = "Bearer realm=\"api\"";

const fn endpoint(name: &'static str, actions: &'static [&'static str]) -> Endpoint {
    Endpoint { name, description: "", methods: &["POST"], actions }
}

pub(super) const PATHS: [&str; 3] = ["api/token", "api/token/verify", "api/token/refresh"];

/// Mounts the three endpoints below `prefix`.
pub fn configure(config: &mut web::ServiceConfig, prefix: &str) {
    let [token_at, verify_at, refresh_at] = PATHS.map(|name| super::with_and_without_slash(prefix, name));
    config
        .service(web::resource(token_at).to(token))
        .service(web::resource(verify_at).to(verify))
        .service(web::resource(refresh_at).to(refresh));
}

async fn token(request: HttpRequest, payload: web::Payload, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_token(&request, payload, &state).await)
}

async fn try_token(request: &HttpRequest, payload: web::Payload, state: &HttpState) -> Answer {
    let front = TOKEN.open(request)?;
    front.check_method()?;
    let declared = [Field::text("email", Trim::Yes), Field::text("password", Trim::Yes)];
    let step = Step { request, state, front: &front, dialect: Dialect::Simplejwt };
    let issued = step.log_in(payload, declared, LoginName::Email).await?;
    Ok(match issued {
        Ok(issued) => front.replies().json(StatusCode::OK, &super::pair(&issued)),
        Err(error) => login_refusal(front.replies(), &error),
    })
}

fn login_refusal(replies: &Replies, error: &LoginError) -> HttpResponse {
    let detail = super::login_refusal(error, "No active account found with the given credentials");
    match error {
        LoginError::Refused(_) | LoginError::Unavailable(_) => {
            replies.unauthorized(CHALLENGE, &json!({ "detail": detail }))
        }
        LoginError::LimitReached => replies.detail(StatusCode::FORBIDDEN, detail),
    }
}

async fn verify(request: HttpRequest, payload: web::Payload, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_verify(&request, payload, &state).await)
}

async fn try_verify(request: &HttpRequest, payload: web::Payload, state: &HttpState) -> Answer {
    let front = VERIFY.open(request)?;
    front.check_method()?;
    let step = Step { request, state, front: &front, dialect: Dialect::Simplejwt };
    Ok(match step.verify(payload, "token").await? {
        Ok(_) => front.replies().json(
            StatusCode::OK,
            &match state.options().contract {
                Contract::Seed => json!([]),
                Contract::Package => json!({}),
            },
        ),
        // The package's verification does not look at the user, and has no words for that.
        Err(TokenError::InactiveUser) => refusal(front.replies(), &TokenError::Bad("inactive_user")),
        Err(error) => refusal(front.replies(), &error),
    })
}

async fn refresh(request: HttpRequest, payload: web::Payload, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_refresh(&request, payload, &state).await)
}

async fn try_refresh(request: &HttpRequest, payload: web::Payload, state: &HttpState) -> Answer {
    let front = REFRESH.open(request)?;
    front.check_method()?;
    let step = Step { request, state, front: &front, dialect: Dialect::Simplejwt };
    Ok(match step.refresh(payload, "refresh").await? {
        Ok(exchanged) => front.replies().json(StatusCode::OK, &super::refreshed(&exchanged)),
        Err(error) => refusal(front.replies(), &error),
    })
}

fn refusal(replies: &Replies, error: &TokenError) -> HttpResponse {
    let detail = super::pair_refusal(error);
    let body: Value = match error {
        TokenError::InactiveUser => json!({ "detail": detail }),
        TokenError::Expired
        | TokenError::WrongKind
        | TokenError::WindowOver
        | TokenError::Bad(_)
        | TokenError::Unavailable(_) => json!({ "detail": detail, "code": "token_not_valid" }),
    };
    replies.unauthorized(CHALLENGE, &body)
}
