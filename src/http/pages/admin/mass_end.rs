//! The end of all sessions that meet conditions: first a dry run that counts them, then the end of no more than that.

use askama::Template;

use super::request::{Answer, Asked, show as show_page};
use super::rows::SessionRow;
use super::sessions::{SESSIONS, kinds};
use crate::domain::time::Timestamp;
use crate::http::admin::error::ApiError;
use crate::http::admin::sessions::read_match;
use crate::http::pages::filled::{Form, Outcome, mend};
use crate::http::pages::frame::Frame;
use crate::http::pages::words::counted;
use crate::service::admin::desk::Length;
use crate::service::admin::{Admin, DryRun, SessionMatch, Shown};

#[derive(Template)]
#[template(path = "admin/mass_end.html")]
struct MassEnd {
    frame: Frame,
    form: Form,
    kinds: Vec<(&'static str, &'static str)>,
    found: Option<Found>,
}

/// What a dry run has found.
struct Found {
    words: String,
    count: u64,
    moment: String,
    sample: Vec<SessionRow>,
}

#[derive(Template)]
#[template(path = "admin/mass_ended.html")]
struct Ended {
    frame: Frame,
    words: String,
}

/// The conditions, and what meets them.
pub(super) async fn show(mut asked: Asked) -> Answer {
    let form = Form::of(&asked.call.fields);
    let matching = read_match(&mut asked.call.fields);
    let checked = asked.call.finish();
    let is_any = matching.is_any();
    let outcome = match checked {
        Ok(()) if is_any => Ok(None),
        Ok(()) => dry_run(&asked, matching).await.map(Some),
        Err(refusal) => Err(refusal),
    };
    match mend(outcome)? {
        Outcome::Done(found) => page(&asked, form, found),
        Outcome::Wrong(refusal) => page(&asked, form.refused(&refusal), None),
    }
}

/// Ends them. If there are more than were shown, it shows them anew.
pub(super) async fn end(mut asked: Asked) -> Answer {
    let mut form = Form::of(&asked.call.fields);
    let fields = &mut asked.call.fields;
    let matching = read_match(fields);
    let moment = fields.time("moment");
    let moment = fields.require("moment", moment).unwrap_or(Timestamp::EPOCH);
    let count = fields.number("count", 0..=i64::MAX);
    let count = fields.require("count", count).unwrap_or(0).unsigned_abs();
    asked.call.finish()?;
    form.without(&["moment", "count"]);
    let (wanted, shown) = (matching.clone(), Shown { moment, count });
    let end = move |admin: &Admin| admin.end_filtered(&wanted, shown, &mut |_| {});
    match mend(asked.call.run(Length::Long, end).await)? {
        Outcome::Done(ended) => {
            let words = counted(ended, "session");
            show_page(&Ended { frame: asked.frame("Sessions ended", SESSIONS), words })
        }
        Outcome::Wrong(refusal) => {
            let found = dry_run(&asked, matching).await?;
            page(&asked, form.refused(&refusal), Some(found))
        }
    }
}

async fn dry_run(asked: &Asked, matching: SessionMatch) -> Result<Found, ApiError> {
    let found = asked.call.run(Length::Long, move |admin| admin.dry_run(&matching)).await?;
    let DryRun { moment, count, sample } = found;
    Ok(Found {
        words: counted(count, "live session"),
        count,
        moment: moment.to_string(),
        sample: SessionRow::all(asked, sample),
    })
}

fn page(asked: &Asked, form: Form, found: Option<Found>) -> Answer {
    show_page(&MassEnd { frame: asked.frame("End many sessions", SESSIONS), form, kinds: kinds(), found })
}
