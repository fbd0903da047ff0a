//! Audit events: what is recorded, in which order it is read, and how much of it there can be.

mod flood;
mod program;
mod recorded;
#[cfg(feature = "postgres")]
mod settled;
#[cfg(feature = "conformance")]
mod unrecorded;

use knoxide::store::{Connection, EventEntry, EventFilter, EventOrder};

/// All events, the oldest first.
pub(crate) fn all(connection: &mut dyn Connection) -> Vec<EventEntry> {
    let mut events =
        connection.list_events(&EventFilter { limit: 100_000, ..EventFilter::default() }).expect("events").events;
    events.reverse();
    events
}

/// The events that a reader who goes forward sees.
fn settled(connection: &mut dyn Connection) -> Vec<EventEntry> {
    let filter = EventFilter { order: EventOrder::OldestFirst, limit: 100_000, ..EventFilter::default() };
    connection.list_events(&filter).expect("events").events
}
