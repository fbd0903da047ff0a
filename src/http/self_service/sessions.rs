//! Listing and ending one's own sessions.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | `GET` sessions: token in the header, `cursor` and `limit` in the query | 200 `{"results":[{"id":…},…],"next":…}` | 401, by what the header holds; 400 `{"limit":["…"]}` |
//! | `DELETE` one: token in the header | 204 | 401; 404 `{"detail":"Not found."}` |
//! | `POST` revoke-others: token in the header | 204 | 401 |

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;

use super::done;
use crate::domain::dialect::Dialect;
use crate::http::drf::endpoint::{Endpoint, Verb};
use crate::http::drf::request::{Incoming, MAX_LIMIT, USUAL_LIMIT};
use crate::http::openapi::document::Section;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::{id, or_empty, page};
use crate::http::openapi::{detail, errors_of};
use crate::service::OwnSession;

const LIST: Endpoint = Endpoint { verb: Verb::Get, ..Endpoint::post("Session List", &[]) };
const ONE: Endpoint = Endpoint { verb: Verb::Delete, ..Endpoint::post("Session", &[]) };
const OTHERS: Endpoint = Endpoint::post("Revoke Other Sessions", &[]);

/// What the document says about them.
pub(super) fn document(section: &mut Section<'_>, paths: [&str; 3], schemes: &[String]) {
    let [sessions_at, others_at, one_at] = paths;
    let session = section.schemas().of::<OwnSession>();
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
            let results: Vec<_> = page.sessions.into_iter().map(|entry| OwnSession::of(entry, &who)).collect();
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
