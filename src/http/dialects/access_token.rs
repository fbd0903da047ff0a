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
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use crate::domain::dialect::Dialect;
use crate::domain::time::Timestamp;
use crate::domain::user::{LoginName, User};
use crate::http::drf::endpoint::Endpoint;
use crate::http::drf::fields::{Field, Trim};
use crate::http::drf::request::Incoming;
use crate::http::openapi::document::Section;
use crate::http::openapi::non_field_errors;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::{handed_out, nullable, number, object, text, time};

const ACCESS: Endpoint = Endpoint::post("Access Token", &["username", "password"]);
const VERIFY: Endpoint = Endpoint::post("Verify Token", &["token"]);
const REFRESH: Endpoint = Endpoint::post("Refresh Token", &["token"]);

pub(super) const PATHS: [&str; 3] = ["auth/access_token", "auth/verify_token", "auth/refresh_token"];

/// Mounts the three endpoints below `prefix`.
pub fn configure(config: &mut web::ServiceConfig, prefix: &str) {
    let [access_at, verify_at, refresh_at] = PATHS;
    super::serve(config, prefix, access_at, &access);
    super::serve(config, prefix, verify_at, &verify);
    super::serve(config, prefix, refresh_at, &refresh);
}

/// What the document says about them.
pub(super) fn document(section: &mut Section<'_>) {
    let [access_at, verify_at, refresh_at] = PATHS;
    let in_cookies = section.has_cookies();
    let token = handed_out(in_cookies);
    let end = || nullable(time());
    let access = Operation::new("Log in")
        .logs_in("username")
        .reply(200, "The JWT.", object([("access_token", token.clone()), ("expires_in", end()), ("user", text())]))
        .reply(400, "The credentials are wrong, or the user has as many sessions as allowed.", non_field_errors());
    section.endpoint(access_at, &ACCESS, access);
    let user = object([("username", text()), ("id", number())]);
    let answer = object([("token", token), ("expires_in", end()), ("user", user)]);
    super::document_one_jwt(section, (verify_at, &VERIFY), (refresh_at, &REFRESH), &answer);
}

async fn access(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&ACCESS, Dialect::AccessToken, async |context| {
            let declared = [Field::text("username", Trim::Yes), Field::text("password", Trim::Yes)];
            Ok(match context.log_in(declared, LoginName::Username).await? {
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
        })
        .await
}

async fn verify(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&VERIFY, Dialect::AccessToken, async |context| {
            Ok(match context.verify("token").await? {
                Ok((token, who)) => {
                    let end = who.expires.map(Timestamp::to_millis_text);
                    context.replies().json(StatusCode::OK, &describe(token.as_deref(), end.as_deref(), &who.user))
                }
                Err(refusal) => context.replies().non_field_error(super::single_refusal(refusal)),
            })
        })
        .await
}

async fn refresh(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&REFRESH, Dialect::AccessToken, async |context| {
            Ok(match context.refresh("token").await? {
                Ok(refreshed) => {
                    let (access, user) = (&refreshed.access, &refreshed.who.user);
                    let end = access.expires.map(|end| precise(end, refreshed.at));
                    let body = describe(context.in_body(&access.token), end.as_deref(), user);
                    context.hand_over(&refreshed, context.replies().json(StatusCode::OK, &body))
                }
                Err(refusal) => context.replies().non_field_error(super::single_refusal(refusal)),
            })
        })
        .await
}

fn describe(token: Option<&str>, end: Option<&str>, user: &User) -> Value {
    json!({
        "token": token,
        "expires_in": end,
        "user": { "username": user.username, "id": user.id.0 },
    })
}

/// A token expires on a whole second, like its `exp`. In the reply that issues it, the contract counts its
/// lifetime from the millisecond of the request.
fn precise(end: Timestamp, handed_out: Timestamp) -> String {
    end.saturating_add(handed_out.since(handed_out.whole_seconds())).to_millis_text()
}
