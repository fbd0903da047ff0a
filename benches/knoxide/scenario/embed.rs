//! What the middleware costs in somebody else's application.

use std::rc::Rc;

use super::contest::{Asks, Contestant};
use crate::child::Role;
use crate::databases::Database;
use crate::goals::Line;
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Backend, Fallible, Scenario};

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let block = Block::tens(stage.tokens.min(100_000));
    let database = Database::kept(stage, Backend::Sqlite, &[block])?;
    let mut contestants = Vec::new();
    for guarded in [false, true] {
        let server = Rc::new(stage.start(&Role::Embedding { url: database.url.clone(), guarded })?);
        let name = if guarded { "Knoxide's middleware before it" } else { "the application alone" }.to_owned();
        let database = Some(database.clone());
        contestants.push(Contestant { name, server, database, asks: Asks::first(block.tokens()) });
    }
    let [alone, guarded] = &*contestants else { return Err("two applications are compared".into()) };
    guarded.touch(stage)?;
    let mut table = Table::default();
    let loads = [(stage.connections, 1.5, "under load"), (1, 4.0, "one at a time")];
    for round in 0..stage.rounds {
        crate::say(&format!("embed: round {} of {}", round + 1, stage.rounds));
        for (connections, _, how) in loads {
            for contestant in &contestants {
                contestant.measure(stage, &format!("{}, {how}", contestant.name), connections, &mut table)?;
            }
        }
    }
    for (_, most, how) in loads {
        let (with, without) = (format!("{}, {how}", guarded.name), format!("{}, {how}", alone.name));
        table.compare(&with, &without, Metric::Rate, Metric::RateRatio);
        table.compare(&with, &without, Metric::Cpu, Metric::CpuRatio);
        let added = table.difference(&with, &without, Metric::Cpu);
        table.at_most(Line::Middleware, how, (added, " µs of CPU added"), most);
    }
    let title = "The middleware in an application";
    let note = "One route with a fixed reply, with and without the middleware, over a store on SQLite; every token was \
                asked for before. Ratios are to the application without it.";
    Ok(table.section(Scenario::Embed, title, note, stage))
}
