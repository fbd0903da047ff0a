//! The trail: audit events, searched.

use askama::Template;

use super::request::{Answer, PageRequest, show};
use crate::domain::audit::Event;
use crate::http::admin::events;
use crate::http::pages::form::{Form, split_refusals};
use crate::http::pages::layout::Layout;
use crate::http::pages::relative_time::RelativeTime;
use crate::http::pages::{device, words};
use crate::service::admin::EventEntry;

const EVENTS: &str = "/admin/events/";

struct EventRow {
    at: RelativeTime,
    event: String,
    actor: String,
    user: Option<i64>,
    session: Option<String>,
    address: Option<String>,
    device: Option<String>,
    detail: Option<String>,
    count: Option<String>,
}

#[derive(Template)]
#[template(path = "admin/events.html")]
struct Events {
    layout: Layout,
    form: Form,
    /// The name and the words of each event.
    kinds: Vec<(&'static str, &'static str)>,
    rows: Vec<EventRow>,
    next: Option<String>,
}

pub(super) async fn list(mut asked: PageRequest) -> Answer {
    let layout = asked.layout("Trail", EVENTS);
    let form = Form::of(&asked.call.fields);
    let filter = events::read_filter(&mut asked.call.fields);
    let found = match asked.call.finish() {
        Ok(()) => events::find(&asked.call, filter).await,
        Err(refusal) => Err(refusal),
    };
    let mut kinds: Vec<_> = Event::ALL.map(|event| (event.as_str(), words::of_event(event))).into();
    kinds.sort_by_key(|(_, words)| *words);
    match split_refusals(found)? {
        Ok(page) => {
            let next = form.next(EVENTS, page.next.as_ref());
            let rows = page.results.into_iter().map(|entry| row(&asked, entry)).collect();
            show(&Events { layout, form, kinds, rows, next })
        }
        Err(refusal) => show(&Events { layout, form: form.refused(&refusal), kinds, rows: Vec::new(), next: None }),
    }
}

fn row(asked: &PageRequest, entry: EventEntry) -> EventRow {
    EventRow {
        at: asked.when(entry.at),
        event: words::event(&entry.event),
        actor: words::actor(&entry.actor),
        user: entry.user_id.map(|user| user.0),
        session: entry.session_id.map(|session| session.to_string()),
        address: entry.address,
        device: entry.user_agent.map(|agent| device::in_words(Some(&agent))),
        detail: entry.detail.map(|detail| detail.to_string()),
        count: (entry.count != 1).then(|| words::counted(entry.count, "time")),
    }
}
