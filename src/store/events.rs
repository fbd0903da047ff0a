//! Audit events: those that belong to no other step, and lists of all of them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::Effort;
use crate::domain::audit::{AuditContext, Event};
use crate::domain::session::SessionId;
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;

/// An event that belongs to no other step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened, who did it, from where and when.
    pub audit: AuditContext,
    /// The user concerned.
    pub user: Option<UserId>,
    /// The session concerned.
    pub session: Option<SessionId>,
    /// How many events of this kind it stands for.
    pub count: u64,
}

/// Which events to list, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only events about this user.
    pub user: Option<UserId>,
    /// Only events of these kinds; empty: of all kinds.
    pub events: Vec<Event>,
    /// Only events of this actor, as [`Actor`](crate::domain::audit::Actor) is displayed.
    pub actor: Option<String>,
    /// Only events from this address.
    pub address: Option<String>,
    /// Only events about this session.
    pub session: Option<SessionId>,
    /// Only events of this time and later.
    pub from: Option<Timestamp>,
    /// Only events before this time.
    pub until: Option<Timestamp>,
    /// The order.
    pub order: EventOrder,
    /// Only events that come after this one in that order: the last of the previous page.
    pub after: Option<EventCursor>,
    /// The maximum number of events.
    pub limit: u32,
    /// How far to look for them.
    pub effort: Effort,
}

impl EventFilter {
    /// Whether an event meets all conditions, whatever its place in the order.
    pub(in crate::store) fn matches(&self, entry: &EventEntry) -> bool {
        let Self { user, events, actor, address, session, from, until, .. } = self;
        user.is_none_or(|user| entry.user_id == Some(user))
            && (events.is_empty() || events.iter().any(|event| event.as_str() == entry.event))
            && actor.as_ref().is_none_or(|actor| entry.actor == *actor)
            && address.as_ref().is_none_or(|address| entry.address.as_ref() == Some(address))
            && session.is_none_or(|session| entry.session_id == Some(session))
            && from.is_none_or(|from| entry.at >= from)
            && until.is_none_or(|until| entry.at < until)
    }
}

/// The order of a list of events: that in which they became visible, or its reverse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EventOrder {
    /// The newest first: all that are visible now. An event that becomes visible later may belong before them.
    #[default]
    NewestFirst,
    /// The newest first, of those that [`EventOrder::OldestFirst`] lists.
    NewestSettledFirst,
    /// The oldest first, of those before which no other event can appear any more. A reader that goes on after the
    /// last one misses none: an event whose transaction stays open is listed later, and so are all that follow it.
    OldestFirst,
}

/// The position of an event in that order. Its text is for stores alone to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventCursor {
    /// The transaction, where commits come out of the order of the ids; otherwise 0.
    pub(super) transaction: u64,
    /// The event's number.
    pub(super) id: i64,
}

impl EventCursor {
    /// The position that this text stands for.
    pub fn parse(text: &str) -> Option<Self> {
        let (transaction, id) = text.split_once('-')?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits(transaction) || !digits(id) {
            return None;
        }
        Some(Self { transaction: u64::from_str_radix(transaction, 16).ok()?, id: i64::from_str_radix(id, 16).ok()? })
    }
}

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.transaction, self.id)
    }
}

/// A text.
impl JsonSchema for EventCursor {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "EventCursor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// The text that `Display` shows.
impl Serialize for EventCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An event as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EventEntry {
    /// Its position.
    pub cursor: EventCursor,
    /// When it happened.
    pub at: Timestamp,
    /// What happened: the name of an [`Event`], also of a newer program's.
    #[schemars(description = "What happened: the name of an event, also of a newer program's.")]
    pub event: String,
    /// Who did it, as [`Actor`](crate::domain::audit::Actor) is displayed.
    #[schemars(description = "Who did it: `user:17`, `cli`, `system`, `anonymous`.")]
    pub actor: String,
    /// The user concerned.
    pub user_id: Option<UserId>,
    /// The session concerned.
    pub session_id: Option<SessionId>,
    /// The client's address.
    pub address: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// The request's id in the log.
    pub request_id: Option<String>,
    /// More about it.
    pub detail: Option<Value>,
    /// How many events it stands for.
    pub count: u64,
}

/// A list of events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventList {
    /// Those that were found.
    pub events: Vec<EventEntry>,
    /// The search stopped at this event before it had found enough: those that come after it have not been looked at. A
    /// list of those goes on. `None`: it found enough, or there are no more.
    pub unsearched: Option<EventPosition>,
}

impl From<Vec<EventEntry>> for EventList {
    /// All that a search could find.
    fn from(events: Vec<EventEntry>) -> Self {
        Self { events, unsearched: None }
    }
}

/// An event at which a search stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPosition {
    /// Its position.
    pub cursor: EventCursor,
    /// When it happened.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_from_its_text_and_nothing_else_does() {
        for (transaction, id) in [(0, 0), (0, 17), (u64::MAX, i64::MAX)] {
            let cursor = EventCursor { transaction, id };
            assert_eq!(EventCursor::parse(&cursor.to_string()), Some(cursor));
        }
        for text in ["", "-", "1", "1-", "-1", "1-+1", "1--1", "g-1", "1-1-1", "1-ffffffffffffffff", " 1-1"] {
            assert_eq!(EventCursor::parse(text), None, "{text:?}");
        }
    }
}
