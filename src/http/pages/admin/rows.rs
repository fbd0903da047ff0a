//! Rows of lists as pages show them.

use super::request::Asked;
use crate::domain::session::SessionEntry;
use crate::http::admin::page::Found;
use crate::http::pages::device;
use crate::http::pages::filled::Form;
use crate::http::pages::when::When;
use crate::http::pages::words;

/// What comes after the sessions of a page.
#[derive(Default)]
pub(super) struct Further {
    /// The path of the next page, if there is one.
    pub(super) next: Option<String>,
    /// The search stopped before the page was full: rows from before this time have not been looked at.
    pub(super) stopped_at: Option<When>,
}

impl Further {
    /// After what was found by this form at this path.
    pub(super) fn of<T>(asked: &Asked, form: &Form, path: &str, found: &Found<T>) -> Self {
        Self { next: form.next(path, found.page.next.as_ref()), stopped_at: found.stopped_at.map(|at| asked.when(at)) }
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
    pub(super) seen: When,
    pub(super) created: When,
    pub(super) expires: Option<When>,
    /// Why and when it ended.
    pub(super) over: Option<String>,
    /// Whether it is that of the page itself.
    pub(super) is_own: bool,
}

impl SessionRow {
    pub(super) fn of(asked: &Asked, entry: SessionEntry) -> Self {
        let own = asked.call.acting().ok().map(|acting| acting.who.session.id);
        let reason = || entry.end_reason.map_or("ended", words::of_event);
        let over = entry.session.ended.map(|ended| format!("{}, {}", reason(), asked.when(ended).words));
        Self {
            id: entry.session.id.to_string(),
            user: entry.user_id.0,
            username: entry.username,
            device: device::in_words(entry.user_agent.as_deref()),
            agent: entry.user_agent,
            kind: words::kind(entry.session.kind),
            name: entry.name,
            address: entry.address.unwrap_or_else(|| "not known".to_owned()),
            seen: asked.when(entry.session.last_seen),
            created: asked.when(entry.session.created),
            expires: entry.expires.map(|expires| asked.when(expires)),
            over,
            is_own: own == Some(entry.session.id),
        }
    }

    /// All of a page.
    pub(super) fn all(asked: &Asked, entries: Vec<SessionEntry>) -> Vec<Self> {
        entries.into_iter().map(|entry| Self::of(asked, entry)).collect()
    }
}
