//! djangorestframework-simplejwt, login by e-mail (`docs/dialects/simplejwt.md`): `POST /api/token/`,
//! `/api/token/refresh/`, `/api/token/verify/`, `/api/token/blacklist/`. Refusals of credentials and tokens are
//! 401 with `WWW-Authenticate: Bearer realm="api"`.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | token: `email`, `password` | 200 `{"refresh":"<JWT>","access":"<JWT>"}` | field errors; `{"detail":"No active account found with the given credentials"}` |
//! | verify: `token`, either kind | 200 `[]` (`{}` with [`Compat::Package`]) | `{"detail":"Token is invalid or expired","code":"token_not_valid"}` |
//! | refresh: `refresh` | 200 `{"access":"<JWT>"}`, with rotation `{"access":…,"refresh":…}` | the same; `{"detail":"Token has wrong type","code":"token_not_valid"}`; `{"detail":"No active account found for the given token."}` |
//! | blacklist: `refresh` | 200 `{}` | those of refresh |

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::user::LoginName;
use crate::http::Compat;
use crate::http::drf::endpoint::{Endpoint, EndpointResult, endpoint, post};
use crate::http::drf::fields::Trim;
use crate::http::drf::request::{LoginDenial, RequestContext};
use crate::http::openapi::detail;
use crate::http::openapi::document::Section;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::object;

pub(super) static ENDPOINTS: [Endpoint; 4] = [
    endpoint(
        "api/token",
        "Email Token Obtain Pair",
        &[post(&["email", "password"], |at| at.open(token), describe_token)],
    ),
    endpoint("api/token/verify", "Token Verify", &[post(&["token"], |at| at.open(verify), describe_verify)]),
    endpoint("api/token/refresh", "Token Refresh", &[post(&["refresh"], |at| at.open(refresh), describe_refresh)]),
    endpoint(
        "api/token/blacklist",
        "Token Blacklist",
        &[post(&["refresh"], |at| at.open(blacklist), describe_blacklist)],
    ),
];

fn describe_token(section: &mut Section<'_>) -> Operation {
    let log_in = Operation::new("Log in by e-mail address")
        .logs_in("email")
        .reply(200, "The pair.", super::pair_schema(section))
        .reply(403, "The user has as many sessions as allowed.", detail());
    refused(log_in, "The credentials are wrong.", detail())
}

async fn token(context: &mut RequestContext<'_>) -> EndpointResult {
    Ok(match context.log_in("email", Trim::Yes, LoginName::Email).await? {
        Ok(issued) => super::pair(context, &issued),
        Err(denial) => {
            let message = super::pair_denial(denial);
            match denial {
                LoginDenial::LimitReached => context.replies().detail(StatusCode::FORBIDDEN, message),
                LoginDenial::Credentials => {
                    context.replies().unauthorized(super::CHALLENGE, &json!({ "detail": message }))
                }
            }
        }
    })
}

fn describe_verify(section: &mut Section<'_>) -> Operation {
    let empty = match section.compat() {
        Compat::Documented => json!({ "type": "array", "maxItems": 0 }),
        Compat::Package => object([]),
    };
    not_good(super::verifies_either(section, empty))
}

async fn verify(context: &mut RequestContext<'_>) -> EndpointResult {
    Ok(match context.verify("token").await? {
        Ok(_) => {
            let empty = match context.compat() {
                Compat::Documented => json!([]),
                Compat::Package => json!({}),
            };
            context.replies().json(StatusCode::OK, &empty)
        }
        Err(refusal) => {
            let body = super::pair_refusal(super::unless_inactive(refusal));
            context.replies().unauthorized(super::CHALLENGE, &body)
        }
    })
}

fn describe_refresh(section: &mut Section<'_>) -> Operation {
    not_good(super::refreshes_pair(section))
}

async fn refresh(context: &mut RequestContext<'_>) -> EndpointResult {
    Ok(match context.refresh("refresh").await? {
        Ok(exchanged) => super::refreshed(context, &exchanged),
        Err(refusal) => context.replies().unauthorized(super::CHALLENGE, &super::pair_refusal(refusal)),
    })
}

fn describe_blacklist(section: &mut Section<'_>) -> Operation {
    let blacklist = Operation::new("Log out by a refresh JWT")
        .reads_token("refresh", section.has_cookies())
        .reply(200, "Its session is over, with all its tokens.", object([]))
        .asks_the_database();
    not_good(blacklist)
}

async fn blacklist(context: &mut RequestContext<'_>) -> EndpointResult {
    Ok(match context.log_out_by_refresh_token("refresh").await? {
        Ok(who) => context.forget(&who, context.replies().json(StatusCode::OK, &json!({}))),
        Err(refusal) => context.replies().unauthorized(super::CHALLENGE, &super::pair_refusal(refusal)),
    })
}

fn not_good(operation: Operation) -> Operation {
    refused(operation, "The token is not good.", super::pair_refusal_schema())
}

fn refused(operation: Operation, when: &str, schema: Value) -> Operation {
    operation.reply(401, when, schema).header(401, "WWW-Authenticate")
}
