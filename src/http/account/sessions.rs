//! Listing and ending one's own sessions.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | `GET` sessions: token in the header, `cursor` and `limit` in the query | 200 `{"results":[{"id":…},…],"next":…}` | 401, by what the header holds; 400 `{"limit":["…"]}` |
//! | `DELETE` one: token in the header | 204 | 401; 404 `{"detail":"Not found."}` |
//! | `POST` revoke-others: token in the header | 204 | 401 |

use std::borrow::Cow;

use actix_web::http::StatusCode;
use serde_json::json;

use crate::domain::session::{SessionId, Verified};
use crate::http::drf::endpoint::{Endpoint, EndpointResult, delete, endpoint, get, post};
use crate::http::drf::fields::FieldErrors;
use crate::http::drf::request::RequestContext;
use crate::http::openapi::document::Section;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::{id, or_empty, page};
use crate::http::openapi::{detail, errors_of};
use crate::service::OwnSession;

/// The most sessions on a page, and how many there are if the client does not say.
const MAX_LIMIT: u32 = 100;
const USUAL_LIMIT: u32 = 50;

/// The path of one session.
const ONE: &str = "auth/sessions/{id}";

pub(super) static ENDPOINTS: [Endpoint; 3] = [
    endpoint("auth/sessions", "Session List", &[get(|at| at.known(list), describe_list)]),
    endpoint(
        "auth/sessions/revoke-others",
        "Revoke Other Sessions",
        &[post(&[], |at| at.known(revoke_others), describe_revoke_others)],
    ),
    endpoint(ONE, "Session", &[delete(|at| at.known(end_one), describe_end_one)]),
];

fn describe_list(section: &mut Section<'_>) -> Operation {
    let session = section.schemas().of::<OwnSession>();
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": USUAL_LIMIT });
    Operation::new("The user's live sessions, newest first")
        .known(section)
        .takes("query", "cursor", &or_empty(&id()), "The `next` of the page before.")
        .takes("query", "limit", &or_empty(&limit), "How many sessions a page has.")
        .reply(200, "A page. One that is not full may have a `next`, too.", page(&session))
        .leads_to(200, "/results/0/id", "delete", &section.path(ONE))
        .reply(400, "A parameter is wrong.", errors_of(&["cursor", "limit"]))
}

async fn list(context: &mut RequestContext<'_>, who: &Verified) -> EndpointResult {
    let (after, limit) = context.right(asked_page(context.query()))?;
    let page = context.available(context.auth().own_sessions(who, after, limit).await)?;
    let results: Vec<_> = page.sessions.into_iter().map(|entry| OwnSession::of(entry, who)).collect();
    let next = page.next.map(|id| id.to_string());
    Ok(context.replies().json(StatusCode::OK, &json!({ "results": results, "next": next })))
}

fn describe_end_one(section: &mut Section<'_>) -> Operation {
    Operation::new("End one of one's sessions")
        .known(section)
        .part("id", &id(), "The id of the session.")
        .empty(204, "It is over.")
        .reply(404, "The user has no such live session.", detail())
}

async fn end_one(context: &mut RequestContext<'_>, who: &Verified) -> EndpointResult {
    if let Some(session) = context.part("id").and_then(SessionId::parse)
        && context.available(context.auth().end_own_session(who, session, context.origin()).await)?
    {
        let done = context.replies().done();
        return Ok(if session == who.session.id { context.forget(who, done) } else { done });
    }
    Ok(context.replies().detail(StatusCode::NOT_FOUND, "Not found."))
}

fn describe_revoke_others(section: &mut Section<'_>) -> Operation {
    Operation::new("End all of one's sessions but this one")
        .about("The body is never read.")
        .known(section)
        .empty(204, "They are over.")
}

async fn revoke_others(context: &mut RequestContext<'_>, who: &Verified) -> EndpointResult {
    context.available(context.auth().end_other_sessions(who, context.origin()).await)?;
    Ok(context.replies().done())
}

/// The page that a query asks for: after which session, and how many.
fn asked_page(query: &str) -> Result<(Option<SessionId>, u32), FieldErrors> {
    let last = |name: &str| {
        let values = form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
        values.map(|(_, value)| value).last().filter(|value| !value.is_empty())
    };
    let after = last("cursor").map(|cursor| SessionId::parse(&cursor).ok_or("Invalid cursor.")).transpose();
    let limit = last("limit").map_or(Ok(USUAL_LIMIT), |limit| whole_number(&limit));
    match (after, limit) {
        (Ok(after), Ok(limit)) => Ok((after, limit)),
        (Err(message), _) => Err(FieldErrors::one("cursor", message)),
        (Ok(_), Err(message)) => Err(FieldErrors::one("limit", message)),
    }
}

/// A number from 1 to [`MAX_LIMIT`].
fn whole_number(text: &str) -> Result<u32, Cow<'static, str>> {
    let number: i64 = text.parse().map_err(|_| "A valid integer is required.")?;
    match u32::try_from(number) {
        Ok(number @ 1..=MAX_LIMIT) => Ok(number),
        Ok(0) | Err(_) if number < 1 => Err("Ensure this value is greater than or equal to 1.".into()),
        Ok(_) | Err(_) => Err(format!("Ensure this value is less than or equal to {MAX_LIMIT}.").into()),
    }
}
