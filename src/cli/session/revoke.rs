//! `knoxide session revoke` with conditions instead of an id

use serde_json::json;

use super::{HEADER, row};
use crate::cli::answer::{Answer, Answered, table, to_json};
use crate::cli::progress::Progress;
use crate::cli::{Context, Missing, insist_or};
use crate::domain::escape::visible;
use crate::service::admin::{Admin, DryRun};
use crate::store::SessionMatch;

/// How the command is carried out.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// Counts alone.
    pub(super) dry_run: bool,
    /// Does not ask.
    pub(super) yes: bool,
}

/// Ends the sessions that match. Those of a user without further conditions end at once.
pub(super) fn run(
    user: Option<&str>,
    matching: SessionMatch,
    manner: Manner,
    context: &mut Context<'_>,
) -> Answered {
    let admin = context.admin(Missing::Refuse)?;
    let user = user.map(|typed| admin.find_user(typed)).transpose()?;
    if let Some(user) = user.as_ref().filter(|_| matching.is_any() && !manner.dry_run) {
        admin.end_all_sessions(user)?;
        let json = json!({ "id": user.id, "username": user.username });
        return Ok(Answer::new(format!("All sessions of {} are ended.", visible(&user.username)), json));
    }
    let matching = SessionMatch { user: user.map(|user| user.id), ..matching };
    let found = admin.dry_run(&matching)?;
    if manner.dry_run {
        return show(&found);
    }
    if found.count > 0 && !manner.yes {
        let question = format!("End {}?", sessions(found.count));
        insist_or(context.terminal, &question, "to end the sessions", "no session was ended")?;
    }
    end(&admin, &matching, &found, context)
}

fn end(admin: &Admin, matching: &SessionMatch, found: &DryRun, context: &Context<'_>) -> Answered {
    let progress = Progress::bar(context.terminal.is_watched(), found.count);
    let ended = admin.end_filtered(matching, found.shown(), &mut |ended| progress.set(ended))?;
    progress.finish();
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
