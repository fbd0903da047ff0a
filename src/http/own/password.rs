//! Changing one's password, and logging out everywhere by it.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | change: `current_password`, `new_password`, perhaps `keep_other_sessions`; token in the header, or `username` | 204 | 401, by what the header holds; field errors; 400 `{"non_field_errors":["Unable to log in with provided credentials."]}`; 429 |
//! | revoke-all: `username`, `password` | 204 | field errors; the same |

use actix_web::HttpResponse;

use super::{denied, done};
use crate::domain::dialect::Dialect;
use crate::http::drf::endpoint::Endpoint;
use crate::http::drf::request::Incoming;

const CHANGE: Endpoint = Endpoint::post("Password Change", &[]);
const REVOKE_ALL: Endpoint = Endpoint::post("Revoke All Sessions", &[]);

pub(super) async fn change(incoming: Incoming) -> HttpResponse {
    incoming
        .answer_perhaps_known(&CHANGE, Dialect::Knox, async |context, who| {
            Ok(match context.change_password(who).await? {
                Ok(()) => done(context),
                Err(denial) => denied(context, denial),
            })
        })
        .await
}

pub(super) async fn revoke_all(incoming: Incoming) -> HttpResponse {
    incoming
        .answer(&REVOKE_ALL, Dialect::Knox, async |context| {
            Ok(match context.log_out_everywhere_by_password().await? {
                Ok(()) => done(context),
                Err(denial) => denied(context, denial),
            })
        })
        .await
}
