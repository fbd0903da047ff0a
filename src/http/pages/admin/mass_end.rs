//! The end of all sessions that meet conditions: first a dry run that counts them, then the end of no more than that. Both
//! take as long as there are sessions, so they run in the background, and pages say how far they are.

use actix_web::HttpResponseBuilder;
use actix_web::http::StatusCode;
use askama::Template;

use super::background::{About, Job, Jobs};
use super::request::{Answer, Asked, go, show as show_page};
use super::rows::SessionRow;
use super::sessions::{SESSIONS, kinds};
use crate::domain::time::Timestamp;
use crate::http::admin::error::ApiError;
use crate::http::admin::fields::Fields;
use crate::http::admin::sessions::read_match;
use crate::http::pages::filled::{Form, Outcome, mend};
use crate::http::pages::frame::Frame;
use crate::http::pages::reply;
use crate::http::pages::words::{counted, grouped};
use crate::service::admin::{DryRun, SessionMatch, Shown};

/// Where sessions are counted and ended.
const HERE: &str = "/admin/sessions/end/";

/// Where the end is followed.
const RESULT: &str = "/admin/sessions/end/result/";

/// The field by which a page asks again for a count that it has begun.
const COUNTING: &str = "counting";

/// The counts and the ends that pages have begun.
#[derive(Default)]
pub(super) struct MassEnds {
    counts: Jobs<Option<DryRun>>,
    ends: Jobs<u64>,
}

#[derive(Template)]
#[template(path = "admin/mass_end.html")]
struct MassEnd {
    frame: Frame,
    form: Form,
    kinds: Vec<(&'static str, &'static str)>,
    found: Option<Found>,
    under_way: Option<UnderWay>,
}

/// What a dry run has found.
struct Found {
    words: String,
    count: u64,
    moment: String,
    sample: Vec<SessionRow>,
}

/// Work that is not done yet.
struct UnderWay {
    /// How far it is.
    words: String,
    /// The path to look again.
    again: String,
    /// After how many seconds browsers do so.
    after: u64,
}

impl UnderWay {
    fn begin_reply(&self) -> HttpResponseBuilder {
        reply::refresh(reply::begin(StatusCode::OK), self.after, &self.again)
    }
}

#[derive(Template)]
#[template(path = "admin/mass_ended.html")]
struct Ended {
    frame: Frame,
    state: State,
}

/// How far an end is.
enum State {
    Done(String),
    UnderWay(UnderWay),
    /// Another node does it, or it is done long since.
    NotKnown,
}

/// The conditions, and what meets them. It counts anew, unless the page itself asks again.
pub(super) async fn show(mut asked: Asked) -> Answer {
    let mut form = Form::of(&asked.call.fields);
    form.without(&[COUNTING]);
    let matching = read_match(&mut asked.call.fields);
    let is_again = asked.call.fields.flag(COUNTING).unwrap_or(false);
    match asked.call.finish() {
        Ok(()) if matching.is_any() => page(&asked, form, Counted::Nothing, None),
        Ok(()) => {
            let counted = count(&asked, &matching, is_again).await?;
            let again = format!("{HERE}?{}", form.query(&[(COUNTING, "true")]));
            page(&asked, form, counted, Some(again))
        }
        Err(refusal) => page(&asked, form, Counted::Done(Err(refusal)), None),
    }
}

/// A dry run as far as it is.
enum Counted {
    /// There are no conditions.
    Nothing,
    UnderWay {
        so_far: u64,
        next_look: u64,
    },
    Done(Result<DryRun, ApiError>),
}

/// Begins to count, or looks at a count that was begun, and waits a moment for it.
async fn count(asked: &Asked, matching: &SessionMatch, is_again: bool) -> Result<Counted, ApiError> {
    let (counts, now) = (&asked.pages.mass_ends().counts, asked.call.auth().now());
    let about = About::of(asked, name_of(matching, None)?)?;
    let known = if is_again { counts.find(&about, now) } else { None };
    let job = match known {
        Some(job) => job,
        None => counts.begin(about, now, || {
            let matching = matching.clone();
            Job::begin(&asked.call, move |admin, progress| {
                admin.dry_run_watched(&matching, &mut |so_far| progress.set(so_far))
            })
        })?,
    };
    Ok(match job.wait().await {
        Some(Ok(Some(found))) => Counted::Done(Ok(found)),
        Some(Err(refusal)) => Counted::Done(Err(refusal)),
        // It gave way to a newer one, which the next page finds.
        Some(Ok(None)) | None => Counted::UnderWay { so_far: job.so_far(), next_look: job.next_look() },
    })
}

/// What jobs about this are found by.
fn name_of(matching: &SessionMatch, shown: Option<Shown>) -> Result<String, ApiError> {
    let shown = shown.map(|shown| (shown.moment, shown.count));
    serde_json::to_string(&(matching, shown)).map_err(|error| ApiError::unavailable(&error))
}

/// What the end was asked for: the conditions, and what was shown of them.
fn read_end(fields: &mut Fields) -> (SessionMatch, Option<Timestamp>, Option<u64>) {
    let matching = read_match(fields);
    let count = fields.number("count", 0..=i64::MAX).map(i64::unsigned_abs);
    (matching, fields.time("moment"), count)
}

/// Begins to end them, and leads to the page that follows it: whoever opens that once more ends nothing again.
pub(super) async fn end(mut asked: Asked) -> Answer {
    let form = Form::of(&asked.call.fields);
    let fields = &mut asked.call.fields;
    let (matching, moment, count) = read_end(fields);
    let moment = fields.require("moment", moment).unwrap_or(Timestamp::EPOCH);
    let count = fields.require("count", count).unwrap_or(0);
    asked.call.finish()?;
    let shown = Shown { moment, count };
    let (MassEnds { counts, ends }, now) = (asked.pages.mass_ends(), asked.call.auth().now());
    let about = About::of(&asked, name_of(&matching, Some(shown))?)?;
    let has_failed = |job: &Job<u64>| job.outcome().is_some_and(|outcome| outcome.is_err());
    // A form that is sent twice is one act. After an error, the same form ends the rest.
    if ends.find(&about, now).is_none_or(|job| has_failed(&job)) {
        // What was counted is true no longer.
        counts.forget(&About::of(&asked, name_of(&matching, None)?)?);
        ends.begin(about, now, || {
            Job::begin(&asked.call, move |admin, progress| {
                // What was begun is done, whoever looks.
                admin.end_filtered(&matching, shown, &mut |so_far| {
                    let _ = progress.set(so_far);
                })
            })
        })?;
    }
    go(&format!("{RESULT}?{}", form.query(&[])))
}

/// How far the end is, or its result. If there were more than were shown, it shows them anew.
pub(super) async fn result(mut asked: Asked) -> Answer {
    let mut form = Form::of(&asked.call.fields);
    let again = format!("{RESULT}?{}", form.query(&[]));
    let (matching, moment, count) = read_end(&mut asked.call.fields);
    asked.call.finish()?;
    let shown = moment.zip(count).map(|(moment, count)| Shown { moment, count });
    let about = About::of(&asked, name_of(&matching, shown)?)?;
    let known = asked.pages.mass_ends().ends.find(&about, asked.call.auth().now());
    let Some((job, Shown { count, .. })) = known.zip(shown) else { return ended(&asked, State::NotKnown) };
    let Some(outcome) = job.wait().await else {
        let words = format!("Ended {} of {} so far.", grouped(job.so_far()), grouped(count));
        return ended(&asked, State::UnderWay(UnderWay { words, again, after: job.next_look() }));
    };
    match mend(outcome)? {
        Outcome::Done(number) => ended(&asked, State::Done(counted(number, "session"))),
        Outcome::Wrong(refusal) => {
            form.without(&["moment", "count"]);
            let found = self::count(&asked, &matching, true).await?;
            page(&asked, form.refused(&refusal), found, Some(again))
        }
    }
}

fn page(asked: &Asked, form: Form, counted_so: Counted, again: Option<String>) -> Answer {
    let frame = asked.frame("End many sessions", SESSIONS);
    let mut page = MassEnd { frame, form, kinds: kinds(), found: None, under_way: None };
    match counted_so {
        Counted::Nothing => {}
        Counted::UnderWay { so_far, next_look } => {
            let words = format!("Counting… {} so far.", grouped(so_far));
            let work = UnderWay { words, again: again.unwrap_or_default(), after: next_look };
            let builder = work.begin_reply();
            page.under_way = Some(work);
            return Ok(reply::page(builder, &page));
        }
        Counted::Done(outcome) => match mend(outcome)? {
            Outcome::Done(DryRun { moment, count, sample }) => {
                page.found = Some(Found {
                    words: counted(count, "live session"),
                    count,
                    moment: moment.to_string(),
                    sample: SessionRow::all(asked, sample),
                });
            }
            Outcome::Wrong(refusal) => page.form = page.form.refused(&refusal),
        },
    }
    show_page(&page)
}

fn ended(asked: &Asked, state: State) -> Answer {
    let (title, builder) = match &state {
        State::Done(_) => ("Sessions ended", reply::begin(StatusCode::OK)),
        State::UnderWay(work) => ("Sessions are being ended", work.begin_reply()),
        State::NotKnown => ("End many sessions", reply::begin(StatusCode::OK)),
    };
    Ok(reply::page(builder, &Ended { frame: asked.frame(title, SESSIONS), state }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pages::admin::SECTION;
    use crate::http::pages::assets::Assets;

    #[test]
    fn work_under_way_says_how_far_it_is_and_is_looked_at_again() {
        let again = "/admin/sessions/end/?counting=true&user=2".to_owned();
        let work = || UnderWay { words: "Counting… 1,000 so far.".to_owned(), again: again.clone(), after: 5 };
        let frame = || Frame::new(SECTION, &Assets::below("/admin/assets/"), "End many sessions");
        let reply = work().begin_reply().finish();
        let refresh = reply.headers().get("refresh").expect("a header");
        assert_eq!(refresh, "5; url=/admin/sessions/end/?counting=true&user=2");
        let under_way = Some(work());
        let counting = MassEnd { frame: frame(), form: Form::default(), kinds: kinds(), found: None, under_way };
        let ending = Ended { frame: frame(), state: State::UnderWay(work()) };
        for page in [counting.render(), ending.render()] {
            let page = page.expect("a page");
            assert!(page.contains("<p role=\"status\">Counting… 1,000 so far.</p>"), "{page}");
            assert!(page.contains("counting=true&#38;user=2\">look again</a>"), "{page}");
            assert!(!page.contains("name=\"moment\""), "nothing can be ended yet: {page}");
        }
    }
}
