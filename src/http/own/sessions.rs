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
use crate::http::drf::request::Incoming;

const LIST: Endpoint = Endpoint { verb: Verb::Get, ..Endpoint::post("Session List", &[]) };
const ONE: Endpoint = Endpoint { verb: Verb::Delete, ..Endpoint::post("Session", &[]) };
const OTHERS: Endpoint = Endpoint::post("Revoke Other Sessions", &[]);

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
