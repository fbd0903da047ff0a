//! The trail: audit events, searched.

use askama::Template;

use super::request::{Answer, Asked, show};
use super::rows::Further;
use crate::domain::audit::Event;
use crate::http::admin::events;
use crate::http::pages::filled::{Form, Outcome, mend};
use crate::http::pages::frame::Frame;
use crate::http::pages::when::When;
use crate::http::pages::{device, words};
use crate::service::admin::EventEntry;

const EVENTS: &str = "/admin/events/";

struct EventRow {
    at: When,
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
    frame: Frame,
    form: Form,
    /// The name and the words of each event.
    kinds: Vec<(&'static str, &'static str)>,
    rows: Vec<EventRow>,
    further: Further,
}

pub(super) async fn list(mut asked: Asked) -> Answer {
    let frame = asked.frame("Trail", EVENTS);
    let form = Form::of(&asked.call.fields);
    let filter = events::read_filter(&mut asked.call.fields);
    let found = match asked.call.finish() {
        Ok(()) => events::find(&asked.call, filter).await,
        Err(refusal) => Err(refusal),
    };
    let mut kinds: Vec<_> = Event::ALL.map(|event| (event.as_str(), words::of_event(event))).into();
    kinds.sort_by_key(|(_, words)| *words);
    match mend(found)? {
        Outcome::Done(found) => {
            let further = Further::of(&asked, &form, EVENTS, &found);
            let rows = found.page.results.into_iter().map(|entry| row(&asked, entry)).collect();
            show(&Events { frame, form, kinds, rows, further })
        }
        Outcome::Wrong(refusal) => {
            let further = Further::default();
            show(&Events { frame, form: form.refused(&refusal), kinds, rows: Vec::new(), further })
        }
    }
}

fn row(asked: &Asked, entry: EventEntry) -> EventRow {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use crate::http::pages::admin::SECTION;
    use crate::http::pages::assets::Assets;

    #[test]
    fn a_search_that_stopped_is_not_taken_for_one_that_found_nothing() {
        let page = |further| {
            let frame = Frame::new(SECTION, &Assets::below("/admin/assets/"), "Events");
            let page = Events { frame, form: Form::default(), kinds: Vec::new(), rows: Vec::new(), further };
            page.render().expect("a page")
        };
        let at = Timestamp::parse("2026-01-02T03:04:05Z").expect("a time");
        let next = Some("/admin/events/?cursor=0-1".to_owned());
        let stopped = page(Further { next, stopped_at: Some(When::of(at, at)) });
        assert!(stopped.contains("No event matches so far.") && !stopped.contains("No event matches."), "{stopped}");
        assert!(stopped.contains("Events before") && stopped.contains("2026-01-02 03:04:05 UTC"), "{stopped}");
        assert!(stopped.contains("href=\"/admin/events/?cursor=0-1\">Search further back<"), "{stopped}");
        let ended = page(Further::default());
        assert!(ended.contains("No event matches.") && !ended.contains("searched yet"), "{ended}");
    }
}
