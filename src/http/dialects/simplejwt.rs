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
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::domain::dialect::Dialect;
use crate::domain::user::LoginName;
use crate::http::Compat;
use crate::http::drf::endpoint::Endpoint;
use crate::http::drf::fields::{Field, Trim};
use crate::http::drf::request::{Incoming, LoginDenial};
use crate::http::openapi::detail;
use crate::http::openapi::document::Section;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::{handed_out, object};

const TOKEN: Endpoint = Endpoint::post("Email Token Obtain Pair", &["email", "password"]);
const VERIFY: Endpoint = Endpoint::post("Token Verify", &["token"]);
const REFRESH: Endpoint = Endpoint::post("Token Refresh", &["refresh"]);
const BLACKLIST: Endpoint = Endpoint::post("Token Blacklist", &["refresh"]);

const CHALLENGE: &str = "Bearer realm=\"api\"";

pub(super) const PATHS: [&str; 4] = ["api/token", "api/token/verify", "api/token/refresh", "api/token/blacklist"];
pub(super) const REFRESH_PATHS: [&str; 2] = [PATHS[2], PATHS[3]];

/// Mounts the four endpoints below `prefix`.
pub fn configure(config: &mut web::ServiceConfig, prefix: &str) {
    let [token_at, verify_at, refresh_at, blacklist_at] = PATHS;
    super::serve(config, prefix, token_at, &token);
    super::serve(config, prefix, verify_at, &verify);
    super::serve(config, prefix, refresh_at, &refresh);
    super::serve(config, prefix, blacklist_at, &blacklist);
}

/// What the document says about them.
pub(super) fn document(section: &mut Section<'_>, compat: Compat) {
    let [token_at, verify_at, refresh_at, blacklist_at] = PATHS;
    let in_cookies = section.has_cookies();
    let token = handed_out(in_cookies);
    let refused =
        |operation: Operation, when: &str, schema| operation.reply(401, when, schema).header(401, "WWW-Authenticate");
    let not_good = |operation| refused(operation, "The token is not good.", super::pair_refusal_schema());
    let log_in = Operation::new("Log in by e-mail address")
        .logs_in("email")
        .reply(200, "The pair.", super::pair_schema(&token))
        .reply(403, "The user has as many sessions as allowed.", detail());
    section.endpoint(token_at, &TOKEN, refused(log_in, "The credentials are wrong.", detail()));
    let empty = match compat {
        Compat::Documented => json!({ "type": "array", "maxItems": 0 }),
        Compat::Package => object([]),
    };
    let verify = Operation::new("Whether a JWT is good, of either kind")
        .reads_token("token", in_cookies)
        .reply(200, "It is.", empty)
        .asks_the_database();
    section.endpoint(verify_at, &VERIFY, not_good(verify));
    let refresh = Operation::new("A new access JWT for a refresh JWT")
        .reads_token("refresh", in_cookies)
        .reply(200, "With rotation, a new refresh JWT too.", super::refreshed_schema(&token))
        .throttled("The session was refreshed too often.")
        .asks_the_database();
    section.endpoint(refresh_at, &REFRESH, not_good(refresh));
    let blacklist = Operation::new("Log out by a refresh JWT")
        .reads_token("refresh", in_cookies)
        .reply(200, "Its session is over, with all its tokens.", object([]))
        .asks_the_database();
    section.endpoint(blacklist_at, &BLACKLIST, not_good(blacklist));
}

async fn token(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&TOKEN, Dialect::Simplejwt, async |context| {
            let declared = [Field::text("email", Trim::Yes), Field::text("password", Trim::Yes)];
            Ok(match context.log_in(declared, LoginName::Email).await? {
                Ok(issued) => super::pair(context, &issued),
                Err(denial) => {
                    let message = super::pair_denial(denial);
                    match denial {
                        LoginDenial::LimitReached => context.replies().detail(StatusCode::FORBIDDEN, message),
                        LoginDenial::Credentials => {
                            context.replies().unauthorized(CHALLENGE, &json!({ "detail": message }))
                        }
                    }
                }
            })
        })
        .await
}

async fn verify(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&VERIFY, Dialect::Simplejwt, async |context| {
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
                    context.replies().unauthorized(CHALLENGE, &body)
                }
            })
        })
        .await
}

async fn refresh(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&REFRESH, Dialect::Simplejwt, async |context| {
            Ok(match context.refresh("refresh").await? {
                Ok(exchanged) => super::refreshed(context, &exchanged),
                Err(refusal) => context.replies().unauthorized(CHALLENGE, &super::pair_refusal(refusal)),
            })
        })
        .await
}

async fn blacklist(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&BLACKLIST, Dialect::Simplejwt, async |context| {
            Ok(match context.log_out_by_refresh_token("refresh").await? {
                Ok(who) => context.forget(&who, context.replies().json(StatusCode::OK, &json!({}))),
                Err(refusal) => context.replies().unauthorized(CHALLENGE, &super::pair_refusal(refusal)),
            })
        })
        .await
}
