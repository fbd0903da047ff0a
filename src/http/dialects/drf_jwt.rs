//! djangorestframework-jwt (`docs/dialects/drf_jwt.md`): `POST /api-token-auth/`, `/api-token-refresh/`,
//! `/api-token-verify/`. One JWT, refreshable while it is live. Every refusal is 400, except 429.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | auth: `username`, `password` | 200 `{"token":"<JWT>"}` | field errors; `Unable to login with provided credentials.` |
//! | verify: `token` | 200 `{"token":"<the same>"}` | `Signature has expired.`, `User account is disabled.`, else `Error decoding signature.` |
//! | refresh: `token` | 200 `{"token":"<JWT>"}` | the same, and `Refresh has expired.` |

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::domain::dialect::Dialect;
use crate::domain::user::LoginName;
use crate::http::drf::endpoint::Endpoint;
use crate::http::drf::fields::{Field, Trim};
use crate::http::drf::request::Incoming;
use crate::http::openapi::document::Section;
use crate::http::openapi::non_field_errors;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::{handed_out, object};

const AUTH: Endpoint = Endpoint::post("Obtain Json Web Token", &["username", "password"]);
const VERIFY: Endpoint = Endpoint::post("Verify Json Web Token", &["token"]);
const REFRESH: Endpoint = Endpoint::post("Refresh Json Web Token", &["token"]);

pub(super) const PATHS: [&str; 3] = ["api-token-auth", "api-token-verify", "api-token-refresh"];

/// Mounts the three endpoints below `prefix`.
pub fn configure(config: &mut web::ServiceConfig, prefix: &str) {
    let [auth_at, verify_at, refresh_at] = PATHS;
    super::serve(config, prefix, auth_at, &auth);
    super::serve(config, prefix, verify_at, &verify);
    super::serve(config, prefix, refresh_at, &refresh);
}

/// What the document says about them.
pub(super) fn document(section: &mut Section<'_>) {
    let [auth_at, verify_at, refresh_at] = PATHS;
    let in_cookies = section.has_cookies();
    let token = handed_out(in_cookies);
    let answer = || object([("token", token.clone())]);
    let auth = Operation::new("Log in").logs_in("username").reply(200, "The JWT.", answer()).reply(
        400,
        "The credentials are wrong, or the user has as many sessions as allowed.",
        non_field_errors(),
    );
    section.endpoint(auth_at, &AUTH, auth);
    super::document_one_jwt(section, (verify_at, &VERIFY), (refresh_at, &REFRESH), &answer());
}

async fn auth(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&AUTH, Dialect::DrfJwt, async |context| {
            let declared = [Field::text("username", Trim::Yes), Field::text("password", Trim::Yes)];
            Ok(match context.log_in(declared, LoginName::Username).await? {
                Ok(issued) => {
                    let body = json!({ "token": context.in_body(&issued.access.token) });
                    context.hand_over(&issued, context.replies().json(StatusCode::OK, &body))
                }
                Err(denial) => super::deny_single(context, denial),
            })
        })
        .await
}

async fn verify(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&VERIFY, Dialect::DrfJwt, async |context| {
            Ok(match context.verify("token").await? {
                Ok((token, _)) => context.replies().json(StatusCode::OK, &json!({ "token": token })),
                Err(refusal) => context.replies().non_field_error(super::single_refusal(refusal)),
            })
        })
        .await
}

async fn refresh(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&REFRESH, Dialect::DrfJwt, async |context| {
            Ok(match context.refresh("token").await? {
                Ok(refreshed) => {
                    let body = json!({ "token": context.in_body(&refreshed.access.token) });
                    context.hand_over(&refreshed, context.replies().json(StatusCode::OK, &body))
                }
                Err(refusal) => context.replies().non_field_error(super::single_refusal(refusal)),
            })
        })
        .await
}
