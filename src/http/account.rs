//! The endpoints that tokens of every dialect share: who am I, `GET /auth/user/`, and logging out, `POST /auth/logout/`
//! and `/auth/logoutall/`. They answer in the manner of django-rest-knox (`docs/dialects/knox.md`), and so do their
//! neighbours for a user's own sessions and password (`docs/sessions.md`) and events (`docs/audit.md`).
//!
//! | request | success | refusals |
//! |---|---|---|
//! | logout, logoutall: token in the header, body never read | 200 without body (204 with [`Compat::Package`]) | 401, by what the header holds |
//! | user: token in the header | 200 `{"id":…,"username":…,"email":…,"session":{…}}` | 401, by what the header holds |

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::Value;

use super::drf::endpoint::{Endpoint, EndpointResult, endpoint, get, post};
use super::drf::reply::{USUAL_BODY, write_string};
use super::drf::request::RequestContext;
use super::openapi::document::Section;
use super::openapi::operation::Operation;
use super::openapi::schema::{id, nullable, number, object, text, time};
use super::{Compat, HttpState};
use crate::domain::dialect::Dialect;
use crate::domain::session::{SessionId, Verified};

mod events;
mod password;
mod sessions;

static ENDPOINTS: [Endpoint; 3] = [
    endpoint("auth/user", "User", &[get(|at| at.known(user), describe_user)]),
    endpoint("auth/logout", "Logout", &[post(&[], |at| at.known(logout), describe_logout)]),
    endpoint("auth/logoutall", "Logout All", &[post(&[], |at| at.known(logout_all), describe_logout_all)]),
];

/// Those in the files below. Where users come from a user provider, there are neither passwords nor events.
fn others(has_passwords: bool) -> impl Iterator<Item = &'static Endpoint> {
    let of_users_here = events::ENDPOINTS.iter().chain(&password::ENDPOINTS);
    of_users_here.filter(move |_| has_passwords).chain(&sessions::ENDPOINTS)
}

/// All endpoints.
pub(super) fn endpoints(has_passwords: bool) -> impl Iterator<Item = &'static Endpoint> {
    ENDPOINTS.iter().chain(others(has_passwords))
}

/// Mounts what clients call most often.
pub(super) fn configure_checks(config: &mut web::ServiceConfig, state: &HttpState) {
    mount(config, state, ENDPOINTS.iter());
}

/// Mounts the others.
pub(super) fn configure(config: &mut web::ServiceConfig, state: &HttpState) {
    mount(config, state, others(state.auth().has_passwords()));
}

/// Below the prefix of knox, if that is enabled.
fn mount(config: &mut web::ServiceConfig, state: &HttpState, endpoints: impl Iterator<Item = &'static Endpoint>) {
    let knox = state.options().dialects.get(Dialect::Knox);
    if knox.enabled {
        endpoints.for_each(|endpoint| endpoint.mount(config, &knox.prefix, Dialect::Knox));
    }
}

/// The schema of what [`write_session`] writes.
pub(super) fn session_schema() -> Value {
    object([("id", id()), ("dialect", text()), ("created", time()), ("expiry", nullable(time()))])
}

fn describe_user(section: &mut Section<'_>) -> Operation {
    let who = object([("id", number()), ("username", text()), ("email", text()), ("session", session_schema())]);
    Operation::new("Who the token belongs to").known(section).reply(200, "Its user and session.", who)
}

async fn user(context: &mut RequestContext<'_>, who: &Verified) -> EndpointResult {
    Ok(context.replies().written(StatusCode::OK, describe(who)))
}

fn describe_logout(section: &mut Section<'_>) -> Operation {
    logs_out("Log out", section, "The session of the token is over.")
}

async fn logout(context: &mut RequestContext<'_>, who: &Verified) -> EndpointResult {
    context.available(context.auth().logout(who, context.origin()).await)?;
    Ok(logged_out(context, who))
}

fn describe_logout_all(section: &mut Section<'_>) -> Operation {
    logs_out("Log out everywhere", section, "All sessions of the user are over, in every dialect.")
}

async fn logout_all(context: &mut RequestContext<'_>, who: &Verified) -> EndpointResult {
    context.available(context.auth().logout_all(who, context.origin()).await)?;
    Ok(logged_out(context, who))
}

fn logs_out(summary: &'static str, section: &Section<'_>, done: &str) -> Operation {
    let status = logged_out_status(section.compat()).as_u16();
    Operation::new(summary).about("The body is never read.").known(section).empty(status, done)
}

fn logged_out(context: &RequestContext<'_>, who: &Verified) -> HttpResponse {
    context.forget(who, context.replies().empty(logged_out_status(context.compat())))
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
