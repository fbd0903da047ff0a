//! djoser over simplejwt (`docs/dialects/djoser.md`): `POST /jwt/create/`, `/jwt/refresh/`, `/jwt/verify/`.
//! Refusals are 400 `{"non_field_errors":["…"]}`; with [`Compat::Package`] the package's own 401s,
//! which are those of simplejwt.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | create: `username`, `password` | 200 `{"refresh":"<JWT>","access":"<JWT>"}` | field errors; `No active account found with the given credentials` |
//! | verify: `token`, either kind | 200 `{}` | `Token is invalid or expired` |
//! | refresh: `refresh` | 200 `{"access":"<JWT>"}`, with rotation `{"access":…,"refresh":…}` | the same; `Token has wrong type`; `No active account found for the given token.` |

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use crate::domain::dialect::Dialect;
use crate::domain::user::LoginName;
use crate::http::Compat;
use crate::http::drf::endpoint::Endpoint;
use crate::http::drf::fields::{Field, Trim};
use crate::http::drf::request::{Incoming, RequestContext};
use crate::http::openapi::document::Section;
use crate::http::openapi::non_field_errors;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::{handed_out, object};
use crate::service::TokenRefusal;

const CREATE: Endpoint = Endpoint::post("Token Obtain Pair", &["username", "password"]);
const VERIFY: Endpoint = Endpoint::post("Token Verify", &["token"]);
const REFRESH: Endpoint = Endpoint::post("Token Refresh", &["refresh"]);

const CHALLENGE: &str = "Bearer realm=\"api\"";

pub(super) const PATHS: [&str; 3] = ["jwt/create", "jwt/verify", "jwt/refresh"];
pub(super) const REFRESH_PATHS: [&str; 1] = [PATHS[2]];

/// Mounts the three endpoints below `prefix`.
pub fn configure(config: &mut web::ServiceConfig, prefix: &str) {
    let [create_at, verify_at, refresh_at] = PATHS;
    super::serve(config, prefix, create_at, &create);
    super::serve(config, prefix, verify_at, &verify);
    super::serve(config, prefix, refresh_at, &refresh);
}

/// What the document says about them.
pub(super) fn document(section: &mut Section<'_>, compat: Compat) {
    let [create_at, verify_at, refresh_at] = PATHS;
    let in_cookies = section.has_cookies();
    let token = handed_out(in_cookies);
    let refused = |operation: Operation, when: &str| match compat {
        Compat::Documented => operation.reply(400, when, non_field_errors()),
        Compat::Package => operation.reply(401, when, super::pair_refusal_schema()).header(401, "WWW-Authenticate"),
    };
    let create = Operation::new("Log in").logs_in("username").reply(200, "The pair.", super::pair_schema(&token));
    let when = "The credentials are wrong, or the user has as many sessions as allowed.";
    section.endpoint(create_at, &CREATE, refused(create, when));
    let verify = Operation::new("Whether a JWT is good, of either kind")
        .reads_token("token", in_cookies)
        .reply(200, "It is.", object([]))
        .asks_the_database();
    section.endpoint(verify_at, &VERIFY, refused(verify, "It is not."));
    let refresh = Operation::new("A new access JWT for a refresh JWT")
        .reads_token("refresh", in_cookies)
        .reply(200, "With rotation, a new refresh JWT too.", super::refreshed_schema(&token))
        .throttled("The session was refreshed too often.")
        .asks_the_database();
    section.endpoint(refresh_at, &REFRESH, refused(refresh, "The refresh JWT is not good."));
}

async fn create(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&CREATE, Dialect::Djoser, async |context| {
            let declared = [Field::text("username", Trim::Yes), Field::text("password", Trim::Yes)];
            Ok(match context.log_in(declared, LoginName::Username).await? {
                Ok(issued) => super::pair(context, &issued),
                Err(denial) => {
                    let message = super::pair_denial(denial);
                    refuse(context, &json!({ "detail": message }), message)
                }
            })
        })
        .await
}

async fn verify(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&VERIFY, Dialect::Djoser, async |context| {
            Ok(match context.verify("token").await? {
                Ok(_) => context.replies().json(StatusCode::OK, &json!({})),
                Err(refusal) => refuse_token(context, super::unless_inactive(refusal)),
            })
        })
        .await
}

async fn refresh(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&REFRESH, Dialect::Djoser, async |context| {
            Ok(match context.refresh("refresh").await? {
                Ok(exchanged) => super::refreshed(context, &exchanged),
                Err(refusal) => refuse_token(context, refusal),
            })
        })
        .await
}

fn refuse_token(context: &RequestContext<'_>, refusal: TokenRefusal) -> HttpResponse {
    refuse(context, &super::pair_refusal(refusal), super::pair_words(refusal))
}

/// `package` is the Django package's own body.
fn refuse(context: &RequestContext<'_>, package: &Value, words: &str) -> HttpResponse {
    match context.compat() {
        Compat::Documented => context.replies().non_field_error(words),
        Compat::Package => context.replies().unauthorized(CHALLENGE, package),
    }
}
