//! What happened to the account, as its owner sees it.

use askama::Template;

use super::request::{Answer, PageRequest, show};
use crate::http::pages::layout::Layout;
use crate::http::pages::relative_time::RelativeTime;
use crate::http::pages::{device, words};
use crate::service::{EventCursor, OwnEvent};

pub(super) const EVENTS: &str = "/account/events/";

/// How many events a page has.
const ROWS: u32 = 50;

struct EventRow {
    at: RelativeTime,
    event: String,
    actor: &'static str,
    address: Option<String>,
    device: Option<String>,
    count: Option<String>,
}

#[derive(Template)]
#[template(path = "account/events.html")]
struct Events {
    layout: Layout,
    rows: Vec<EventRow>,
    next: Option<String>,
}

pub(super) async fn list(mut request: PageRequest) -> Answer {
    let after = request.fields.parsed("cursor", "a cursor", EventCursor::parse);
    request.finish()?;
    let page = request.auth().own_events(request.who()?, after, ROWS).await?;
    let next = page.next.map(|next| format!("{}?cursor={next}", request.pages.set.path(EVENTS)));
    let rows = page.results.into_iter().map(|event| row(&request, event)).collect();
    show(&Events { layout: request.layout("Events", EVENTS), rows, next })
}

fn row(request: &PageRequest, event: OwnEvent) -> EventRow {
    EventRow {
        at: request.when(event.at),
        event: words::event(&event.event),
        actor: match event.actor {
            "self" => "you",
            "admin" => "an administrator",
            "client" => "a service",
            "system" => "the server",
            _ => "not known",
        },
        address: event.address,
        device: event.user_agent.map(|agent| device::in_words(Some(&agent))),
        count: (event.count != 1).then(|| words::counted(event.count, "time")),
    }
}
