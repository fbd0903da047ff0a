//! Audit events, searched.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use serde_json::Value;

use super::request::{Answer, PageRequest, show};
use super::rows::Further;
use crate::domain::audit::Event;
use crate::domain::user::UserId;
use crate::http::admin::error::ApiError;
use crate::http::admin::events;
use crate::http::pages::form::Form;
use crate::http::pages::layout::Layout;
use crate::http::pages::relative_time::RelativeTime;
use crate::http::pages::{device, words};
use crate::service::admin::EventEntry;
use crate::service::admin::desk::Length;

const EVENTS: &str = "/admin/events/";

struct EventRow {
    at: RelativeTime,
    event: String,
    /// Who did it, if it was no user.
    actor: String,
    acting: Option<Person>,
    user: Option<Person>,
    session: Option<String>,
    address: Option<String>,
    device: Option<String>,
    /// The names and the values of its detail.
    detail: Vec<(String, String)>,
    count: Option<String>,
}

/// A user, also one who was deleted.
struct Person {
    id: i64,
    /// `None`: there is no such user any more.
    name: Option<String>,
}

#[derive(Template)]
#[template(path = "admin/events.html")]
struct Events {
    layout: Layout,
    form: Form,
    /// The name and the words of each event.
    kinds: Vec<(&'static str, &'static str)>,
    rows: Vec<EventRow>,
    further: Further,
}

pub(super) async fn list(mut request: PageRequest) -> Answer {
    let layout = request.layout("Events", EVENTS);
    let form = Form::of(&request.call.fields);
    let filter = events::read_filter(&mut request.call.fields);
    let found = match request.call.finish() {
        Ok(()) => events::find(&request.call, filter).await,
        Err(refusal) => Err(refusal),
    };
    let mut kinds: Vec<_> = Event::ALL.map(|event| (event.as_str(), words::of_event(event))).into();
    kinds.sort_by_key(|(_, words)| *words);
    let (form, found) = form.accept(found)?;
    let further = Further::of(&request, &form, EVENTS, &found);
    let names = names(&request, &found.page.results).await?;
    let rows = found.page.results.into_iter().map(|entry| row(&request, &names, entry)).collect();
    show(&Events { layout, form, kinds, rows, further })
}

/// The user who did it.
fn acting(entry: &EventEntry) -> Option<UserId> {
    entry.actor.strip_prefix("user:")?.parse().ok().map(UserId)
}

/// The names of all users on a page.
async fn names(request: &PageRequest, entries: &[EventEntry]) -> Result<BTreeMap<UserId, String>, ApiError> {
    let ids: BTreeSet<UserId> = entries.iter().flat_map(|entry| [entry.user_id, acting(entry)]).flatten().collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    request.call.run(Length::Short, move |admin| admin.usernames(&ids)).await
}

fn row(request: &PageRequest, names: &BTreeMap<UserId, String>, entry: EventEntry) -> EventRow {
    let person = |id: UserId| Person { id: id.0, name: names.get(&id).cloned() };
    let mut detail = Vec::new();
    if let Some(value) = &entry.detail {
        flatten("", value, &mut detail);
    }
    EventRow {
        at: request.when(entry.at),
        event: words::event(&entry.event),
        acting: acting(&entry).map(person),
        actor: words::actor(&entry.actor),
        user: entry.user_id.map(person),
        session: entry.session_id.map(|session| session.to_string()),
        address: entry.address,
        device: entry.user_agent.map(|agent| device::in_words(Some(&agent))),
        detail,
        count: (entry.count != 1).then(|| words::counted(entry.count, "time")),
    }
}

/// The names and the values below a name; what is nested has the names on the way to it.
fn flatten(name: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(field, value)| {
            let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
            flatten(&name, value, into);
        }),
        Value::Array(values) => values.iter().for_each(|value| flatten(name, value, into)),
        Value::String(text) => into.push((name.to_owned(), text.clone())),
        Value::Bool(_) | Value::Number(_) => into.push((name.to_owned(), value.to_string())),
        Value::Null => {}
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
            let layout = Layout::new(SECTION, &Assets::below("/admin/assets/"));
            let page = Events { layout, form: Form::default(), kinds: Vec::new(), rows: Vec::new(), further };
            page.render().expect("a page")
        };
        let at = Timestamp::parse("2026-01-02T03:04:05Z").expect("a time");
        let next = Some("/admin/events/?cursor=0-1".to_owned());
        let stopped = page(Further { next, stopped_at: Some(RelativeTime::of(at, at)) });
        assert!(stopped.contains("No event matches so far.") && !stopped.contains("No event matches."), "{stopped}");
        assert!(stopped.contains("Events before") && stopped.contains("2026-01-02 03:04:05 UTC"), "{stopped}");
        assert!(stopped.contains("href=\"/admin/events/?cursor=0-1\">Search further back<"), "{stopped}");
        let ended = page(Further::default());
        assert!(ended.contains("No event matches.") && !ended.contains("searched yet"), "{ended}");
    }

    #[test]
    fn details_are_names_and_values() {
        let mut shown = Vec::new();
        let detail = serde_json::json!({
            "filter": { "device": "curl", "user": 7, "name": null }, "count": 2, "all": false, "rights": ["introspect"],
        });
        flatten("", &detail, &mut shown);
        let shown: Vec<_> = shown.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let [device, user] = [("filter.device", "curl"), ("filter.user", "7")];
        assert_eq!(shown, [device, user, ("count", "2"), ("all", "false"), ("rights", "introspect")]);
    }
}
