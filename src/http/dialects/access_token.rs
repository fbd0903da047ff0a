//! One JWT for five days, refreshable for ten (contract 003): `POST /auth/access_token/`,
//! `/auth/refresh_token/`, `/auth/verify_token/`. Every refusal is 400, in the words of
//! djangorestframework-jwt.
//!
//! | request | success |
//! |---|---|
//! | access: `username`, `password` | 200 `{"access_token":"<JWT>","expires_in":"<time>","user":"alice"}` |
//! | refresh, verify: `token` | 200 `{"token":"<JWT>","expires_in":"<time>","user":{"username":"alice","id":1}}` |
//!
//! `<time>` is the token's end, with milliseconds and `Z`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use crate::dialect::Dialect;
use crate::http::HttpState;
use crate::http::fields::{Field, Trim};
use crate::http::front::{Answer, Endpoint, respond};
use crate::http::steps::Step;
use crate::service::TokenError;
use crate::time::Timestamp;
use crate::user::{LoginName, User};

const ACCESS: Endpoint = endpoint("Access Token", &["username", "password"]);
const VERIFY: Endpoint = endpoint("Verify Token", &["token"]);
const REFRESH: Endpoint = endpoint("Refresh Token", &["token"]);

const fn endpoint(name: &'static str, actions: &'static [&'static str]) -> Endpoint {
    Endpoint { name, description: "", methods: &["POST"], actions }
}

pub(super) const PATHS: [&str; 3] = ["auth/access_token", "auth/verify_token", "auth/refresh_token"];

/// Mounts the three endpoints below `prefix`.
pub fn configure(config: &mut web::ServiceConfig, prefix: &str) {
    let [access_at, verify_at, refresh_at] = PATHS.map(|name| super::with_and_without_slash(prefix, name));
    config
        .service(web::resource(access_at).to(access))
        .service(web::resource(verify_at).to(verify))
        .service(web::resource(refresh_at).to(refresh));
}

async fn access(request: HttpRequest, payload: web::Payload, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_access(&request, payload, &state).await)
}

async fn try_access(request: &HttpRequest, payload: web::Payload, state: &HttpState) -> Answer {
    let front = ACCESS.open(request)?;
    front.check_method()?;
    let declared = [Field::text("username", Trim::Yes), Field::text("password", Trim::Yes)];
    let step = Step { request, state, front: &front, dialect: Dialect::AccessToken };
    let issued = step.log_in(payload, declared, LoginName::Username).await?;
    let replies = front.replies();
    Ok(match issued {
        Ok(issued) => {
            let body = json!({
                "access_token": issued.access.token.expose(),
                "expires_in": issued.access.expires.map(|end| precise(end, issued.opened)),
                "user": issued.user.username,
            });
            replies.json(StatusCode::OK, &body)
        }
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
    let step = Step { request, state, front: &front, dialect: Dialect::AccessToken };
    let replies = front.replies();
    Ok(match step.verify(payload, "token").await? {
        Ok((token, who)) => replies
            .json(StatusCode::OK, &describe(&token, who.expires.map(Timestamp::to_millis_text).as_deref(), &who.user)),
        Err(error) => replies.non_field_error(refusal(&error)),
    })
}

async fn refresh(request: HttpRequest, payload: web::Payload, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_refresh(&request, payload, &state).await)
}

async fn try_refresh(request: &HttpRequest, payload: web::Payload, state: &HttpState) -> Answer {
    let front = REFRESH.open(request)?;
    front.check_method()?;
    let step = Step { request, state, front: &front, dialect: Dialect::AccessToken };
    let replies = front.replies();
    Ok(match step.refresh(payload, "token").await? {
        Ok(exchanged) => {
            let (access, user) = (&exchanged.access, &exchanged.who.user);
            let end = access.expires.map(|end| precise(end, exchanged.at));
            replies.json(StatusCode::OK, &describe(access.token.expose(), end.as_deref(), user))
        }
        Err(error) => replies.non_field_error(refusal(&error)),
    })
}

fn describe(token: &str, end: Option<&str>, user: &User) -> Value {
    json!({
        "token": token,
        "expires_in": end,
        "user": { "username": user.username, "id": user.id.0 },
    })
}

/// A token ends on a whole second, as its `exp` says; where it is handed out, the contract counts
/// its lifetime from the millisecond of the request.
fn precise(end: Timestamp, handed_out: Timestamp) -> String {
    end.saturating_add(handed_out.since(handed_out.whole_seconds())).to_millis_text()
}

const fn refusal(error: &TokenError) -> &'static str {
    match error {
        TokenError::Expired => "Signature has expired.",
        TokenError::InactiveUser => "User account is disabled.",
        TokenError::WindowOver => "Refresh has expired.",
        TokenError::WrongKind | TokenError::Bad(_) | TokenError::Unavailable(_) => "Error decoding signature.",
    }
}
