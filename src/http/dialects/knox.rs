//! django-rest-knox (contract 002): `POST /auth/login/`, `/auth/logout/`, `/auth/logoutall/`, and
//! who am I, `GET /auth/user/`. Each also answers without its final slash.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | login: `username`, `password` as JSON, form or multipart | 200 `{"expiry":null,"token":"<40 hex>"}` | 400 field errors; 400 `{"non_field_errors":["Unable to log in with provided credentials."]}`; 403 `{"error":"Maximum amount of tokens allowed per user exceeded."}` |
//! | logout, logoutall: token in the header, body never read | 200 without body (204 with [`Contract::Package`]) | 401 of contract section 3 |
//! | user: token in the header | 200 `{"id":…,"username":…,"email":…,"session":{…}}` | 401 of contract section 3 |

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::json;

use super::LoginWords;
use crate::dialect::Dialect;
use crate::http::Contract;
use crate::http::fields::{Field, Trim};
use crate::http::front::{Endpoint, Verb};
use crate::http::steps::{Ask, Step};
use crate::session::{SessionId, Verified};
use crate::time::Timestamp;
use crate::user::LoginName;

const LOGIN: Endpoint = Endpoint::post("Login", &[]);
const LOGOUT: Endpoint = Endpoint::post("Logout", &[]);
const LOGOUT_ALL: Endpoint = Endpoint::post("Logout All", &[]);
const USER: Endpoint = Endpoint { verb: Verb::Get, ..Endpoint::post("User", &[]) };

pub(super) const PATHS: [&str; 4] = ["auth/login", "auth/logout", "auth/logoutall", "auth/user"];

/// Mounts the four endpoints below `prefix`.
pub fn configure(config: &mut web::ServiceConfig, prefix: &str) {
    let [login_at, logout_at, logout_all_at, user_at] = PATHS;
    // First, because actix looks through the paths in this order, and nearly every request is a check.
    super::serve(config, prefix, user_at, &user);
    super::serve(config, prefix, login_at, &login);
    super::serve(config, prefix, logout_at, &logout);
    super::serve(config, prefix, logout_all_at, &logout_all);
}

async fn login(ask: Ask) -> HttpResponse {
    ask.answer(&LOGIN, Dialect::Knox, async |step| {
        // The one password that is taken with its outer spaces.
        let declared = [Field::text("username", Trim::Yes), Field::text("password", Trim::No)];
        Ok(match step.log_in(declared, LoginName::Username).await? {
            Ok(issued) => {
                let expiry = issued.access.expires.map(|end| end.to_string());
                let body = json!({ "expiry": expiry, "token": issued.access.token.expose() });
                step.replies().json(StatusCode::OK, &body)
            }
            Err(refusal) => match super::login_refusal(refusal, "Unable to log in with provided credentials.") {
                LoginWords::LimitReached(words) => {
                    step.replies().json(StatusCode::FORBIDDEN, &json!({ "error": words }))
                }
                LoginWords::Credentials(words) => step.replies().non_field_error(words),
                LoginWords::Throttled(after) => step.replies().throttled(after),
            },
        })
    })
    .await
}

async fn logout(ask: Ask) -> HttpResponse {
    ask.answer_known(&LOGOUT, Dialect::Knox, async |step, who| {
        step.log_out(&who).await?;
        Ok(logged_out(step))
    })
    .await
}

async fn logout_all(ask: Ask) -> HttpResponse {
    ask.answer_known(&LOGOUT_ALL, Dialect::Knox, async |step, who| {
        step.log_out_everywhere(&who).await?;
        Ok(logged_out(step))
    })
    .await
}

async fn user(ask: Ask) -> HttpResponse {
    ask.read_only()
        .answer_known(&USER, Dialect::Knox, async |step, who| {
            Ok(step.replies().json(StatusCode::OK, &WhoAmI::of(&who)))
        })
        .await
}

fn logged_out(step: &Step<'_>) -> HttpResponse {
    step.replies().empty(match step.contract() {
        Contract::Seed => StatusCode::OK,
        Contract::Package => StatusCode::NO_CONTENT,
    })
}

/// Who am I: the body of every check.
#[derive(Serialize)]
struct WhoAmI<'a> {
    id: i64,
    username: &'a str,
    email: &'a str,
    session: SessionOfToken,
}

#[derive(Serialize)]
struct SessionOfToken {
    id: SessionId,
    dialect: &'static str,
    created: Timestamp,
    expiry: Option<Timestamp>,
}

impl<'a> WhoAmI<'a> {
    fn of(who: &'a Verified) -> Self {
        Self {
            id: who.user.id.0,
            username: &who.user.username,
            email: &who.user.email,
            session: SessionOfToken {
                id: who.session.id,
                dialect: who.session.dialect.as_str(),
                created: who.session.created,
                expiry: who.expires,
            },
        }
    }
}
