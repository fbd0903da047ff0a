//! djoser over simplejwt (`docs/dialects/djoser.md`): `POST /jwt/create/`, `/jwt/refresh/`, `/jwt/verify/`.
//! Refusals are 400 `{"non_field_errors":["…"]}`; with [`Compat::Package`] the package's own 401s,
//! which are those of simplejwt.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | create: `username`, `password` | 200 `{"refresh":"<JWT>","access":"<JWT>"}` | field errors; `No active account found with the given credentials` |
//! | verify: `token`, either kind | 200 `{}` | `Token is invalid or expired` |
//! | refresh: `refresh` | 200 `{"access":"<JWT>"}`, with rotation `{"access":…,"refresh":…}` | the same; `Token has wrong type`; `No active account found for the given token.` |

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::user::LoginName;
use crate::http::Compat;
use crate::http::drf::endpoint::{Endpoint, EndpointResult, endpoint, post};
use crate::http::drf::fields::Trim;
use crate::http::drf::request::RequestContext;
use crate::http::openapi::document::Section;
use crate::http::openapi::non_field_errors;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::object;
use crate::service::TokenRefusal;

pub(super) static ENDPOINTS: [Endpoint; 3] = [
    endpoint(
        "jwt/create",
        "Token Obtain Pair",
        &[post(&["username", "password"], |at| at.open(create), describe_create)],
    ),
    endpoint("jwt/verify", "Token Verify", &[post(&["token"], |at| at.open(verify), describe_verify)]),
    endpoint("jwt/refresh", "Token Refresh", &[post(&["refresh"], |at| at.open(refresh), describe_refresh)]),
];

fn describe_create(section: &mut Section<'_>) -> Operation {
    let create = Operation::new("Log in").logs_in("username").reply(200, "The pair.", super::pair_schema(section));
    refused(create, section, "The credentials are wrong, or the user has as many sessions as allowed.")
}

async fn create(context: &mut RequestContext<'_>) -> EndpointResult {
    Ok(match context.log_in("username", Trim::Yes, LoginName::Username).await? {
        Ok(issued) => super::pair(context, &issued),
        Err(denial) => {
            let message = super::pair_denial(denial);
            refuse(context, &json!({ "detail": message }), message)
        }
    })
}

fn describe_verify(section: &mut Section<'_>) -> Operation {
    refused(super::verifies_either(section, object([])), section, "It is not.")
}

async fn verify(context: &mut RequestContext<'_>) -> EndpointResult {
    Ok(match context.verify("token").await? {
        Ok(_) => context.replies().json(StatusCode::OK, &json!({})),
        Err(refusal) => refuse_token(context, super::unless_inactive(refusal)),
    })
}

fn describe_refresh(section: &mut Section<'_>) -> Operation {
    refused(super::refreshes_pair(section), section, "The refresh JWT is not good.")
}

async fn refresh(context: &mut RequestContext<'_>) -> EndpointResult {
    Ok(match context.refresh("refresh").await? {
        Ok(exchanged) => super::refreshed(context, &exchanged),
        Err(refusal) => refuse_token(context, refusal),
    })
}

fn refuse_token(context: &RequestContext<'_>, refusal: TokenRefusal) -> HttpResponse {
    refuse(context, &super::pair_refusal(refusal), super::pair_words(refusal))
}

/// `package` is the Django package's own body.
fn refuse(context: &RequestContext<'_>, package: &Value, words: &str) -> HttpResponse {
    match context.compat() {
        Compat::Documented => context.replies().non_field_error(words),
        Compat::Package => context.replies().unauthorized(super::CHALLENGE, package),
    }
}

fn refused(operation: Operation, section: &Section<'_>, when: &str) -> Operation {
    match section.compat() {
        Compat::Documented => operation.reply(400, when, non_field_errors()),
        Compat::Package => operation.reply(401, when, super::pair_refusal_schema()).header(401, "WWW-Authenticate"),
    }
}
