//! Audit events in memory, in the order in which they happened.

use super::Tables;
use crate::domain::audit::{AuditContext, Event};
use crate::domain::session::SessionId;
use crate::domain::user::UserId;
use crate::store::{EventCursor, EventEntry, EventFilter, EventOrder, NewEvent};

impl Tables {
    /// Records an event about a user.
    pub(super) fn tell(&mut self, audit: &AuditContext, user: UserId) {
        self.events.push(NewEvent { audit: audit.clone(), user: Some(user), session: None, count: 1 });
    }

    /// Records another event than that of the context.
    pub(super) fn tell_as(&mut self, event: Event, audit: &AuditContext, user: UserId) {
        self.tell(&AuditContext { event, ..audit.clone() }, user);
    }

    /// Records an event about a session.
    pub(super) fn tell_of_session(&mut self, audit: &AuditContext, user: UserId, session: SessionId) {
        self.events.push(NewEvent { audit: audit.clone(), user: Some(user), session: Some(session), count: 1 });
    }

    /// Records an event about all users, or about none.
    pub(super) fn tell_of_all(&mut self, audit: &AuditContext) {
        self.events.push(NewEvent { audit: audit.clone(), user: None, session: None, count: 1 });
    }

    pub(super) fn list_events(&self, filter: &EventFilter) -> Vec<EventEntry> {
        let numbered = self.events.iter().zip(1..).map(|(event, id)| entry(event, id));
        let fitting = numbered.filter(|entry| filter.matches(entry));
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        match filter.order {
            EventOrder::OldestFirst => {
                fitting.filter(|entry| filter.after.is_none_or(|after| entry.cursor > after)).take(limit).collect()
            }
            EventOrder::NewestFirst | EventOrder::NewestSettledFirst => {
                let before = fitting.filter(|entry| filter.after.is_none_or(|after| entry.cursor < after));
                let mut entries: Vec<_> = before.collect();
                entries.reverse();
                entries.truncate(limit);
                entries
            }
        }
    }
}

fn entry(event: &NewEvent, id: i64) -> EventEntry {
    let NewEvent { audit, user, session, count } = event;
    EventEntry {
        cursor: EventCursor { transaction: 0, id },
        at: audit.at,
        event: audit.event.as_str().to_owned(),
        actor: audit.actor.to_string(),
        user_id: *user,
        session_id: *session,
        address: audit.origin.address_text(),
        user_agent: audit.origin.user_agent.clone(),
        request_id: audit.origin.request_id.clone(),
        detail: audit.detail.clone(),
        count: *count,
    }
}
