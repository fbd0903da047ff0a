//! One JWT for five days, refreshable for ten (`docs/dialects/access_token.md`): `POST /auth/access_token/`,
//! `/auth/refresh_token/`, `/auth/verify_token/`. Every refusal is 400, except 429, with the messages of
//! djangorestframework-jwt.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | access: `username`, `password` | 200 `{"access_token":"<JWT>","expires_in":"<time>","user":"alice"}` | field errors; `Unable to login with provided credentials.` |
//! | verify: `token` | 200 `{"token":"<the same>","expires_in":"<time>","user":{"username":"alice","id":1}}` | `Signature has expired.`, `User account is disabled.`, else `Error decoding signature.` |
//! | refresh: `token` | 200 `{"token":"<JWT>",…}`, as for verify | the same, and `Refresh has expired.` |
//!
//! `<time>` is the token's expiry, with milliseconds and `Z`.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::time::Timestamp;
use crate::domain::user::{LoginName, User};
use crate::http::drf::endpoint::{Endpoint, EndpointResult, endpoint, post};
use crate::http::drf::fields::Trim;
use crate::http::drf::request::RequestContext;
use crate::http::openapi::document::Section;
use crate::http::openapi::non_field_errors;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::{nullable, number, object, text, time};

pub(super) static ENDPOINTS: [Endpoint; 3] = [
    endpoint(
        "auth/access_token",
        "Access Token",
        &[post(&["username", "password"], |at| at.open(access), describe_access)],
    ),
    endpoint("auth/verify_token", "Verify Token", &[post(&["token"], |at| at.open(verify), describe_verify)]),
    endpoint("auth/refresh_token", "Refresh Token", &[post(&["token"], |at| at.open(refresh), describe_refresh)]),
];

fn describe_access(section: &mut Section<'_>) -> Operation {
    let answer = object([("access_token", section.token()), ("expires_in", nullable(time())), ("user", text())]);
    let access = Operation::new("Log in").logs_in("username").reply(200, "The JWT.", answer);
    access.reply(400, "The credentials are wrong, or the user has as many sessions as allowed.", non_field_errors())
}

async fn access(context: &mut RequestContext<'_>) -> EndpointResult {
    Ok(match context.log_in("username", Trim::Yes, LoginName::Username).await? {
        Ok(issued) => {
            let body = json!({
                "access_token": context.in_body(&issued.access.token),
                "expires_in": issued.access.expires.map(|end| precise(end, issued.opened)),
                "user": issued.user.username,
            });
            context.hand_over(&issued, context.replies().json(StatusCode::OK, &body))
        }
        Err(denial) => super::deny_single(context, denial),
    })
}

fn describe_verify(section: &mut Section<'_>) -> Operation {
    super::verifies_one(section, described(section))
}

async fn verify(context: &mut RequestContext<'_>) -> EndpointResult {
    Ok(match context.verify("token").await? {
        Ok((token, who)) => {
            let end = who.expires.map(Timestamp::to_millis_text);
            context.replies().json(StatusCode::OK, &describe(token.as_deref(), end.as_deref(), &who.user))
        }
        Err(refusal) => context.replies().non_field_error(super::single_refusal(refusal)),
    })
}

fn describe_refresh(section: &mut Section<'_>) -> Operation {
    super::refreshes_one(section, described(section))
}

async fn refresh(context: &mut RequestContext<'_>) -> EndpointResult {
    Ok(match context.refresh("token").await? {
        Ok(refreshed) => {
            let (access, user) = (&refreshed.access, &refreshed.who.user);
            let end = access.expires.map(|end| precise(end, refreshed.at));
            let body = describe(context.in_body(&access.token), end.as_deref(), user);
            context.hand_over(&refreshed, context.replies().json(StatusCode::OK, &body))
        }
        Err(refusal) => context.replies().non_field_error(super::single_refusal(refusal)),
    })
}

fn describe(token: Option<&str>, end: Option<&str>, user: &User) -> Value {
    json!({
        "token": token,
        "expires_in": end,
        "user": { "username": user.username, "id": user.id.0 },
    })
}

/// The schema of [`describe`].
fn described(section: &Section<'_>) -> Value {
    let user = object([("username", text()), ("id", number())]);
    object([("token", section.token()), ("expires_in", nullable(time())), ("user", user)])
}

/// A token expires on a whole second, like its `exp`. In the reply that issues it, the contract counts its
/// lifetime from the millisecond of the request.
fn precise(end: Timestamp, handed_out: Timestamp) -> String {
    end.saturating_add(handed_out.since(handed_out.whole_seconds())).to_millis_text()
}
