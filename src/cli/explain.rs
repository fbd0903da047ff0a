//! `knoxide explain`

use super::answer::{Answer as Printed, Answered, Code, Failure, to_json};
use super::args::Explain;
use super::{Context, Missing, ask};
use crate::domain::audit::Event;
use crate::domain::escape::visible;
use crate::domain::session::SessionId;
use crate::domain::time::Timestamp;
use crate::service::admin::{About, Answer, Cause, Evidence, ExplainSettings, ExplainedSession, Explanation, Question};

/// What to do with a token that was an argument.
const EXPOSED: &str = "\
an argument that is not the id of a session: see `knoxide session list`. If it was a token, others on this machine could \
see it, and the shell may have kept it: consider it exposed and end its session. Pass a token on standard input: \
`knoxide explain --token < FILE`";

/// Explains what the arguments after `explain` name.
pub(super) fn run(typed: Explain, context: &mut Context<'_>) -> Answered {
    let question = match (typed.session.as_slice(), typed.token) {
        ([id], None) => Question::Session(SessionId::parse(id).ok_or_else(exposed)?),
        ([], Some(None)) => read_token(context)?,
        ([], None) => return Err(Failure::new(Code::Usage, "say which: a session's id, or --token")),
        (_, Some(_)) | ([_, ..], None) => return Err(exposed()),
    };
    let settings = ExplainSettings {
        session_retention: context.settings.tokens.session_retention,
        jwt_secret: context.settings.jwt.secret.as_ref(),
    };
    let explanation = context.admin(Missing::Refuse)?.explain(&question, &settings)?;
    Ok(Printed::new(words(&explanation), to_json(&explanation)?))
}

fn exposed() -> Failure {
    Failure::new(Code::Usage, EXPOSED)
}

fn read_token(context: &mut Context<'_>) -> Result<Question, Failure> {
    if context.terminal.is_interactive() {
        return Ok(Question::token(ask(context.terminal.ask_password("Token: "))?.expose()));
    }
    let text = context.terminal.read_input();
    let text = text.map_err(|error| Failure::new(Code::Failed, format!("standard input cannot be read: {error}")))?;
    Ok(Question::token(&text))
}

/// The answer in a few sentences, one a line.
fn words(explanation: &Explanation) -> String {
    let Explanation { about, kind, answer, session } = explanation;
    let subject = match (about, kind) {
        (About::Session, _) => "This session".to_owned(),
        (About::Token, Some(kind)) => format!("This {kind} token"),
        (About::Token, None) => "This token".to_owned(),
    };
    let mut lines = vec![sentence(&subject, answer)];
    if let Some(session) = session {
        if let Some(end) = session.end.as_ref().filter(|end| *end != answer) {
            lines.push(sentence("Its session", end));
        }
        lines.push(words_of_session(session));
    }
    lines.join("\n")
}

/// The subject and what became of it.
fn sentence(subject: &str, answer: &Answer) -> String {
    match answer {
        Answer::Live { expires: None } => format!("{subject} is good, until it is ended."),
        Answer::Live { expires: Some(at) } => format!("{subject} is good until {at}."),
        Answer::Expired { at, known_from: Evidence::Database } => format!("{subject} expired at {at}."),
        Answer::Expired { at, known_from: Evidence::Claim } => {
            format!("{subject} expired at {at}: it says so itself, signed by this server. Its row is gone.")
        }
        Answer::Idle { at, last_seen, limit_seconds } => words_of_idleness(subject, *at, *last_seen, *limit_seconds),
        Answer::Consumed { at } => format!("{subject} was consumed at {at}: a refresh replaced it with a new one."),
        Answer::GaveWay { at } => {
            format!("{subject} was deleted at {at}: its session had too many newer access tokens.")
        }
        Answer::Ended(cause) => format!("{subject} was ended{}.", words_of_cause(cause)),
        Answer::Evicted(cause) => {
            format!("{subject} gave way to a newer login, since its user had too many sessions{}.", place(cause))
        }
        Answer::Replayed(cause) => format!(
            "{subject} was ended because a refresh token was used again after the grace time, so it may be stolen{}.",
            place(cause)
        ),
        Answer::AllEnded(cause) => {
            format!("{subject} was ended together with others{}.", words_of_cause(cause))
        }
        Answer::UserInactive(cause) => format!("{subject} is refused: its user is inactive{}.", words_of_cause(cause)),
        Answer::UserGone(cause) => format!("{subject} is gone: its user was deleted{}.", place(cause)),
        Answer::Malformed => {
            "This cannot be a token: it is empty, too long, or has a space or another character that no \
                              token has. Give the token alone, without the keyword before it."
                .to_owned()
        }
        Answer::Unknown { days, expired_days } => {
            let opaque = expired_days.map_or_else(String::new, |days| {
                format!(" (for longer than {} if it expired while its session went on)", counted(days, "day"))
            });
            format!(
                "Nothing is known here: {} was never handed out, or has been gone for longer than {}{opaque}.",
                subject.to_lowercase(),
                counted(*days, "day"),
            )
        }
    }
}

fn words_of_idleness(subject: &str, at: Timestamp, last_seen: Option<Timestamp>, limit: Option<u64>) -> String {
    let seen = last_seen.map_or_else(String::new, |seen| format!(" since {seen}"));
    let limit = limit.map_or_else(
        || "there is no longer a limit".to_owned(),
        |seconds| format!("the limit is {}", counted(seconds, "second")),
    );
    format!("{subject} ended at {at} because its session was not used{seen}; {limit}.")
}

fn words_of_session(session: &ExplainedSession) -> String {
    let user = match (&session.username, session.user_id) {
        (Some(name), Some(id)) => format!(" of {} (user {id})", visible(name)),
        (Some(name), None) => format!(" of {}", visible(name)),
        (None, Some(id)) => format!(" of user {id}"),
        (None, None) => String::new(),
    };
    let mut text = format!("Session {}{user}", session.id);
    if let Some(name) = &session.name {
        text.push_str(&format!(", named \"{}\"", visible(name)));
    }
    if let Some(at) = session.created {
        text.push_str(&format!(", opened at {at}"));
    }
    if let Some(dialect) = session.dialect {
        text.push_str(&format!(" under {}", dialect.as_str()));
    }
    if let Some(address) = &session.opened_from {
        text.push_str(&format!(" from {}", visible(address)));
    }
    if let Some(agent) = &session.user_agent {
        text.push_str(&format!(" by \"{}\"", visible(agent)));
    }
    if let Some(at) = session.last_seen {
        text.push_str(&format!(", last used at {at}"));
    }
    text + "."
}

/// When, why, by whom and from where.
fn words_of_cause(cause: &Cause) -> String {
    let known = cause.reason.as_deref().and_then(Event::from_name);
    let why = known.and_then(|event| REASONS.iter().find(|(known, _)| *known == event)).map(|(_, words)| *words);
    let place = place(cause);
    match (why, &cause.reason) {
        (Some(words), _) => format!("{place}: {words}"),
        (None, Some(name)) => format!("{place}: {}", visible(name)),
        (None, None) => format!("{place}; no event says why, so it was done with SQL"),
    }
}

/// When, by whom and from where.
fn place(cause: &Cause) -> String {
    let mut text = cause.at.map_or_else(String::new, |at| format!(" at {at}"));
    if let Some(actor) = &cause.actor {
        text.push_str(&format!(" by {}", actor_named(actor)));
    }
    if let Some(address) = &cause.address {
        text.push_str(&format!(" from {}", visible(address)));
    }
    if let Some(request) = &cause.request_id {
        text.push_str(&format!(" (request {})", visible(request)));
    }
    text
}

/// The actor in words.
fn actor_named(actor: &str) -> String {
    match actor {
        "cli" => "the command line".to_owned(),
        "system" => "the server itself".to_owned(),
        other => visible(&other.replacen("user:", "user ", 1).replacen("client:", "client ", 1)).into_owned(),
    }
}

/// What an event means for a session that it ended.
const REASONS: [(Event, &str); 11] = [
    (Event::Logout, "a logout"),
    (Event::LogoutAll, "the user logged out everywhere"),
    (Event::Revoked, "revoked by an administrator"),
    (Event::PasswordChanged, "the user has a new password"),
    (Event::AllSessionsEnded, "the sessions of all users were ended"),
    (Event::OldSessionsEnded, "all sessions opened before a certain time were ended"),
    (Event::Deactivated, "the user was deactivated"),
    (Event::Activated, "the user was activated, which revives no session"),
    (Event::Imported, "the user was inactive when the token was imported"),
    (Event::UserDeleted, "the user is being deleted"),
    (Event::Idle, "not used for too long"),
];

fn counted(number: u64, unit: &str) -> String {
    if number == 1 { format!("{number} {unit}") } else { format!("{number} {unit}s") }
}
