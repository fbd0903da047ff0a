//! Explanations of what became of a session or a token.

use askama::Template;

use super::request::{Answer, PageRequest, show as show_page};
use crate::domain::session::SessionId;
use crate::domain::time::Timestamp;
use crate::http::admin::error::ApiError;
use crate::http::admin::explain::answer;
use crate::http::pages::form::Form;
use crate::http::pages::layout::Layout;
use crate::http::pages::relative_time::{RelativeTime, span};
use crate::http::pages::{device, words};
use crate::service::admin::{About, Answer as Known, Cause, Evidence, ExplainedSession, Explanation, Question};

const EXPLAIN: &str = "/admin/explain/";

#[derive(Template)]
#[template(path = "admin/explain.html")]
struct Explain {
    layout: Layout,
    form: Form,
    report: Option<Report>,
}

/// An answer in words.
struct Report {
    subject: &'static str,
    words: String,
    at: Option<RelativeTime>,
    by: Option<String>,
    address: Option<String>,
    request: Option<String>,
    session: Option<SessionFacts>,
}

struct SessionFacts {
    id: String,
    user: Option<i64>,
    username: Option<String>,
    kind: Option<&'static str>,
    name: Option<String>,
    device: Option<String>,
    address: Option<String>,
    created: Option<RelativeTime>,
    seen: Option<RelativeTime>,
}

/// The form, with the answer about a session. Tokens are sent in a body, since paths and queries are logged in many places.
pub(super) async fn show(mut request: PageRequest) -> Answer {
    let form = Form::of(&request.call.fields);
    let session = request.call.fields.parsed("session_id", "a session's id", SessionId::parse);
    let checked = request.call.finish();
    page(&request, form, checked, session.map(Question::Session)).await
}

pub(super) async fn explain(mut request: PageRequest) -> Answer {
    let token = request.call.fields.parsed("token", "a text", |text| Some(Question::token(text.trim())));
    let token = request.call.fields.require("token", token);
    let checked = request.call.finish();
    // The token is not shown again.
    page(&request, Form::default(), checked, token).await
}

async fn page(request: &PageRequest, form: Form, checked: Result<(), ApiError>, question: Option<Question>) -> Answer {
    let layout = request.layout("Explain", EXPLAIN);
    let report = match (checked, question) {
        (Ok(()), Some(question)) => report(request, question).await.map(Some),
        (Ok(()), None) => Ok(None),
        (Err(refusal), _) => Err(refusal),
    };
    let (form, report) = form.accept(report)?;
    show_page(&Explain { layout, form, report })
}

async fn report(request: &PageRequest, question: Question) -> Result<Report, ApiError> {
    let Explanation { about, kind: _, answer: known, session } = answer(&request.call, question).await?;
    let (words, at, cause) = in_words(known);
    let cause = cause.unwrap_or_default();
    Ok(Report {
        subject: match about {
            About::Session => "This session",
            About::Token => "This token",
        },
        words,
        at: at.or(cause.at).map(|at| request.when(at)),
        by: cause.actor.as_deref().map(words::actor),
        address: cause.address,
        request: cause.request_id,
        session: session.map(|session| session_facts(request, session)),
    })
}

/// What became of it, when, and the cause.
fn in_words(known: Known) -> (String, Option<Timestamp>, Option<Cause>) {
    let of_cause = |words: &str, cause: Cause| {
        let reason = cause.reason.as_deref().map(words::event);
        let words = reason.map_or_else(|| format!("{words}."), |reason| format!("{words}: {reason}."));
        (words, None, Some(cause))
    };
    let plain = |words: &str, at| (words.to_owned(), at, None);
    match known {
        Known::Live { expires: Some(at) } => plain("is valid. It expires:", Some(at)),
        Known::Live { expires: None } => plain("is valid until it is ended.", None),
        Known::Expired { at, known_from: Evidence::Database } => plain("has expired:", Some(at)),
        Known::Expired { at, known_from: Evidence::Claim } => {
            plain("has expired, according to its own signed claim:", Some(at))
        }
        Known::Idle { at, limit_seconds, .. } => {
            let limit = limit_seconds.map(|seconds| span(std::time::Duration::from_secs(seconds)));
            let limit = limit.map_or_else(String::new, |limit| format!(" for longer than {limit}"));
            (format!("ended because it was not used{limit}:"), Some(at), None)
        }
        Known::Consumed { at } => plain("was exchanged for a newer one:", Some(at)),
        Known::GaveWay { at } => plain("gave way to newer access tokens of its session:", Some(at)),
        Known::Ended(cause) => of_cause("was ended", cause),
        Known::Evicted(cause) => of_cause("gave way to a newer login", cause),
        Known::Replayed(cause) => of_cause("ended because a refresh token was used twice and may be stolen", cause),
        Known::AllEnded(cause) => of_cause("ended together with others", cause),
        Known::UserInactive(cause) => of_cause("has ended, since its user is not active", cause),
        Known::UserGone(cause) => of_cause("has ended, since its user was deleted", cause),
        Known::Malformed => plain("is not a token: this server has never issued such a text.", None),
        Known::Unknown { days, expired_days } => {
            let expired = expired_days.map(|days| {
                format!(" Opaque tokens that expired while their sessions went on are forgotten after {days} days.")
            });
            let expired = expired.unwrap_or_default();
            (
                format!(
                    "is not known: it was never issued here, or it was deleted more than {days} days ago.{expired}"
                ),
                None,
                None,
            )
        }
    }
}

fn session_facts(request: &PageRequest, session: ExplainedSession) -> SessionFacts {
    SessionFacts {
        id: session.id.to_string(),
        user: session.user_id.map(|user| user.0),
        username: session.username,
        kind: session.dialect.map(words::kind),
        name: session.name,
        device: session.user_agent.map(|agent| device::in_words(Some(&agent))),
        address: session.opened_from,
        created: session.created.map(|at| request.when(at)),
        seen: session.last_seen.map(|at| request.when(at)),
    }
}
