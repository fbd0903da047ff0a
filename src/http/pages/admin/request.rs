//! A request for a page after it was judged, as handlers see it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::{AdminPages, SECTION};
use crate::domain::time::Timestamp;
use crate::http::admin::call::Call;
use crate::http::admin::error::ApiError;
use crate::http::pages::frame::{Frame, Viewer};
use crate::http::pages::reply;
use crate::http::pages::site::Visit;
use crate::http::pages::when::When;

/// The page, or why there is none.
pub(super) type Answer = Result<HttpResponse, ApiError>;

/// A request whose host, origin, cookie and form are good.
pub(super) struct Asked {
    /// As a request to the API: its administrator and its fields.
    pub(super) call: Call,
    pub(super) pages: AdminPages,
    pub(super) visit: Visit,
    /// `None` before signing in.
    pub(super) viewer: Option<Viewer>,
}

impl Asked {
    /// What stands around a page with this title, below this link of the navigation.
    pub(super) fn frame(&self, title: impl Into<String>, current: &'static str) -> Frame {
        let frame = Frame::new(SECTION, self.pages.assets(), title);
        Frame { current, viewer: self.viewer.clone(), ..frame }
    }

    /// The same after an act, which the path of the page tells.
    pub(super) fn frame_after_act(&mut self, title: impl Into<String>, current: &'static str) -> Frame {
        let done = self.call.fields.text("done");
        let notice = done.and_then(|done| NOTICES.iter().find(|(name, _)| *name == done)).map(|(_, words)| *words);
        Frame { notice, ..self.frame(title, current) }
    }

    /// A time, seen from now.
    pub(super) fn when(&self, time: Timestamp) -> When {
        When::of(time, self.call.auth().now())
    }
}

/// What was done, by the name that stands in the path of the page after it: no text comes from a path.
const NOTICES: &[(&str, &str)] = &[
    ("activated", "The user can log in again. Sessions from before stay ended."),
    ("deactivated", "The user is deactivated, and all sessions of the user are over."),
    ("sessions-ended", "All sessions of the user are over."),
    ("session-ended", "The session is over."),
    ("token-ended", "The token is good no longer."),
    ("forgiven", "The wrong passwords are forgiven on this node."),
    ("key-rotated", "A new key takes over. What the old one signed stays good."),
];

/// 200 with this page.
pub(super) fn show(template: &impl Template) -> Answer {
    Ok(reply::page(reply::begin(StatusCode::OK), template))
}

/// The page that an act leads to.
pub(super) fn go(location: &str) -> Answer {
    Ok(reply::see_other(location).finish())
}
