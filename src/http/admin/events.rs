//! Audit events: search.

use super::call::Call;
use super::description::{Description, Field, Kind, Success, page_of};
use super::error::ApiError;
use super::fields::Fields;
use super::page::{Found, Page, page_fields};
use super::reply::{self, Answer};
use super::sessions::STOPS;
use crate::domain::audit::Event;
use crate::domain::session::SessionId;
use crate::service::EventCursor;
use crate::service::admin::desk::Length;
use crate::service::admin::{EventEntry, EventFilter, EventList, EventOrder};

pub(super) const LIST: Description =
    Description::new("Audit events, newest first", Success::ok(page_of::<EventEntry>)).about(STOPS).fields(&[
        &page_fields(Kind::EventCursor),
        &[
            Field::new("user", Kind::User, "About this user."),
            Field::new("event", Kind::Events, "Names of events, with commas between."),
            Field::text("actor", "Who did it: `user:17`, `cli`, `system`, `anonymous`."),
            Field::new("address", Kind::Address, "From this address."),
            Field::new("session", Kind::Id, "About this session."),
            Field::new("from", Kind::Time, "Then or later."),
            Field::new("until", Kind::Time, "Before then."),
            Field::new(
                "order",
                Kind::OneOf(&["newest", "oldest"]),
                "`oldest` lists only events before which no other one can appear any more.",
            ),
        ],
    ]);

pub(super) async fn list(mut call: Call) -> Answer {
    let order = |text: &str| match text {
        "newest" => Some(EventOrder::NewestFirst),
        "oldest" => Some(EventOrder::OldestFirst),
        _ => None,
    };
    let filter = read_filter(&mut call.fields);
    let order = call.fields.parsed("order", "newest or oldest", order).unwrap_or_default();
    call.finish()?;
    reply::ok(&find(&call, EventFilter { order, ..filter }).await?.page)
}

/// The page of events that meet the conditions.
///
/// # Errors
/// 503 if they could not be read.
pub(in crate::http) async fn find(call: &Call, filter: EventFilter) -> Result<Found<EventEntry>, ApiError> {
    let limit = filter.limit;
    let filter = EventFilter { limit: Page::<()>::rows(limit), ..filter };
    let EventList { events, unsearched } = call.run(Length::Short, move |admin| admin.list_events(&filter)).await?;
    let page = Page::of(events, limit, |entry| entry.cursor.to_string());
    Ok(Found::of(page, unsearched.map(|stopped| (stopped.cursor.to_string(), stopped.at))))
}

/// The conditions of a search, the newest first.
pub(in crate::http) fn read_filter(fields: &mut Fields) -> EventFilter {
    let kinds = |text: &str| text.split(',').map(Event::from_name).collect::<Option<Vec<_>>>();
    EventFilter {
        user: fields.user("user"),
        events: fields.parsed("event", "names of events, with commas between", kinds).unwrap_or_default(),
        actor: fields.text("actor"),
        address: fields.address("address").map(|address| address.to_string()),
        session: fields.parsed("session", "a session's id", SessionId::parse),
        from: fields.time("from"),
        until: fields.time("until"),
        after: fields.parsed("cursor", "a cursor", EventCursor::parse),
        limit: fields.limit(),
        ..EventFilter::default()
    }
}
