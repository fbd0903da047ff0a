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
use crate::http::openapi::document::Section;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::{about, flag, name, new_password, password};
use crate::http::openapi::{errors_of, non_field_errors};

const CHANGE: Endpoint = Endpoint::post("Password Change", &[]);
const REVOKE_ALL: Endpoint = Endpoint::post("Revoke All Sessions", &[]);

/// What the document says about them.
pub(super) fn document(section: &mut Section<'_>, paths: [&str; 2], schemes: &[String]) {
    let [all_at, password_at] = paths;
    let username = || ("username", about(name(), "Needed without a token, else not read."));
    let email = || ("email", about(name(), "May take the place of `username`."));
    let wrong = "The name or the password is wrong, or the user is not active.";
    let all = Operation::new("Log out everywhere by password")
        .reads(&[("password", password()), ("username", name()), email()], 1)
        .empty(204, "All sessions of the user are over.")
        .reply(400, wrong, non_field_errors())
        .throttled("There were too many wrong passwords.")
        .asks_the_database();
    section.endpoint(all_at, &REVOKE_ALL, all);
    let fields = [
        ("current_password", about(password(), "The present password, or a one-time password.")),
        ("new_password", about(new_password(), "The new one.")),
        ("keep_other_sessions", about(flag(), "Whether the other sessions go on.")),
        username(),
        email(),
    ];
    let change = Operation::new("Change one's password")
        .about("With a token its session goes on; without one, all sessions end.")
        .perhaps_known(schemes)
        .reads(&fields, 2)
        .empty(204, "The new password is set, and the other sessions are over.")
        .reply(400, "The new password breaks a rule.", errors_of(&["new_password"]))
        .reply(400, wrong, non_field_errors())
        .throttled("There were too many wrong passwords.");
    section.endpoint(password_at, &CHANGE, change);
}

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
