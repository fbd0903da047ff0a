//! `knoxide migrate …`

use serde_json::json;

use super::answer::{Answer, Answered, Code};
use super::args::Migrate as Direction;
use super::{Context, Missing, insist};

/// Runs the arguments after `migrate`.
pub(super) fn run(direction: Option<Direction>, context: &mut Context<'_>) -> Answered {
    match direction.unwrap_or(Direction::Up) {
        Direction::Up => {
            let store = context.open_any(Missing::Make)?;
            let is_new = store.migration_status()?.applied.is_empty();
            let done = store.migrate()?;
            context.made_tables.set(is_new && !done.is_empty());
            let text = if done.is_empty() {
                "The tables are up to date already.".to_owned()
            } else {
                format!("The tables are up to date: {}.", done.join(", "))
            };
            Ok(Answer::new(text, json!({ "applied": done })))
        }
        Direction::Down { yes } => {
            let store = context.open_any(Missing::Refuse)?;
            if !yes {
                let last = store.migration_status()?.applied.pop().unwrap_or_default();
                let question = format!(
                    "Revert step {last}, and permanently delete all data in the tables and columns that it added?"
                );
                insist(context.terminal, &question, "to revert a step")?;
            }
            let version = store.revert_last_migration()?;
            Ok(Answer::new(format!("Reverted: {version}."), json!({ "reverted": version })))
        }
        Direction::Status => {
            // `status` reports any database as it is, even an empty one.
            let status = context.look()?.migration_status()?;
            let lines = status.applied.iter().map(|name| format!("done     {name}"));
            let lines = lines.chain(status.pending.iter().map(|name| format!("pending  {name}")));
            let text = lines.collect::<Vec<_>>().join("\n");
            let code = if status.pending.is_empty() { Code::Done } else { Code::Failed };
            let json = json!({ "applied": status.applied, "pending": status.pending });
            Ok(Answer { code, ..Answer::new(text, json) })
        }
    }
}
