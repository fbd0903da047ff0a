//! django-rest-knox (`docs/dialects/knox.md`): `POST /auth/login/`, which also answers without its final slash. Logging
//! out and who am I are in [`account`](crate::http::account), since they serve tokens of every dialect.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | login: `username`, `password` as JSON, form or multipart | 200 `{"expiry":null,"token":"<40 hex>"}` | 400 field errors; 400 `{"non_field_errors":["Unable to log in with provided credentials."]}`; 403 `{"error":"Maximum amount of tokens allowed per user exceeded."}` |

use actix_web::http::StatusCode;
use serde_json::json;

use crate::domain::user::LoginName;
use crate::http::drf::endpoint::{Endpoint, EndpointResult, endpoint, post};
use crate::http::drf::fields::Trim;
use crate::http::drf::request::{LoginDenial, RequestContext};
use crate::http::openapi::document::Section;
use crate::http::openapi::non_field_errors;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::{nullable, object, text, time};

pub(super) static ENDPOINTS: [Endpoint; 1] =
    [endpoint("auth/login", "Login", &[post(&[], |at| at.open(login), describe_login)])];

fn describe_login(section: &mut Section<'_>) -> Operation {
    let answer = object([("expiry", nullable(time())), ("token", section.token())]);
    Operation::new("Log in")
        .logs_in("username")
        .reply(200, "The token, which is shown this one time.", answer)
        .reply(400, "The name or the password is wrong, or the user is not active.", non_field_errors())
        .reply(403, "The user has as many sessions as allowed.", object([("error", text())]))
}

async fn login(context: &mut RequestContext<'_>) -> EndpointResult {
    // The only dialect that does not trim passwords.
    Ok(match context.log_in("username", Trim::No, LoginName::Username).await? {
        Ok(issued) => {
            let expiry = issued.access.expires.map(|end| end.to_string());
            let body = json!({ "expiry": expiry, "token": context.in_body(&issued.access.token) });
            context.hand_over(&issued, context.replies().json(StatusCode::OK, &body))
        }
        Err(denial) => {
            let message = denial.message("Unable to log in with provided credentials.");
            match denial {
                LoginDenial::LimitReached => {
                    context.replies().json(StatusCode::FORBIDDEN, &json!({ "error": message }))
                }
                LoginDenial::Credentials => context.replies().non_field_error(message),
            }
        }
    })
}
