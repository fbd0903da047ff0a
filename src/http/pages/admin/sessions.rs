//! Sessions: search for them, look at one, end one.

use askama::Template;

use super::HOME;
use super::request::{Answer, PageRequest, redirect, show};
use super::rows::{Further, SessionRow};
use crate::domain::dialect::Dialect;
use crate::domain::session::SessionKind;
use crate::http::admin::sessions;
use crate::http::pages::form::Form;
use crate::http::pages::layout::Layout;
use crate::http::pages::sign_in::is_below;
use crate::http::pages::words;
use crate::service::admin::desk::Length;

pub(super) const SESSIONS: &str = "/admin/sessions/";

/// The options of a choice among the kinds of sessions: the name and the words of each.
pub(super) fn kinds() -> Vec<(&'static str, &'static str)> {
    let dialects = Dialect::ALL.into_iter().map(SessionKind::Dialect);
    dialects.chain(SessionKind::APART).map(|kind| (kind.as_str(), words::kind(kind))).collect()
}

#[derive(Template)]
#[template(path = "admin/sessions.html")]
struct Sessions {
    layout: Layout,
    form: Form,
    kinds: Vec<(&'static str, &'static str)>,
    rows: Vec<SessionRow>,
    /// The path of this page, to which the forms of its rows return.
    back: String,
    /// The conditions, for ending all sessions that match them.
    conditions: String,
    further: Further,
}

pub(super) async fn list(mut request: PageRequest) -> Answer {
    let layout = request.layout_after_action("Sessions", SESSIONS);
    let form = Form::of(&request.call.fields);
    let query = sessions::read_query(&mut request.call.fields);
    let is_any = query.matching.is_any();
    let found = match request.call.finish() {
        Ok(()) => sessions::find(&request.call, query).await,
        Err(refusal) => Err(refusal),
    };
    let (form, found) = form.accept(found)?;
    show(&Sessions {
        layout,
        kinds: kinds(),
        back: format!("{SESSIONS}?{}", form.query(&[])),
        conditions: if is_any { String::new() } else { form.conditions() },
        further: Further::of(&request, &form, SESSIONS, &found),
        rows: SessionRow::all(&request, found.page.results),
        form,
    })
}

#[derive(Template)]
#[template(path = "admin/session.html")]
struct OneSession {
    layout: Layout,
    row: SessionRow,
}

pub(super) async fn one(mut request: PageRequest) -> Answer {
    let layout = request.layout_after_action("Session", SESSIONS);
    request.call.finish()?;
    let id = request.call.session_id()?;
    let entry = request.call.run(Length::Short, move |admin| admin.session_entry(id)).await?;
    let row = SessionRow::of(&request, entry);
    show(&OneSession { layout, row })
}

/// Ends a session, and returns to the page with its row.
pub(super) async fn end(mut request: PageRequest) -> Answer {
    let back = request.call.fields.text("back").filter(|path| is_below(HOME, path));
    request.call.finish()?;
    sessions::end_named(&request.call).await?;
    let back = back.unwrap_or_else(|| SESSIONS.to_owned());
    let separator = if back.contains('?') { '&' } else { '?' };
    let done = if back.starts_with("/admin/tokens/") { "token-ended" } else { "session-ended" };
    redirect(&format!("{back}{separator}done={done}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use crate::http::pages::admin::SECTION;
    use crate::http::pages::assets::Assets;
    use crate::http::pages::relative_time::RelativeTime;

    fn page(further: Further) -> String {
        let layout = Layout::new(SECTION, &Assets::below("/admin/assets/"));
        let (form, conditions) = (Form::default(), "device=curl".to_owned());
        let page =
            Sessions { layout, form, kinds: kinds(), rows: Vec::new(), back: String::new(), conditions, further };
        page.render().expect("a page")
    }

    #[test]
    fn a_search_that_stopped_is_not_taken_for_one_that_found_nothing() {
        let (next, at) = (Some("/admin/sessions/?cursor=1".to_owned()), Timestamp::parse("2026-01-02T03:04:05Z"));
        let stopped_at = at.map(|at| RelativeTime::of(at, at));
        let stopped = page(Further { next, stopped_at });
        assert!(
            stopped.contains("No session matches so far.") && !stopped.contains("No session matches."),
            "{stopped}"
        );
        assert!(
            stopped.contains("2026-01-02 03:04:05 UTC") && stopped.contains("have not been searched yet"),
            "{stopped}"
        );
        assert!(stopped.contains("href=\"/admin/sessions/?cursor=1\">Search further back<"), "{stopped}");
        let ended = page(Further::default());
        assert!(ended.contains("No session matches.") && !ended.contains("searched yet"), "{ended}");
    }
}
