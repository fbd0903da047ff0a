//! Sessions: search, look at one, end one.

use askama::Template;

use super::HOME;
use super::request::{Answer, Asked, go, show};
use super::rows::{Further, SessionRow};
use crate::domain::dialect::Dialect;
use crate::domain::session::SessionKind;
use crate::http::admin::sessions;
use crate::http::pages::filled::{Form, Outcome, mend};
use crate::http::pages::frame::Frame;
use crate::http::pages::sign_in::is_below;
use crate::http::pages::words;
use crate::service::admin::desk::Length;

pub(super) const SESSIONS: &str = "/admin/sessions/";

/// The kinds of sessions, for a choice: the name and the words of each.
pub(super) fn kinds() -> Vec<(&'static str, &'static str)> {
    let dialects = Dialect::ALL.into_iter().map(SessionKind::Dialect);
    dialects.chain(SessionKind::APART).map(|kind| (kind.as_str(), words::kind(kind))).collect()
}

#[derive(Template)]
#[template(path = "admin/sessions.html")]
struct Sessions {
    frame: Frame,
    form: Form,
    kinds: Vec<(&'static str, &'static str)>,
    rows: Vec<SessionRow>,
    /// This page, for the forms of the rows.
    back: String,
    /// The conditions, for the end of all that meet them.
    conditions: String,
    further: Further,
}

pub(super) async fn list(mut asked: Asked) -> Answer {
    let frame = asked.frame_after_act("Sessions", SESSIONS);
    let form = Form::of(&asked.call.fields);
    let query = sessions::read_query(&mut asked.call.fields);
    let is_any = query.matching.is_any();
    let found = match asked.call.finish() {
        Ok(()) => sessions::find(&asked.call, query).await,
        Err(refusal) => Err(refusal),
    };
    let mut page = Sessions {
        frame,
        kinds: kinds(),
        rows: Vec::new(),
        back: format!("{SESSIONS}?{}", form.query(&[])),
        conditions: String::new(),
        further: Further::default(),
        form,
    };
    match mend(found)? {
        Outcome::Done(found) => {
            page.further = Further::of(&asked, &page.form, SESSIONS, &found);
            page.rows = SessionRow::all(&asked, found.page.results);
            if !is_any {
                page.conditions = page.form.conditions();
            }
        }
        Outcome::Wrong(refusal) => page.form = page.form.refused(&refusal),
    }
    show(&page)
}

#[derive(Template)]
#[template(path = "admin/session.html")]
struct OneSession {
    frame: Frame,
    row: SessionRow,
}

pub(super) async fn one(mut asked: Asked) -> Answer {
    let frame = asked.frame_after_act("Session", SESSIONS);
    asked.call.finish()?;
    let id = asked.call.session_id()?;
    let entry = asked.call.run(Length::Short, move |admin| admin.session_entry(id)).await?;
    let row = SessionRow::of(&asked, entry);
    show(&OneSession { frame, row })
}

/// Ends one, and leads back to the page that it stands on.
pub(super) async fn end(mut asked: Asked) -> Answer {
    let back = asked.call.fields.text("back").filter(|path| is_below(HOME, path));
    asked.call.finish()?;
    sessions::end_named(&asked.call).await?;
    let back = back.unwrap_or_else(|| SESSIONS.to_owned());
    let sign = if back.contains('?') { '&' } else { '?' };
    let done = if back.starts_with("/admin/tokens/") { "token-ended" } else { "session-ended" };
    go(&format!("{back}{sign}done={done}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use crate::http::pages::admin::SECTION;
    use crate::http::pages::assets::Assets;
    use crate::http::pages::when::When;

    fn page(further: Further) -> String {
        let frame = Frame::new(SECTION, &Assets::below("/admin/assets/"), "Sessions");
        let (form, conditions) = (Form::default(), "device=curl".to_owned());
        let page = Sessions { frame, form, kinds: kinds(), rows: Vec::new(), back: String::new(), conditions, further };
        page.render().expect("a page")
    }

    #[test]
    fn a_search_that_stopped_is_not_taken_for_one_that_found_nothing() {
        let (next, at) = (Some("/admin/sessions/?cursor=1".to_owned()), Timestamp::parse("2026-01-02T03:04:05Z"));
        let stopped_at = at.map(|at| When::of(at, at));
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
