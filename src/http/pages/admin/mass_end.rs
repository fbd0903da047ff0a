//! Ending all sessions that match conditions: first a dry run counts them, then no more than these are ended. The work
//! grows with the number of sessions, so it runs in the background, and the pages show its progress.

use actix_web::HttpResponseBuilder;
use actix_web::http::StatusCode;
use askama::Template;

use super::background::{About, Job, Jobs};
use super::request::{Answer, PageRequest, redirect, show as show_page};
use super::rows::SessionRow;
use super::sessions::{SESSIONS, kinds};
use crate::domain::time::Timestamp;
use crate::http::admin::error::ApiError;
use crate::http::admin::fields::Fields;
use crate::http::admin::sessions::read_match;
use crate::http::pages::form::{Form, split_refusals};
use crate::http::pages::layout::Layout;
use crate::http::pages::reply;
use crate::http::pages::words::{counted, grouped};
use crate::service::admin::{DryRun, SessionMatch, Shown};

/// The page where sessions are counted and ended.
const HERE: &str = "/admin/sessions/end/";

/// The page with the progress and the result of a mass end.
const RESULT: &str = "/admin/sessions/end/result/";

/// The field with which a page asks again for a count that it has begun.
const COUNTING: &str = "counting";

/// The counts and mass ends that pages have begun.
#[derive(Default)]
pub(super) struct MassEnds {
    counts: Jobs<Option<DryRun>>,
    ends: Jobs<u64>,
}

#[derive(Template)]
#[template(path = "admin/mass_end.html")]
struct MassEnd {
    layout: Layout,
    form: Form,
    kinds: Vec<(&'static str, &'static str)>,
    found: Option<Found>,
    under_way: Option<UnderWay>,
}

/// The result of a dry run.
struct Found {
    words: String,
    count: u64,
    moment: String,
    sample: Vec<SessionRow>,
}

/// Work in progress.
struct UnderWay {
    /// The progress, in words.
    words: String,
    /// The path of the page to load again.
    again: String,
    /// After how many seconds browsers load it.
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
    layout: Layout,
    state: State,
}

/// The state of a mass end.
enum State {
    Done(String),
    UnderWay(UnderWay),
    /// Another node does it, or it was done some time ago.
    NotKnown,
}

/// The conditions, and the sessions that match them. Counts them again unless the page itself asks for its count.
pub(super) async fn show(mut request: PageRequest) -> Answer {
    let mut form = Form::of(&request.call.fields);
    form.without(&[COUNTING]);
    let matching = read_match(&mut request.call.fields);
    let is_again = request.call.fields.flag(COUNTING).unwrap_or(false);
    match request.call.finish() {
        Ok(()) if matching.is_any() => page(&request, form, Counted::Nothing, None),
        Ok(()) => {
            let counted = count(&request, &matching, is_again).await?;
            let again = format!("{HERE}?{}", form.query(&[(COUNTING, "true")]));
            page(&request, form, counted, Some(again))
        }
        Err(refusal) => page(&request, form, Counted::Done(Err(refusal)), None),
    }
}

/// The state of a dry run.
enum Counted {
    /// There are no conditions.
    Nothing,
    UnderWay {
        so_far: u64,
        next_look: u64,
    },
    Done(Result<DryRun, ApiError>),
}

/// Begins a count, or finds one that was begun, and waits a moment for its result.
async fn count(request: &PageRequest, matching: &SessionMatch, is_again: bool) -> Result<Counted, ApiError> {
    let (counts, now) = (&request.pages.mass_ends.counts, request.call.auth().now());
    let about = About::of(request, name_of(matching, None)?)?;
    let known = if is_again { counts.find(&about, now) } else { None };
    let job = match known {
        Some(job) => job,
        None => counts.begin(about, now, || {
            let matching = matching.clone();
            Job::begin(&request.call, move |admin, progress| {
                admin.dry_run_watched(&matching, &mut |so_far| progress.set(so_far))
            })
        })?,
    };
    Ok(match job.wait().await {
        Some(Ok(Some(found))) => Counted::Done(Ok(found)),
        Some(Err(refusal)) => Counted::Done(Err(refusal)),
        // A newer count has replaced it, which the next page finds.
        Some(Ok(None)) | None => Counted::UnderWay { so_far: job.so_far(), next_look: job.next_look() },
    })
}

/// The name by which jobs about this are found.
fn name_of(matching: &SessionMatch, shown: Option<Shown>) -> Result<String, ApiError> {
    let shown = shown.map(|shown| (shown.moment, shown.count));
    serde_json::to_string(&(matching, shown)).map_err(|error| ApiError::unavailable(&error))
}

/// Reads the conditions of a mass end, and the moment and the count of what was shown.
fn read_end(fields: &mut Fields) -> (SessionMatch, Option<Timestamp>, Option<u64>) {
    let matching = read_match(fields);
    let count = fields.number("count", 0..=i64::MAX).map(i64::unsigned_abs);
    (matching, fields.time("moment"), count)
}

/// Begins a mass end, and redirects to the page with its progress. Opening that page again ends nothing.
pub(super) async fn end(mut request: PageRequest) -> Answer {
    let form = Form::of(&request.call.fields);
    let fields = &mut request.call.fields;
    let (matching, moment, count) = read_end(fields);
    let moment = fields.require("moment", moment).unwrap_or(Timestamp::EPOCH);
    let count = fields.require("count", count).unwrap_or(0);
    request.call.finish()?;
    let shown = Shown { moment, count };
    let (MassEnds { counts, ends }, now) = (&*request.pages.mass_ends, request.call.auth().now());
    let about = About::of(&request, name_of(&matching, Some(shown))?)?;
    let has_failed = |job: &Job<u64>| job.outcome().is_some_and(|outcome| outcome.is_err());
    // A form that is sent twice counts once. After an error, the same form ends the rest.
    if ends.find(&about, now).is_none_or(|job| has_failed(&job)) {
        // The count is no longer true.
        counts.forget(&About::of(&request, name_of(&matching, None)?)?);
        ends.begin(about, now, || {
            Job::begin(&request.call, move |admin, progress| {
                // A mass end is finished, even if nobody looks at it.
                admin.end_filtered(&matching, shown, &mut |so_far| {
                    let _ = progress.set(so_far);
                })
            })
        })?;
    }
    redirect(&format!("{RESULT}?{}", form.query(&[])))
}

/// The progress of a mass end, or its result. If there were more sessions than were shown, it shows them again.
pub(super) async fn result(mut request: PageRequest) -> Answer {
    let mut form = Form::of(&request.call.fields);
    let again = format!("{RESULT}?{}", form.query(&[]));
    let (matching, moment, count) = read_end(&mut request.call.fields);
    request.call.finish()?;
    let shown = moment.zip(count).map(|(moment, count)| Shown { moment, count });
    let about = About::of(&request, name_of(&matching, shown)?)?;
    let known = request.pages.mass_ends.ends.find(&about, request.call.auth().now());
    let Some((job, Shown { count, .. })) = known.zip(shown) else { return ended(&request, State::NotKnown) };
    let Some(outcome) = job.wait().await else {
        let words = format!("Ended {} of {} so far.", grouped(job.so_far()), grouped(count));
        return ended(&request, State::UnderWay(UnderWay { words, again, after: job.next_look() }));
    };
    match split_refusals(outcome)? {
        Ok(number) => ended(&request, State::Done(counted(number, "session"))),
        Err(refusal) => {
            form.without(&["moment", "count"]);
            let found = self::count(&request, &matching, true).await?;
            page(&request, form.refused(&refusal), found, Some(again))
        }
    }
}

fn page(request: &PageRequest, form: Form, counted_so: Counted, again: Option<String>) -> Answer {
    let layout = request.layout("End many sessions", SESSIONS);
    let mut page = MassEnd { layout, form, kinds: kinds(), found: None, under_way: None };
    match counted_so {
        Counted::Nothing => {}
        Counted::UnderWay { so_far, next_look } => {
            let words = format!("Counting… {} so far.", grouped(so_far));
            let work = UnderWay { words, again: again.unwrap_or_default(), after: next_look };
            let builder = work.begin_reply();
            page.under_way = Some(work);
            return Ok(reply::page(builder, &page));
        }
        Counted::Done(outcome) => match split_refusals(outcome)? {
            Ok(DryRun { moment, count, sample }) => {
                page.found = Some(Found {
                    words: counted(count, "live session"),
                    count,
                    moment: moment.to_string(),
                    sample: SessionRow::all(request, sample),
                });
            }
            Err(refusal) => page.form = page.form.refused(&refusal),
        },
    }
    show_page(&page)
}

fn ended(request: &PageRequest, state: State) -> Answer {
    let (title, builder) = match &state {
        State::Done(_) => ("Sessions ended", reply::begin(StatusCode::OK)),
        State::UnderWay(work) => ("Ending sessions", work.begin_reply()),
        State::NotKnown => ("End many sessions", reply::begin(StatusCode::OK)),
    };
    Ok(reply::page(builder, &Ended { layout: request.layout(title, SESSIONS), state }))
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
        let layout = || Layout::new(SECTION, &Assets::below("/admin/assets/"));
        let reply = work().begin_reply().finish();
        let refresh = reply.headers().get("refresh").expect("a header");
        assert_eq!(refresh, "5; url=/admin/sessions/end/?counting=true&user=2");
        let under_way = Some(work());
        let counting = MassEnd { layout: layout(), form: Form::default(), kinds: kinds(), found: None, under_way };
        let ending = Ended { layout: layout(), state: State::UnderWay(work()) };
        for page in [counting.render(), ending.render()] {
            let page = page.expect("a page");
            assert!(page.contains("<p role=\"status\">Counting… 1,000 so far.</p>"), "{page}");
            assert!(page.contains("counting=true&#38;user=2\">reload it</a>"), "{page}");
            assert!(!page.contains("name=\"moment\""), "nothing can be ended yet: {page}");
        }
    }
}
