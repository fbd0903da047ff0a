//! What a user sees of the audit events about itself.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::domain::audit::Actor;
use crate::domain::session::{SessionId, Verified};
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;
use crate::service::{Auth, Unavailable};
use crate::store::{EventCursor, EventEntry, EventFilter};

/// A page of a user's own events, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OwnEvents {
    /// The events.
    pub results: Vec<OwnEvent>,
    /// Where the next page begins; `None`: this is the last one.
    pub next: Option<EventCursor>,
}

/// An event about a user, as that user sees it. Of an administrator or a registered client it shows nothing but that it
/// was one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OwnEvent {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: String,
    /// Who did it: `self`, `admin`, `client` for a registered client, `system`, or `anonymous` for somebody who did not
    /// prove who it is.
    pub actor: &'static str,
    /// The session concerned.
    pub session: Option<SessionId>,
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

impl Auth {
    /// Whether the users are those of another system.
    pub fn has_user_provider(&self) -> bool {
        self.inner.provider.is_some()
    }

    /// The events about the user `who`, after the position `after`, at most `limit`.
    ///
    /// # Errors
    /// When the store could not be asked.
    pub async fn own_events(
        &self,
        who: &Verified,
        after: Option<EventCursor>,
        limit: u32,
    ) -> Result<OwnEvents, Unavailable> {
        let user = who.user.id;
        // One more, which tells whether there is a next page. An index leads to them, and each matches: it never stops.
        let filter = EventFilter { user: Some(user), after, limit: limit.saturating_add(1), ..EventFilter::default() };
        let mut entries = self.read(move |connection| connection.list_events(&filter)).await?.events;
        let size = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = entries.len() > size;
        entries.truncate(size);
        let next = entries.last().filter(|_| has_more).map(|last| last.cursor);
        Ok(OwnEvents { results: entries.into_iter().map(|entry| own(entry, user)).collect(), next })
    }
}

fn own(entry: EventEntry, user: UserId) -> OwnEvent {
    let is = |actor: Actor| entry.actor == actor.to_string();
    let actor = match () {
        () if is(Actor::User(user)) => "self",
        () if is(Actor::System) => "system",
        () if is(Actor::Anonymous) => "anonymous",
        () if entry.actor.starts_with("client:") => "client",
        () => "admin",
    };
    let event = OwnEvent {
        at: entry.at,
        event: entry.event,
        actor,
        session: entry.session_id,
        address: entry.address,
        user_agent: entry.user_agent,
        request_id: entry.request_id,
        detail: entry.detail,
        count: entry.count,
    };
    if matches!(actor, "admin" | "client") {
        return OwnEvent { address: None, user_agent: None, request_id: None, detail: None, ..event };
    }
    event
}
