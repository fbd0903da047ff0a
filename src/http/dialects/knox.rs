//! django-rest-knox (contract 002): `POST /auth/login/`, `/auth/logout/`, `/auth/logoutall/`, and
//! who am I, `GET /auth/user/`. Each also answers without its final slash.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | login: `username`, `password` as JSON, form or multipart | 200 `{"expiry":null,"token":"<40 hex>"}` | 400 field errors; 400 `{"non_field_errors":["Unable to log in with provided credentials."]}`; 403 `{"error":"Maximum amount of tokens allowed per user exceeded."}` |
//! | logout, logoutall: token in the header, body never read | 200 without body (204 with [`Contract::Package`]) | 401 of contract section 3 |
//! | user: token in the header | 200 `{"id":…,"username":…,"email":…,"session":{…}}` | 401 of contract section 3 |

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use crate::dialect::Dialect;
use crate::http::fields::{Field, Trim};
use crate::http::front::{Answer, Endpoint, Front, respond};
use crate::http::guard::Outcome;
use crate::http::request_log::facts;
use crate::http::steps::Step;
use crate::http::{Contract, HttpState};
use crate::service::LoginError;
use crate::session::Verified;
use crate::user::LoginName;

const fn endpoint(name: &'static str, methods: &'static [&'static str]) -> Endpoint {
    Endpoint { name, description: "", methods, actions: &[] }
}

const LOGIN: Endpoint = endpoint("Login", &["POST"]);
const LOGOUT: Endpoint = endpoint("Logout", &["POST"]);
const LOGOUT_ALL: Endpoint = endpoint("Logout All", &["POST"]);
const USER: Endpoint = endpoint("User", &["GET"]);

pub(super) const PATHS: [&str; 4] = ["auth/login", "auth/logout", "auth/logoutall", "auth/user"];

/// Mounts the four endpoints below `prefix`.
pub fn configure(config: &mut web::ServiceConfig, prefix: &str) {
    let [login_at, logout_at, logout_all_at, user_at] = PATHS.map(|name| super::with_and_without_slash(prefix, name));
    config
        .service(web::resource(login_at).to(login))
        .service(web::resource(logout_at).to(logout))
        .service(web::resource(logout_all_at).to(logout_all))
        .service(web::resource(user_at).to(user));
}

async fn login(request: HttpRequest, payload: web::Payload, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_login(&request, payload, &state).await)
}

async fn try_login(request: &HttpRequest, payload: web::Payload, state: &HttpState) -> Answer {
    let front = LOGIN.open(request)?;
    front.check_method()?;
    // The one password that is taken with its outer spaces.
    let declared = [Field::text("username", Trim::Yes), Field::text("password", Trim::No)];
    let step = Step { request, state, front: &front, dialect: Dialect::Knox };
    let issued = step.log_in(payload, declared, LoginName::Username).await?;
    let replies = front.replies();
    Ok(match issued {
        Ok(issued) => {
            let expiry = issued.access.expires.map(|end| end.to_string());
            replies.json(StatusCode::OK, &json!({ "expiry": expiry, "token": issued.access.token.expose() }))
        }
        Err(error @ (LoginError::Refused(_) | LoginError::Unavailable(_))) => {
            replies.non_field_error(super::login_refusal(&error, "Unable to log in with provided credentials."))
        }
        Err(LoginError::LimitReached) => {
            let body = json!({ "error": "Maximum amount of tokens allowed per user exceeded." });
            replies.json(StatusCode::FORBIDDEN, &body)
        }
    })
}

async fn logout(request: HttpRequest, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_logout(&request, &state).await)
}

async fn try_logout(request: &HttpRequest, state: &HttpState) -> Answer {
    let front = LOGOUT.open(request)?;
    let who = authenticate(request, &front, state).await?;
    front.check_method()?;
    let ended = state.auth().logout(&who, state.origin(request)).await;
    let step = Step { request, state, front: &front, dialect: Dialect::Knox };
    ended.map_err(|error| step.unavailable(&error))?;
    Ok(logged_out(&front, state))
}

async fn logout_all(request: HttpRequest, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_logout_all(&request, &state).await)
}

async fn try_logout_all(request: &HttpRequest, state: &HttpState) -> Answer {
    let front = LOGOUT_ALL.open(request)?;
    let who = authenticate(request, &front, state).await?;
    front.check_method()?;
    let ended = state.auth().logout_all(&who, state.origin(request)).await;
    let step = Step { request, state, front: &front, dialect: Dialect::Knox };
    ended.map_err(|error| step.unavailable(&error))?;
    Ok(logged_out(&front, state))
}

async fn user(request: HttpRequest, state: web::Data<HttpState>) -> HttpResponse {
    respond(try_user(&request, &state).await)
}

async fn try_user(request: &HttpRequest, state: &HttpState) -> Answer {
    let front = USER.open(request)?;
    facts(request).read_only();
    let who = authenticate(request, &front, state).await?;
    front.check_method()?;
    Ok(front.replies().json(StatusCode::OK, &describe(&who)))
}

/// Step 5 of the contract's order: before the method, and before anybody reads the body.
async fn authenticate(request: &HttpRequest, front: &Front<'_>, state: &HttpState) -> Answer<Verified> {
    match state.guard().check(request).await {
        Outcome::Verified(verified) => Ok(verified),
        Outcome::Anonymous(rejection) | Outcome::Refused(rejection) => Err(rejection.reply(front.replies())),
    }
}

fn logged_out(front: &Front<'_>, state: &HttpState) -> HttpResponse {
    front.replies().empty(match state.options().contract {
        Contract::Seed => StatusCode::OK,
        Contract::Package => StatusCode::NO_CONTENT,
    })
}

fn describe(who: &Verified) -> Value {
    json!({
        "id": who.user.id.0,
        "username": who.user.username,
        "email": who.user.email,
        "session": {
            "id": who.session.id.to_string(),
            "dialect": who.session.dialect.as_str(),
            "created": who.session.created.to_string(),
            "expiry": who.expires.map(|end| end.to_string()),
        },
    })
}
