//! The endpoints that tokens of every dialect share: who am I, `GET /auth/user/`, and logging out, `POST /auth/logout/`
//! and `/auth/logoutall/`. They answer in the manner of django-rest-knox (`docs/dialects/knox.md`), and also without
//! their final slash.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | logout, logoutall: token in the header, body never read | 200 without body (204 with [`Compat::Package`]) | 401, by what the header holds |
//! | user: token in the header | 200 `{"id":…,"username":…,"email":…,"session":{…}}` | 401, by what the header holds |

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::Value;

use super::dialects::serve;
use super::drf::endpoint::{Endpoint, Verb};
use super::drf::reply::{USUAL_BODY, write_string};
use super::drf::request::{Incoming, RequestContext};
use super::openapi::document::Section;
use super::openapi::operation::Operation;
use super::openapi::schema::{id, nullable, number, object, text, time};
use super::{Compat, HttpState};
use crate::domain::dialect::Dialect;
use crate::domain::session::{SessionId, Verified};

const LOGOUT: Endpoint = Endpoint::post("Logout", &[]);
const LOGOUT_ALL: Endpoint = Endpoint::post("Logout All", &[]);
const USER: Endpoint = Endpoint { verb: Verb::Get, ..Endpoint::post("User", &[]) };

pub(super) const PATHS: [&str; 3] = ["auth/user", "auth/logout", "auth/logoutall"];

/// Mounts the three endpoints below the prefix of knox, if that is enabled.
pub(super) fn configure(config: &mut web::ServiceConfig, state: &HttpState) {
    let knox = state.options().dialects.get(Dialect::Knox);
    if !knox.enabled {
        return;
    }
    let prefix = &knox.prefix;
    let [user_at, logout_at, logout_all_at] = PATHS;
    serve(config, prefix, user_at, &user);
    serve(config, prefix, logout_at, &logout);
    serve(config, prefix, logout_all_at, &logout_all);
}

/// What the document says about them.
pub(super) fn document(section: &mut Section<'_>, compat: Compat, schemes: &[String]) {
    let [user_at, logout_at, logout_all_at] = PATHS;
    let who = object([("id", number()), ("username", text()), ("email", text()), ("session", session_schema())]);
    let user = Operation::new("Who the token belongs to").known(schemes).reply(200, "Its user and session.", who);
    section.endpoint(user_at, &USER, user);
    let done = logged_out_status(compat).as_u16();
    let about = "The body is never read.";
    let logout = Operation::new("Log out").about(about).known(schemes).empty(done, "The session of the token is over.");
    section.endpoint(logout_at, &LOGOUT, logout);
    let logout_all = Operation::new("Log out everywhere")
        .about(about)
        .known(schemes)
        .empty(done, "All sessions of the user are over, in every dialect.");
    section.endpoint(logout_all_at, &LOGOUT_ALL, logout_all);
}

/// The schema of what [`write_session`] writes.
pub(super) fn session_schema() -> Value {
    object([("id", id()), ("dialect", text()), ("created", time()), ("expiry", nullable(time()))])
}

async fn logout(incoming: Incoming) -> HttpResponse {
    incoming
        .answer_known(&LOGOUT, Dialect::Knox, async |context, who| {
            context.log_out(&who).await?;
            Ok(context.forget(&who, logged_out(context)))
        })
        .await
}

async fn logout_all(incoming: Incoming) -> HttpResponse {
    incoming
        .answer_known(&LOGOUT_ALL, Dialect::Knox, async |context, who| {
            context.log_out_everywhere(&who).await?;
            Ok(context.forget(&who, logged_out(context)))
        })
        .await
}

async fn user(incoming: Incoming) -> HttpResponse {
    incoming
        .read_only()
        .answer_known(&USER, Dialect::Knox, async |context, who| {
            Ok(context.replies().written(StatusCode::OK, describe(&who)))
        })
        .await
}

fn logged_out(context: &RequestContext<'_>) -> HttpResponse {
    context.replies().empty(logged_out_status(context.compat()))
}

const fn logged_out_status(compat: Compat) -> StatusCode {
    match compat {
        Compat::Documented => StatusCode::OK,
        Compat::Package => StatusCode::NO_CONTENT,
    }
}

/// The JSON of the reply. Every check has this body, so it is written directly: `serde_json` takes 160 to 200 ns longer.
fn describe(who: &Verified) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL_BODY);
    out.extend_from_slice(b"{\"id\":");
    // Writing to memory cannot fail.
    let _ = serde_json::to_writer(&mut out, &who.user.id.0);
    out.extend_from_slice(b",\"username\":");
    write_string(&mut out, &who.user.username);
    out.extend_from_slice(b",\"email\":");
    write_string(&mut out, &who.user.email);
    out.extend_from_slice(b",\"session\":");
    write_session(&mut out, who);
    out.push(b'}');
    out
}

/// Writes the session of a token as a JSON object.
pub(in crate::http) fn write_session(out: &mut Vec<u8>, who: &Verified) {
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(who.session.id.write(&mut SessionId::space()).as_bytes());
    out.extend_from_slice(b"\",\"dialect\":\"");
    out.extend_from_slice(who.session.kind.as_str().as_bytes());
    out.extend_from_slice(b"\",\"created\":\"");
    who.session.created.write(out);
    match who.expires {
        Some(end) => {
            out.extend_from_slice(b"\",\"expiry\":\"");
            end.write(out);
            out.extend_from_slice(b"\"}");
        }
        None => out.extend_from_slice(b"\",\"expiry\":null}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::session::{Session, TokenRecord, judge};
    use crate::domain::time::Timestamp;
    use crate::domain::token::TokenKind;
    use crate::domain::user::{Epoch, User, UserId};

    fn described(record: &TokenRecord) -> String {
        let who = judge(Some(record), None, Timestamp::EPOCH, None).expect("a good token");
        String::from_utf8(describe(&who)).expect("UTF-8")
    }

    proptest! {
        #[test]
        fn who_am_i_is_the_json_that_a_serialiser_would_write(
            id: i64,
            username in "\\PC*|[\\x00-\\x7f]*|[a-z\u{2027}-\u{202a}]*",
            email: String,
            created in any::<i64>(),
            expires in proptest::option::of(1..i64::MAX),
        ) {
            let session = Session {
                id: SessionId::new(Timestamp::from_micros(created), &[7; 10]),
                kind: Dialect::Djoser.into(),
                created: Timestamp::from_micros(created),
                last_seen: Timestamp::EPOCH,
                epoch: Epoch(3),
                ended: None,
            };
            let user = User {
                id: UserId(id),
                username,
                email,
                is_active: true,
                is_staff: false,
                is_admin: false,
                epoch: Epoch(3),
            };
            let expires = expires.map(Timestamp::from_micros);
            let kind = TokenKind::Access;
            let expected = json!({
                "id": id,
                "username": user.username,
                "email": user.email,
                "session": {
                    "id": session.id.to_string(),
                    "dialect": "djoser",
                    "created": session.created.to_string(),
                    "expiry": expires.map(|end| end.to_string()),
                },
            });
            let record =
                TokenRecord { kind, created: session.created, expires, consumed: None, session, user: user.into() };
            let text = described(&record);
            let parsed: Value = serde_json::from_str(&text).expect("JSON");
            prop_assert_eq!(parsed.to_string(), expected.to_string());
            let escaped = expected.to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
            prop_assert_eq!(text, escaped);
        }
    }
}
