//! What became of a session or a token.

use askama::Template;

use super::request::{Answer, Asked, show as show_page};
use crate::domain::session::SessionId;
use crate::domain::time::Timestamp;
use crate::http::admin::error::ApiError;
use crate::http::admin::explain::answer;
use crate::http::pages::filled::{Form, Outcome, mend};
use crate::http::pages::frame::Frame;
use crate::http::pages::when::{When, span};
use crate::http::pages::{device, words};
use crate::service::admin::{About, Answer as Known, Cause, Evidence, ExplainedSession, Explanation, Question};

const EXPLAIN: &str = "/admin/explain/";

#[derive(Template)]
#[template(path = "admin/explain.html")]
struct Explain {
    frame: Frame,
    form: Form,
    told: Option<Told>,
}

/// An answer in words.
struct Told {
    /// What it is about.
    about: &'static str,
    words: String,
    at: Option<When>,
    by: Option<String>,
    address: Option<String>,
    request: Option<String>,
    session: Option<OfSession>,
}

struct OfSession {
    id: String,
    user: Option<i64>,
    username: Option<String>,
    kind: Option<&'static str>,
    name: Option<String>,
    device: Option<String>,
    address: Option<String>,
    created: Option<When>,
    seen: Option<When>,
}

/// The form, and the answer about a session. A token is sent in a body: paths and queries are logged in many places.
pub(super) async fn show(mut asked: Asked) -> Answer {
    let form = Form::of(&asked.call.fields);
    let session = asked.call.fields.parsed("session_id", "a session's id", SessionId::parse);
    let checked = asked.call.finish();
    let told = match (checked, session) {
        (Ok(()), Some(id)) => tell(&asked, Question::Session(id)).await.map(Some),
        (Ok(()), None) => Ok(None),
        (Err(refusal), _) => Err(refusal),
    };
    page(&asked, form, told)
}

pub(super) async fn explain(mut asked: Asked) -> Answer {
    let token = asked.call.fields.parsed("token", "a text", |text| Some(Question::token(text.trim())));
    let token = asked.call.fields.require("token", token);
    let told = match (asked.call.finish(), token) {
        (Ok(()), Some(question)) => tell(&asked, question).await.map(Some),
        (Ok(()), None) => Ok(None),
        (Err(refusal), _) => Err(refusal),
    };
    // The token is not shown again.
    page(&asked, Form::default(), told)
}

fn page(asked: &Asked, form: Form, told: Result<Option<Told>, ApiError>) -> Answer {
    let frame = asked.frame("Explain", EXPLAIN);
    match mend(told)? {
        Outcome::Done(told) => show_page(&Explain { frame, form, told }),
        Outcome::Wrong(refusal) => show_page(&Explain { frame, form: form.refused(&refusal), told: None }),
    }
}

async fn tell(asked: &Asked, question: Question) -> Result<Told, ApiError> {
    let Explanation { about, kind: _, answer: known, session } = answer(&asked.call, question).await?;
    let (words, at, cause) = in_words(known);
    let cause = cause.unwrap_or_default();
    Ok(Told {
        about: match about {
            About::Session => "This session",
            About::Token => "This token",
        },
        words,
        at: at.or(cause.at).map(|at| asked.when(at)),
        by: cause.actor.as_deref().map(words::actor),
        address: cause.address,
        request: cause.request_id,
        session: session.map(|session| of_session(asked, session)),
    })
}

/// What became of it, when, and by what.
fn in_words(known: Known) -> (String, Option<Timestamp>, Option<Cause>) {
    let of_cause = |words: &str, cause: Cause| {
        let reason = cause.reason.as_deref().map(words::event);
        let words = reason.map_or_else(|| format!("{words}."), |reason| format!("{words}: {reason}."));
        (words, None, Some(cause))
    };
    let plain = |words: &str, at| (words.to_owned(), at, None);
    match known {
        Known::Live { expires: Some(at) } => plain("is good. It expires:", Some(at)),
        Known::Live { expires: None } => plain("is good, until it is ended.", None),
        Known::Expired { at, known_from: Evidence::Database } => plain("has expired:", Some(at)),
        Known::Expired { at, known_from: Evidence::Claim } => {
            plain("has expired, as it says itself under our signature:", Some(at))
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
        Known::UserInactive(cause) => of_cause("is over, since its user is not active", cause),
        Known::UserGone(cause) => of_cause("is over, since its user was deleted", cause),
        Known::Malformed => plain("cannot be one: it is not a text that was ever handed out.", None),
        Known::Unknown { days, expired_days } => {
            let expired = expired_days.map(|days| {
                format!(" Opaque tokens that expired while their sessions went on are forgotten after {days} days.")
            });
            let expired = expired.unwrap_or_default();
            (format!("is not known: never handed out here, or gone for longer than {days} days.{expired}"), None, None)
        }
    }
}

fn of_session(asked: &Asked, session: ExplainedSession) -> OfSession {
    OfSession {
        id: session.id.to_string(),
        user: session.user_id.map(|user| user.0),
        username: session.username,
        kind: session.dialect.map(words::kind),
        name: session.name,
        device: session.user_agent.map(|agent| device::in_words(Some(&agent))),
        address: session.opened_from,
        created: session.created.map(|at| asked.when(at)),
        seen: session.last_seen.map(|at| asked.when(at)),
    }
}
