//! The audit events about the user of a token, `GET /auth/events/`, for tokens of every dialect (`docs/audit.md`). It
//! does not exist where users are those of another system.
//!
//! | request | success | refusals |
//! |---|---|---|
//! | token in the header; `?cursor=`, `?limit=` | 200 `{"results":[…],"next":…}` | 401, by what the header holds; 400 `{"<parameter>":["…"]}` |

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::json;

use super::HttpState;
use super::dialects::serve;
use super::drf::endpoint::{Endpoint, Verb};
use super::drf::fields::FieldErrors;
use super::drf::request::Incoming;
use super::openapi::document::Section;
use super::openapi::errors_of;
use super::openapi::operation::Operation;
use super::openapi::schema::{event_cursor, or_empty};
use crate::domain::dialect::Dialect;
use crate::service::{EventCursor, OwnEvents};

const EVENTS: Endpoint = Endpoint { verb: Verb::Get, ..Endpoint::post("Events", &[]) };

pub(super) const PATHS: [&str; 1] = ["auth/events"];

/// How many events a page has by default, and at most.
const USUAL_PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 100;

/// Mounts the endpoint below the prefix of knox, as the other endpoints for tokens of every dialect.
pub(super) fn configure(config: &mut web::ServiceConfig, state: &HttpState) {
    let knox = state.options().dialects.get(Dialect::Knox);
    if knox.enabled && !state.auth().has_user_provider() {
        let [events_at] = PATHS;
        serve(config, &knox.prefix, events_at, &events);
    }
}

/// What the document says about it.
pub(super) fn document(section: &mut Section<'_>, state: &HttpState, schemes: &[String]) {
    if state.auth().has_user_provider() {
        return;
    }
    let [events_at] = PATHS;
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": USUAL_PAGE });
    let page = section.schemas().of::<OwnEvents>();
    let operation = Operation::new("The audit events about the user, newest first")
        .known(schemes)
        .takes("query", "cursor", &or_empty(&event_cursor()), "The `next` of the page before.")
        .takes("query", "limit", &or_empty(&limit), "How many events a page has.")
        .reply(200, "A page.", page)
        .reply(400, "A parameter is wrong.", errors_of(&["cursor", "limit"]));
    section.endpoint(events_at, &EVENTS, operation);
}

async fn events(incoming: Incoming) -> HttpResponse {
    incoming
        .read_only()
        .answer_known(&EVENTS, Dialect::Knox, async |context, who| {
            let page = Page::read(context.query()).map_err(|errors| context.replies().field_errors(&errors))?;
            let listed = context.own_events(&who, page.after, page.limit).await?;
            Ok(context.replies().json(StatusCode::OK, &listed))
        })
        .await
}

/// Which page is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    after: Option<EventCursor>,
    limit: u32,
}

impl Page {
    /// Reads a query string. Of a parameter that is given several times, the last counts; an empty one does not.
    fn read(query: &str) -> Result<Self, FieldErrors> {
        let mut page = Self { after: None, limit: USUAL_PAGE };
        for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty()) {
            match &*name {
                "cursor" => {
                    let cursor = EventCursor::parse(&value);
                    page.after = Some(cursor.ok_or_else(|| FieldErrors::one("cursor", "Invalid cursor."))?);
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
                    page.limit = limit.ok_or_else(|| {
                        FieldErrors::one("limit", format!("Write a whole number from 1 to {LARGEST_PAGE}."))
                    })?;
                }
                _ => {}
            }
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_the_query_says() {
        let page = |after: &str, limit| Page { after: EventCursor::parse(after), limit };
        for (query, expected) in [
            ("", page("", 50)),
            ("limit=1&cursor=0-a", page("0-a", 1)),
            ("cursor=&limit=100&other=1&format=json", page("", 100)),
            ("limit=7&limit=8", page("", 8)),
        ] {
            assert_eq!(Page::read(query).ok(), Some(expected), "{query}");
        }
        for query in ["limit=0", "limit=101", "limit=-1", "limit=x", "cursor=1", "cursor=%00"] {
            assert!(Page::read(query).is_err(), "{query}");
        }
    }
}
