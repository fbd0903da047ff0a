//! The audit events about the user of a token, `GET /auth/events/` (`docs/audit.md`).
//!
//! | request | success | refusals |
//! |---|---|---|
//! | token in the header; `?cursor=`, `?limit=` | 200 `{"results":[…],"next":…}` | 401, by what the header holds; 400 `{"<parameter>":["…"]}` |

use actix_web::http::StatusCode;
use serde_json::json;

use crate::domain::session::Verified;
use crate::http::drf::endpoint::{Endpoint, EndpointResult, endpoint, get};
use crate::http::drf::fields::FieldErrors;
use crate::http::drf::request::RequestContext;
use crate::http::openapi::document::Section;
use crate::http::openapi::errors_of;
use crate::http::openapi::operation::Operation;
use crate::http::openapi::schema::{event_cursor, or_empty};
use crate::service::{EventCursor, OwnEvents};

/// How many events a page has by default, and at most.
const USUAL_PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 100;

pub(super) static ENDPOINTS: [Endpoint; 1] =
    [endpoint("auth/events", "Events", &[get(|at| at.known(list), describe_list)])];

fn describe_list(section: &mut Section<'_>) -> Operation {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": USUAL_PAGE });
    let page = section.schemas().of::<OwnEvents>();
    Operation::new("The audit events about the user, newest first")
        .known(section)
        .takes("query", "cursor", &or_empty(&event_cursor()), "The `next` of the page before.")
        .takes("query", "limit", &or_empty(&limit), "How many events a page has.")
        .reply(200, "A page.", page)
        .reply(400, "A parameter is wrong.", errors_of(&["cursor", "limit"]))
}

async fn list(context: &mut RequestContext<'_>, who: &Verified) -> EndpointResult {
    let page = context.right(Page::read(context.query()))?;
    let listed = context.available(context.auth().own_events(who, page.after, page.limit).await)?;
    Ok(context.replies().json(StatusCode::OK, &listed))
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
