//! Listing and ending one's own sessions.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | `GET` sessions: token in the header, `cursor` and `limit` in the query | 200 `{"results":[{"id":…},…],"next":…}` | 401, by what the header holds; 400 `{"limit":["…"]}` |
//! | `DELETE` one: token in the header | 204 | 401; 404 `{"detail":"Not found."}` |
//! | `POST` revoke-others: token in the header | 204 | 401 |

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::{Value, json};

use super::done;
use crate::domain::dialect::Dialect;
use crate::domain::session::{SessionEntry, Verified};
use crate::http::drf::endpoint::{Endpoint, Verb};
use crate::http::drf::request::{Incoming, MAX_LIMIT, USUAL_LIMIT};
use crate::http::openapi::document::Section;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::{flag, id, nullable, object, or_empty, page, text, time};
use crate::http::openapi::{detail, errors_of};

const LIST: Endpoint = Endpoint { verb: Verb::Get, ..Endpoint::post("Session List", &[]) };
const ONE: Endpoint = Endpoint { verb: Verb::Delete, ..Endpoint::post("Session", &[]) };
const OTHERS: Endpoint = Endpoint::post("Revoke Other Sessions", &[]);

/// What the document says about them.
pub(super) fn document(section: &mut Section<'_>, paths: [&str; 3], schemes: &[String]) {
    let [sessions_at, others_at, one_at] = paths;
    let session = object([
        ("id", id()),
        ("dialect", text()),
        ("name", nullable(text())),
        ("created", time()),
        ("last_seen", time()),
        ("expiry", nullable(time())),
        ("address", nullable(text())),
        ("user_agent", nullable(text())),
        ("current", flag()),
    ]);
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": USUAL_LIMIT });
    let list = Operation::new("The user's live sessions, newest first")
        .known(schemes)
        .takes("query", "cursor", &or_empty(&id()), "The `next` of the page before.")
        .takes("query", "limit", &or_empty(&limit), "How many sessions a page has.")
        .reply(200, "A page. One that is not full may have a `next`, too.", page(&session))
        .leads_to(200, "/results/0/id", ONE.verb.name(), &section.path(one_at))
        .reply(400, "A parameter is wrong.", errors_of(&["cursor", "limit"]));
    section.endpoint(sessions_at, &LIST, list);
    let one = Operation::new("End one of one's sessions")
        .known(schemes)
        .part("id", &id(), "The id of the session.")
        .empty(204, "It is over.")
        .reply(404, "The user has no such live session.", detail());
    section.endpoint(one_at, &ONE, one);
    let others = Operation::new("End all of one's sessions but this one")
        .about("The body is never read.")
        .known(schemes)
        .empty(204, "They are over.");
    section.endpoint(others_at, &OTHERS, others);
}

pub(super) async fn list(incoming: Incoming) -> HttpResponse {
    incoming
        .read_only()
        .answer_known(&LIST, Dialect::Knox, async |context, who| {
            let page = context.own_sessions(&who).await?;
            let results: Vec<Value> = page.sessions.iter().map(|entry| describe(entry, &who)).collect();
            let next = page.next.map(|id| id.to_string());
            Ok(context.replies().json(StatusCode::OK, &json!({ "results": results, "next": next })))
        })
        .await
}

pub(super) async fn end_one(incoming: Incoming) -> HttpResponse {
    incoming
        .answer_known(&ONE, Dialect::Knox, async |context, who| {
            Ok(match context.end_own_session(&who).await? {
                Some(ended) if ended == who.session.id => context.forget(&who, done(context)),
                Some(_) => done(context),
                None => context.replies().detail(StatusCode::NOT_FOUND, "Not found."),
            })
        })
        .await
}

pub(super) async fn revoke_others(incoming: Incoming) -> HttpResponse {
    incoming
        .answer_known(&OTHERS, Dialect::Knox, async |context, who| {
            context.end_other_sessions(&who).await?;
            Ok(done(context))
        })
        .await
}

fn describe(entry: &SessionEntry, who: &Verified) -> Value {
    let session = &entry.session;
    json!({
        "id": session.id.to_string(),
        "dialect": session.kind.as_str(),
        "name": entry.name,
        "created": session.created.to_string(),
        "last_seen": session.last_seen.to_string(),
        "expiry": entry.expires.map(|end| end.to_string()),
        "address": entry.address,
        "user_agent": entry.user_agent,
        "current": session.id == who.session.id,
    })
}
