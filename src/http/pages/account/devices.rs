//! The first page: where the user is signed in, and the end of that.

use askama::Template;

use super::HOME;
use super::request::{Answer, Asked, show};
use super::routes::Where;
use crate::domain::session::{SessionEntry, SessionId, SessionKind};
use crate::http::admin::error::ApiError;
use crate::http::pages::device;
use crate::http::pages::frame::Frame;
use crate::http::pages::when::When;

/// How many sessions a page has.
const ROWS: u32 = 50;

struct DeviceRow {
    id: String,
    /// In words.
    device: String,
    /// What the session is for, or how its client calls it.
    about: Option<String>,
    address: String,
    seen: When,
    since: When,
    /// Whether it is that of this page.
    is_current: bool,
}

#[derive(Template)]
#[template(path = "account/devices.html")]
struct Devices {
    frame: Frame,
    rows: Vec<DeviceRow>,
    /// Whether there are others than the current one.
    has_others: bool,
    /// Whether passwords are changed here.
    has_passwords: bool,
    next: Option<String>,
    /// Whether the search stopped before the page was full.
    has_stopped: bool,
}

pub(super) async fn list(mut asked: Asked) -> Answer {
    let frame = asked.frame_after_act("Your devices", HOME);
    let after = asked.fields.parsed("cursor", "where a page begins", SessionId::parse);
    asked.finish()?;
    let page = asked.auth().own_sessions(asked.who()?, after, ROWS).await?;
    let (current, has_stopped) = (asked.who()?.session.id, page.has_stopped);
    let next = page.next.map(|next| format!("{}?cursor={next}", asked.pages.path(HOME)));
    let rows: Vec<_> = page.sessions.into_iter().map(|entry| row(&asked, entry, current)).collect();
    let has_others = after.is_some() || next.is_some() || rows.iter().any(|row| !row.is_current);
    let has_passwords = asked.pages.has(Where::WithPasswords);
    show(&Devices { frame, rows, has_others, has_passwords, next, has_stopped })
}

/// Ends one. Who ends the session of this page has signed out.
pub(super) async fn end(mut asked: Asked) -> Answer {
    asked.finish()?;
    let id = asked.request.match_info().get("id").and_then(SessionId::parse).ok_or_else(ApiError::not_found)?;
    let ended = asked.auth().end_own_session(asked.who()?, id, asked.origin()).await?;
    asked.go(&format!("{HOME}?done={}", if ended { "session-ended" } else { "no-such-session" }))
}

pub(super) async fn end_others(mut asked: Asked) -> Answer {
    asked.finish()?;
    asked.auth().end_other_sessions(asked.who()?, asked.origin()).await?;
    asked.go(&format!("{HOME}?done=others-ended"))
}

fn row(asked: &Asked, entry: SessionEntry, current: SessionId) -> DeviceRow {
    DeviceRow {
        id: entry.session.id.to_string(),
        device: device::in_words(entry.user_agent.as_deref()),
        about: about(entry.session.kind, entry.name),
        address: entry.address.unwrap_or_else(|| "not known".to_owned()),
        seen: asked.when(entry.session.last_seen),
        since: asked.when(entry.session.created),
        is_current: entry.session.id == current,
    }
}

/// Names of dialects say nothing to users.
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
