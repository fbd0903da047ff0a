//! Rows of lists as pages show them.

use super::request::PageRequest;
use crate::domain::session::SessionEntry;
use crate::http::admin::page::Found;
use crate::http::pages::device;
use crate::http::pages::form::Form;
use crate::http::pages::relative_time::RelativeTime;
use crate::http::pages::words;

/// What comes after the sessions of a page.
#[derive(Default)]
pub(super) struct Further {
    /// The path of the next page, if there is one.
    pub(super) next: Option<String>,
    /// The search stopped before the page was full: rows from before this time have not been searched.
    pub(super) stopped_at: Option<RelativeTime>,
}

impl Further {
    /// After what was found by this form at this path.
    pub(super) fn of<T>(request: &PageRequest, form: &Form, path: &str, found: &Found<T>) -> Self {
        Self {
            next: form.next(path, found.page.next.as_ref()),
            stopped_at: found.stopped_at.map(|at| request.when(at)),
        }
    }
}

/// A session.
pub(super) struct SessionRow {
    pub(super) id: String,
    pub(super) user: i64,
    pub(super) username: String,
    /// In words.
    pub(super) device: String,
    /// What the client says of itself.
    pub(super) agent: Option<String>,
    pub(super) kind: &'static str,
    pub(super) name: Option<String>,
    pub(super) address: String,
    pub(super) seen: RelativeTime,
    pub(super) created: RelativeTime,
    pub(super) expires: Option<RelativeTime>,
    /// Why and when it ended.
    pub(super) over: Option<String>,
    /// Whether it is that of the page itself.
    pub(super) is_own: bool,
}

impl SessionRow {
    pub(super) fn of(request: &PageRequest, entry: SessionEntry) -> Self {
        let own = request.call.acting().ok().map(|acting| acting.who.session.id);
        let reason = || entry.end_reason.map_or("ended", words::of_event);
        let over = entry.session.ended.map(|ended| format!("{}, {}", reason(), request.when(ended).words));
        Self {
            id: entry.session.id.to_string(),
            user: entry.user_id.0,
            username: entry.username,
            device: device::in_words(entry.user_agent.as_deref()),
            agent: entry.user_agent,
            kind: words::kind(entry.session.kind),
            name: entry.name,
            address: entry.address.unwrap_or_else(|| "not known".to_owned()),
            seen: request.when(entry.session.last_seen),
            created: request.when(entry.session.created),
            expires: entry.expires.map(|expires| request.when(expires)),
            over,
            is_own: own == Some(entry.session.id),
        }
    }

    /// All of a page.
    pub(super) fn all(request: &PageRequest, entries: Vec<SessionEntry>) -> Vec<Self> {
        entries.into_iter().map(|entry| Self::of(request, entry)).collect()
    }
}
