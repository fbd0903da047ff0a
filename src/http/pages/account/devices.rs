//! The first page: the devices on which the user is signed in, and signing them out.

use askama::Template;

use super::HOME;
use super::request::{Answer, PageRequest, show};
use crate::domain::session::{SessionEntry, SessionId, SessionKind};
use crate::http::admin::error::ApiError;
use crate::http::pages::device;
use crate::http::pages::layout::Layout;
use crate::http::pages::relative_time::RelativeTime;

/// The number of sessions on a page.
const ROWS: u32 = 50;

struct DeviceRow {
    id: String,
    device: String,
    /// The purpose of the session, or the name that its client gave it.
    about: Option<String>,
    address: String,
    seen: RelativeTime,
    since: RelativeTime,
    /// Whether it is the session of this page.
    is_current: bool,
}

#[derive(Template)]
#[template(path = "account/devices.html")]
struct Devices {
    layout: Layout,
    rows: Vec<DeviceRow>,
    /// Whether there are sessions besides the current one.
    has_others: bool,
    /// Whether passwords are changed here.
    has_passwords: bool,
    next: Option<String>,
    /// Whether the search stopped before the page was full.
    has_stopped: bool,
}

pub(super) async fn list(mut request: PageRequest) -> Answer {
    let layout = request.layout_after_action("Your devices", HOME);
    let after = request.fields.parsed("cursor", "a cursor", SessionId::parse);
    request.finish()?;
    let page = request.auth().own_sessions(request.who()?, after, ROWS).await?;
    let (current, has_stopped) = (request.who()?.session.id, page.has_stopped);
    let next = page.next.map(|next| format!("{}?cursor={next}", request.pages.set.home()));
    let rows: Vec<_> = page.sessions.into_iter().map(|entry| row(&request, entry, current)).collect();
    let has_others = after.is_some() || next.is_some() || rows.iter().any(|row| !row.is_current);
    let has_passwords = request.auth().has_passwords();
    show(&Devices { layout, rows, has_others, has_passwords, next, has_stopped })
}

/// Ends one session. If it is the session of this page, the user is signed out.
pub(super) async fn end(mut request: PageRequest) -> Answer {
    request.finish()?;
    let id = request.http.match_info().get("id").and_then(SessionId::parse).ok_or_else(ApiError::not_found)?;
    let ended = request.auth().end_own_session(request.who()?, id, request.origin()).await?;
    request.redirect(&format!("{HOME}?done={}", if ended { "session-ended" } else { "no-such-session" }))
}

pub(super) async fn end_others(mut request: PageRequest) -> Answer {
    request.finish()?;
    request.auth().end_other_sessions(request.who()?, request.origin()).await?;
    request.redirect(&format!("{HOME}?done=others-ended"))
}

fn row(request: &PageRequest, entry: SessionEntry, current: SessionId) -> DeviceRow {
    DeviceRow {
        id: entry.session.id.to_string(),
        device: device::in_words(entry.user_agent.as_deref()),
        about: about(entry.session.kind, entry.name),
        address: entry.address.unwrap_or_else(|| "not known".to_owned()),
        seen: request.when(entry.session.last_seen),
        since: request.when(entry.session.created),
        is_current: entry.session.id == current,
    }
}

/// The purpose and the name of a session. Names of dialects mean nothing to users.
fn about(kind: SessionKind, name: Option<String>) -> Option<String> {
    let words = match kind {
        SessionKind::Dialect(_) => None,
        SessionKind::Admin => Some("administration"),
        SessionKind::AdminScript => Some("a script, for administration"),
        SessionKind::AdminPage => Some("administration pages"),
        SessionKind::AccountPage => Some("these pages"),
    };
    match (words, name) {
        (Some(words), Some(name)) => Some(format!("{words}, {name}")),
        (words, name) => words.map(str::to_owned).or(name),
    }
}
