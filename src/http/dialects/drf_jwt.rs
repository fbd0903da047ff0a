//! djangorestframework-jwt (`docs/dialects/drf_jwt.md`): `POST /api-token-auth/`, `/api-token-refresh/`,
//! `/api-token-verify/`. One JWT, refreshable while it is live. Every refusal is 400, except 429.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | auth: `username`, `password` | 200 `{"token":"<JWT>"}` | field errors; `Unable to login with provided credentials.` |
//! | verify: `token` | 200 `{"token":"<the same>"}` | `Signature has expired.`, `User account is disabled.`, else `Error decoding signature.` |
//! | refresh: `token` | 200 `{"token":"<JWT>"}` | the same, and `Refresh has expired.` |

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::user::LoginName;
use crate::http::drf::endpoint::{Endpoint, EndpointResult, endpoint, post};
use crate::http::drf::fields::Trim;
use crate::http::drf::request::RequestContext;
use crate::http::openapi::document::Section;
use crate::http::openapi::non_field_errors;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::object;

pub(super) static ENDPOINTS: [Endpoint; 3] = [
    endpoint(
        "api-token-auth",
        "Obtain Json Web Token",
        &[post(&["username", "password"], |at| at.open(auth), describe_auth)],
    ),
    endpoint("api-token-verify", "Verify Json Web Token", &[post(&["token"], |at| at.open(verify), describe_verify)]),
    endpoint(
        "api-token-refresh",
        "Refresh Json Web Token",
        &[post(&["token"], |at| at.open(refresh), describe_refresh)],
    ),
];

fn answer(section: &Section<'_>) -> Value {
    object([("token", section.token())])
}

fn describe_auth(section: &mut Section<'_>) -> Operation {
    let auth = Operation::new("Log in").logs_in("username").reply(200, "The JWT.", answer(section));
    auth.reply(400, "The credentials are wrong, or the user has as many sessions as allowed.", non_field_errors())
}

async fn auth(context: &mut RequestContext<'_>) -> EndpointResult {
    Ok(match context.log_in("username", Trim::Yes, LoginName::Username).await? {
        Ok(issued) => {
            let body = json!({ "token": context.in_body(&issued.access.token) });
            context.hand_over(&issued, context.replies().json(StatusCode::OK, &body))
        }
        Err(denial) => super::deny_single(context, denial),
    })
}

fn describe_verify(section: &mut Section<'_>) -> Operation {
    super::verifies_one(section, answer(section))
}

async fn verify(context: &mut RequestContext<'_>) -> EndpointResult {
    Ok(match context.verify("token").await? {
        Ok((token, _)) => context.replies().json(StatusCode::OK, &json!({ "token": token })),
        Err(refusal) => context.replies().non_field_error(super::single_refusal(refusal)),
    })
}

fn describe_refresh(section: &mut Section<'_>) -> Operation {
    super::refreshes_one(section, answer(section))
}

async fn refresh(context: &mut RequestContext<'_>) -> EndpointResult {
    Ok(match context.refresh("token").await? {
        Ok(refreshed) => {
            let body = json!({ "token": context.in_body(&refreshed.access.token) });
            context.hand_over(&refreshed, context.replies().json(StatusCode::OK, &body))
        }
        Err(refusal) => context.replies().non_field_error(super::single_refusal(refusal)),
    })
}
