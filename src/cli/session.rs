//! `knoxide session …` and `knoxide sweep`

use serde_json::{Value, json};

use super::answer::{Answer, Answered, Code, Failure, table};
use super::args::Session as Action;
use super::{Context, Missing, user};
use crate::cause::Reason;
use crate::session::{SessionEntry, SessionId};
use crate::store::Store;
use crate::store::diesel::{ClockTrust, DieselStore, SessionFilter, SweepPolicy};
use crate::user::UserId;
use crate::visible::visible;

/// How many sessions `user show` lists.
const SHOWN_OF_USER: u32 = 100;

/// Does what was typed after `session`.
pub(super) fn run(action: Action, context: &Context<'_>) -> Answered {
    match action {
        Action::List { user, all, limit, before } => {
            let before = before.map(|id| parse_id(&id)).transpose()?;
            let store = context.open(Missing::Refuse)?;
            let user = match user {
                Some(typed) => Some(user::find(store.connect()?.as_mut(), &typed)?.id),
                None => None,
            };
            let filter = SessionFilter { user, with_ended: all, before, limit, ..live(context) };
            let listed = list(&store, &filter)?;
            Ok(Answer::new(listed.text, listed.json))
        }
        Action::Revoke { id: Some(id), .. } => revoke(parse_id(&id)?, context),
        Action::Revoke { id: None, user } => revoke_all(&user.unwrap_or_default(), context),
    }
}

/// Sessions in both forms.
pub(super) struct Listed {
    pub(super) text: String,
    pub(super) json: Value,
    pub(super) count: usize,
}

/// A user's live sessions.
pub(super) fn of_user(store: &DieselStore, user: UserId, context: &Context<'_>) -> Result<Listed, Failure> {
    list(store, &SessionFilter { user: Some(user), ..live(context) })
}

/// Whatever is live now.
fn live(context: &Context<'_>) -> SessionFilter {
    SessionFilter {
        user: None,
        with_ended: false,
        now: context.clock.now(),
        // As long as a check might still say yes.
        idle_limit: context.settings.tokens.policy.idle_verdict_after(),
        before: None,
        limit: SHOWN_OF_USER,
    }
}

fn list(store: &DieselStore, filter: &SessionFilter) -> Result<Listed, Failure> {
    let entries = store.list_sessions(filter)?;
    let header = ["ID", "USER", "NAME", "CREATED", "LAST SEEN", "EXPIRES", "ADDRESS", "DEVICE", "ENDED"];
    let text = table(header, entries.iter().map(row).collect());
    let json = entries.iter().map(entry_json).collect();
    Ok(Listed { text, json, count: entries.len() })
}

fn row(entry: &SessionEntry) -> [String; 9] {
    let ended = entry.session.ended.map(|at| match entry.end_reason {
        Some(reason) => format!("{at} {}", reason.as_str()),
        None => at.to_string(),
    });
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        entry.session.id.to_string(),
        entry.user.1.clone(),
        or_dash(entry.name.clone()),
        entry.session.created.to_string(),
        entry.session.last_seen.to_string(),
        entry.expires.map_or_else(|| "never".to_owned(), |at| at.to_string()),
        or_dash(entry.address.clone()),
        or_dash(entry.user_agent.as_ref().map(|agent| agent.chars().take(40).collect())),
        or_dash(ended),
    ]
}

fn entry_json(entry: &SessionEntry) -> Value {
    let session = &entry.session;
    json!({
        "id": session.id.to_string(),
        "user_id": entry.user.0.0,
        "username": entry.user.1,
        "dialect": session.dialect.as_str(),
        "name": entry.name,
        "created": session.created.to_string(),
        "last_seen": session.last_seen.to_string(),
        "expires": entry.expires.map(|at| at.to_string()),
        "address": entry.address,
        "user_agent": entry.user_agent,
        "ended": session.ended.map(|at| at.to_string()),
        "end_reason": entry.end_reason.map(Reason::as_str),
        "ended_by": entry.ended_by,
    })
}

fn parse_id(id: &str) -> Result<SessionId, Failure> {
    let problem = || Failure::new(Code::Usage, format!("{id:?} is no session's id: see `knoxide session list`"));
    SessionId::parse(id).ok_or_else(problem)
}

fn revoke(session: SessionId, context: &Context<'_>) -> Answered {
    let mut connection = context.open(Missing::Refuse)?.connect()?;
    if connection.end_session(session, &context.cause(Reason::Revoked))? {
        return Ok(Answer::new(format!("Session {session} is ended."), json!({ "id": session.to_string() })));
    }
    Err(Failure::new(Code::NotFound, format!("there is no live session {session}")))
}

fn revoke_all(typed: &str, context: &Context<'_>) -> Answered {
    let mut connection = context.open(Missing::Refuse)?.connect()?;
    let user = user::find(connection.as_mut(), typed)?;
    if connection.end_all_sessions(user.id, &context.cause(Reason::Revoked))? {
        let json = json!({ "id": user.id.0, "username": user.username });
        return Ok(Answer::new(format!("All sessions of {} are ended.", visible(&user.username)), json));
    }
    Err(Failure::new(Code::NotFound, "the user has just been deleted"))
}

/// Deletes what is over for long enough.
pub(super) fn sweep(trust_clock: bool, context: &Context<'_>) -> Answered {
    let policy = SweepPolicy {
        session_retention: context.settings.tokens.session_retention,
        network_retention: context.settings.throttle.known_for,
        ..SweepPolicy::default()
    };
    let store = context.open(Missing::Refuse)?;
    let trust = if trust_clock { ClockTrust::Vouched } else { ClockTrust::Unproved };
    let moment = store.begin_sweep(context.clock.now(), trust)?;
    let report = store.sweep_until(moment.until, &policy, &|| true)?;
    let tokens = report.expired_tokens + report.dead_tokens;
    let mut text = format!("Swept: {tokens} tokens, {} sessions, {} log rows.", report.sessions, report.log_rows);
    if moment.is_held {
        let kept = match moment.until {
            Some(until) => format!("What was over later than {until}, the time of the last sweep, was kept"),
            None => "Nothing was deleted for its age, since there was no sweep before".to_owned(),
        };
        text.push_str(&format!(
            "\n{kept}: a command cannot tell whether the clock is right. A server that has run for an hour can; or say \
             --trust-clock if you have looked."
        ));
    }
    let json = json!({ "expired_tokens": report.expired_tokens, "dead_tokens": report.dead_tokens,
                       "sessions": report.sessions, "log_rows": report.log_rows,
                       "login_networks": report.login_networks,
                       "until": moment.until.map(|until| until.to_string()), "clock_believed": !moment.is_held });
    Ok(Answer::new(text, json))
}
