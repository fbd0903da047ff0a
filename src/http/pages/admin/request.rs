//! A request for a page that has passed the checks, as handlers see it.

use super::AdminPages;
use crate::domain::time::Timestamp;
use crate::http::admin::call::Call;
pub(super) use crate::http::admin::reply::Answer;
use crate::http::pages::layout::{Layout, Viewer, notice};
use crate::http::pages::relative_time::RelativeTime;
pub(super) use crate::http::pages::reply::{redirect, show};
use crate::http::pages::site::Visit;

/// A request whose host, origin, cookie and form token are right.
pub struct PageRequest {
    /// The same as a request to the API, with its administrator and its fields.
    pub(super) call: Call,
    pub(super) pages: AdminPages,
    pub(super) visit: Visit,
    /// `None` before signing in.
    pub(super) viewer: Option<Viewer>,
}

impl PageRequest {
    /// The layout of a page with this title, below this link of the navigation.
    pub(super) fn layout(&self, title: impl Into<String>, current: &'static str) -> Layout {
        Layout { title: title.into(), current, ..self.pages.set.layout(self.viewer.clone()) }
    }

    /// The same, with a notice about the action that led to this page.
    pub(super) fn layout_after_action(&mut self, title: impl Into<String>, current: &'static str) -> Layout {
        Layout { notice: self.notice(), ..self.layout(title, current) }
    }

    /// The notice about the action that led to this page.
    pub(super) fn notice(&mut self) -> Option<&'static str> {
        notice(&mut self.call.fields, NOTICES)
    }

    /// A time, relative to now.
    pub(super) fn when(&self, time: Timestamp) -> RelativeTime {
        RelativeTime::of(time, self.call.auth().now())
    }
}

/// Notices about actions, by their names in the query of the page that follows.
const NOTICES: &[(&str, &str)] = &[
    ("sign-out", "You have signed out."),
    ("activated", "The user can log in again. Earlier sessions stay ended."),
    ("deactivated", "The user is deactivated, and all sessions of the user have ended."),
    ("sessions-ended", "All sessions of the user have ended."),
    ("session-ended", "The session has ended."),
    ("token-ended", "The token is no longer valid."),
    ("cleared", "The counters on this node are cleared."),
    ("key-rotated", "A new key takes over. What the old one signed stays valid."),
];
