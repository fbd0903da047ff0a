//! `knoxide session revoke` with conditions instead of an id

use serde_json::json;

use super::{HEADER, row};
use crate::cli::answer::{Answer, Answered, Failure, table, to_json};
use crate::cli::progress::Progress;
use crate::cli::{Context, Missing, insist_or};
use crate::domain::audit::Event;
use crate::domain::escape::visible;
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::service::admin::{Admin, DryRun};
use crate::store::SessionMatch;

/// How the command is carried out.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// Only counts the sessions.
    pub(super) dry_run: bool,
    /// Does not ask.
    pub(super) yes: bool,
}

/// How the sessions are ended.
enum Way {
    /// By one change of the user's row, for any number of sessions.
    OfUser(User),
    /// By one change that applies to all users.
    Everybody,
    /// By one change that applies to all users.
    Before(Timestamp),
    /// Session by session.
    Filtered,
}

impl Way {
    fn of(user: Option<&User>, matching: &SessionMatch) -> Self {
        let others = SessionMatch { created_before: None, ..matching.clone() };
        match (user, matching.created_before) {
            (Some(user), None) if others.is_any() => Self::OfUser(user.clone()),
            (None, None) if others.is_any() => Self::Everybody,
            (None, Some(time)) if others.is_any() => Self::Before(time),
            (Some(_) | None, Some(_) | None) => Self::Filtered,
        }
    }
}

/// Ends the sessions that match.
pub(super) fn run(user: Option<&str>, matching: SessionMatch, manner: Manner, context: &mut Context<'_>) -> Answered {
    let admin = context.admin(Missing::Refuse)?;
    let find = |typed| if manner.dry_run { admin.find_user(typed) } else { admin.find_for(Event::Revoked, typed) };
    let user = user.map(find).transpose()?;
    let way = Way::of(user.as_ref(), &matching);
    let matching = SessionMatch { user: user.map(|user| user.id), ..matching };
    if manner.dry_run {
        return show(&admin.dry_run(&matching)?);
    }
    match way {
        Way::OfUser(user) => {
            admin.end_all_sessions(&user)?;
            let json = json!({ "id": user.id, "username": user.username });
            Ok(Answer::new(format!("All sessions of {} are ended.", visible(&user.username)), json))
        }
        Way::Everybody => {
            confirm(&admin, &matching, manner, context)?;
            admin.end_everybody()?;
            Ok(Answer::new("All sessions of all users are ended.", json!({ "all": true })))
        }
        Way::Before(time) => {
            confirm(&admin, &matching, manner, context)?;
            admin.end_issued_before(time)?;
            let text = format!("All sessions that were opened before {time} are ended.");
            Ok(Answer::new(text, json!({ "before": time })))
        }
        Way::Filtered => {
            let found = admin.dry_run(&matching)?;
            if found.count > 0 {
                ask(found.count, manner, context)?;
            }
            end(&admin, &matching, &found, context)
        }
    }
}

/// Asks for confirmation, and counts the sessions if that is needed for the question.
fn confirm(admin: &Admin, matching: &SessionMatch, manner: Manner, context: &mut Context<'_>) -> Result<(), Failure> {
    let count = if manner.yes { 0 } else { admin.dry_run(matching)?.count };
    ask(count, manner, context)
}

fn ask(count: u64, manner: Manner, context: &mut Context<'_>) -> Result<(), Failure> {
    if manner.yes {
        return Ok(());
    }
    let question = format!("End {}?", sessions(count));
    insist_or(context.terminal, &question, "to end the sessions", "no session was ended")
}

fn end(admin: &Admin, matching: &SessionMatch, found: &DryRun, context: &Context<'_>) -> Answered {
    let progress = Progress::bar(context.terminal.is_watched(), found.count);
    let ended = admin.end_filtered(matching, found.shown(), &mut |ended| progress.set(ended))?;
    drop(progress);
    let verb = if ended == 1 { "is" } else { "are" };
    Ok(Answer::new(format!("{} {verb} ended.", sessions(ended)), json!({ "ended": ended, "moment": found.moment })))
}

fn show(found: &DryRun) -> Answered {
    let mut text = format!("{} would end.", sessions(found.count));
    if !found.sample.is_empty() {
        text = format!("{text} The newest:\n\n{}", table(HEADER, found.sample.iter().map(row)));
    }
    Ok(Answer::new(text, to_json(found)?))
}

fn sessions(count: u64) -> String {
    format!("{count} {}", if count == 1 { "session" } else { "sessions" })
}
