//! `knoxide session …` and `knoxide sweep`

use serde_json::json;

use super::answer::{Answer, Answered, Code, Failure, to_json};
use super::args::{Bound, Session as Action, SessionConditions};
use super::{Context, Missing};
use crate::domain::session::{SessionEntry, SessionId};
use crate::domain::user::UserId;
use crate::service::admin::SessionQuery;
use crate::store::{ClockTrust, SessionMatch};

mod revoke;

/// How many sessions `user show` lists.
const SHOWN_OF_USER: u32 = 100;

/// The columns of a list of sessions.
pub(super) const HEADER: [&str; 9] =
    ["ID", "USER", "NAME", "CREATED", "LAST SEEN", "EXPIRES", "ADDRESS", "DEVICE", "ENDED"];

/// Runs the arguments after `session`.
pub(super) fn run(action: Action, context: &mut Context<'_>) -> Answered {
    match action {
        Action::List { user, filter, all, limit, before } => {
            let (created_before, before) = match before {
                Some(Bound::Time(time)) => (Some(time), None),
                Some(Bound::Session(id)) => (None, Some(id)),
                None => (None, None),
            };
            let admin = context.admin(Missing::Refuse)?;
            let user = user.map(|typed| admin.find_user(&typed)).transpose()?.map(|user| user.id);
            let matching = SessionMatch { user, created_before, ..conditions(filter) };
            let sessions = admin.search_sessions(SessionQuery { matching, with_ended: all, before, limit })?;
            Answer::table(HEADER, &sessions, row)
        }
        Action::Revoke { id: Some(id), .. } => {
            let id = parse_id(&id)?;
            context.admin(Missing::Refuse)?.end_session(id)?;
            Ok(Answer::new(format!("Session {id} is ended."), json!({ "id": id })))
        }
        // Without any condition, this ends all sessions; the arguments require `--all` for that.
        Action::Revoke { id: None, user, all: _, before, filter, dry_run, yes } => {
            let matching = SessionMatch { created_before: before, ..conditions(filter) };
            revoke::run(user.as_deref(), matching, revoke::Manner { dry_run, yes }, context)
        }
    }
}

fn conditions(filter: SessionConditions) -> SessionMatch {
    let SessionConditions { address, since, unused_since, dialect, device, name } = filter;
    SessionMatch {
        user: None,
        address,
        created_from: since,
        created_before: None,
        last_seen_before: unused_since,
        kind: dialect,
        device,
        name,
        for_script: false,
    }
}

/// A user's live sessions.
pub(super) fn of_user(user: UserId) -> SessionQuery {
    SessionQuery { matching: SessionMatch::of_user(user), limit: SHOWN_OF_USER, ..SessionQuery::default() }
}

/// A session as a row below [`HEADER`].
pub(super) fn row(entry: &SessionEntry) -> [String; 9] {
    let ended = entry.session.ended.map(|at| match entry.end_reason {
        Some(reason) => format!("{at} {}", reason.as_str()),
        None => at.to_string(),
    });
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        entry.session.id.to_string(),
        entry.username.clone(),
        or_dash(entry.name.clone()),
        entry.session.created.to_string(),
        entry.session.last_seen.to_string(),
        entry.expires.map_or_else(|| "never".to_owned(), |at| at.to_string()),
        or_dash(entry.address.clone()),
        or_dash(entry.user_agent.as_ref().map(|agent| agent.chars().take(40).collect())),
        or_dash(ended),
    ]
}

/// Parses the id of a session.
pub(super) fn parse_id(id: &str) -> Result<SessionId, Failure> {
    let problem =
        || Failure::new(Code::Usage, format!("{id:?} is not the id of a session: see `knoxide session list`"));
    SessionId::parse(id).ok_or_else(problem)
}

/// Deletes expired tokens, and ended sessions after their retention.
pub(super) fn sweep(trust_clock: bool, context: &Context<'_>) -> Answered {
    let policy = context.settings.sweep_policy();
    let trust = if trust_clock { ClockTrust::Vouched } else { ClockTrust::Unproved };
    let swept = context.admin(Missing::Refuse)?.sweep(trust, &policy)?;
    let tokens = swept.report.expired_tokens + swept.report.dead_tokens;
    let (sessions, log_rows, events) = (swept.report.sessions, swept.report.log_rows, swept.report.audit_events);
    let mut text = format!("Swept: {tokens} tokens, {sessions} sessions, {log_rows} log rows, {events} audit events.");
    if !swept.clock_believed {
        let kept = match swept.until {
            Some(until) => {
                format!("Tokens and sessions that ended after {until}, the time of the last sweep, were kept")
            }
            None => "Nothing was deleted by age, since there was no sweep before".to_owned(),
        };
        text.push_str(&format!(
            "\n{kept}: a command cannot know whether the clock is right. A server that has run for an hour can; or use \
             --trust-clock if you have checked the clock."
        ));
    }
    Ok(Answer::new(text, to_json(&swept)?))
}
