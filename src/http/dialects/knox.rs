//! django-rest-knox (`docs/dialects/knox.md`): `POST /auth/login/`, which also answers without its final slash. Logging
//! out and who am I are in [`account`](crate::http::account), since they serve tokens of every dialect.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | login: `username`, `password` as JSON, form or multipart | 200 `{"expiry":null,"token":"<40 hex>"}` | 400 field errors; 400 `{"non_field_errors":["Unable to log in with provided credentials."]}`; 403 `{"error":"Maximum amount of tokens allowed per user exceeded."}` |

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::domain::dialect::Dialect;
use crate::domain::user::LoginName;
use crate::http::drf::endpoint::Endpoint;
use crate::http::drf::fields::{Field, Trim};
use crate::http::drf::request::{Incoming, LoginDenial};
use crate::http::openapi::document::Section;
use crate::http::openapi::non_field_errors;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::{handed_out, nullable, object, text, time};

const LOGIN: Endpoint = Endpoint::post("Login", &[]);
pub(super) const PATHS: [&str; 1] = ["auth/login"];

/// Mounts the endpoint below `prefix`.
pub fn configure(config: &mut web::ServiceConfig, prefix: &str) {
    let [login_at] = PATHS;
    super::serve(config, prefix, login_at, &login);
}

/// What the document says about it.
pub(super) fn document(section: &mut Section<'_>) {
    let [login_at] = PATHS;
    let token = handed_out(section.has_cookies());
    let operation = Operation::new("Log in")
        .logs_in("username")
        .reply(
            200,
            "The token, which is shown this one time.",
            object([("expiry", nullable(time())), ("token", token.clone())]),
        )
        .reply(400, "The name or the password is wrong, or the user is not active.", non_field_errors())
        .reply(403, "The user has as many sessions as allowed.", object([("error", text())]));
    section.endpoint(login_at, &LOGIN, operation);
}

async fn login(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&LOGIN, Dialect::Knox, async |context| {
            // The only dialect that does not trim passwords.
            let declared = [Field::text("username", Trim::Yes), Field::text("password", Trim::No)];
            Ok(match context.log_in(declared, LoginName::Username).await? {
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
        })
        .await
}
