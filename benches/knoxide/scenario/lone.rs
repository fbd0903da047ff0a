//! One check at a time on an idle server.

use super::contest::{BARE, Contestant, bare};
use super::note_yardstick;
use crate::child::Role;
use crate::databases::Database;
use crate::goals::Line;
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Backend, Fallible, Scenario};

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let block = Block::tens(stage.tokens.min(100_000));
    let (mut contestants, mut lookups) = (Vec::new(), Vec::new());
    for backend in stage.backends.clone() {
        let database = Database::kept(stage, backend, &[block])?;
        let lookup = stage.start(&Role::Lookups { url: database.url.clone(), tokens: block.tokens() })?;
        lookups.push((select(&database), lookup, database.clone()));
        contestants.push(Contestant::knoxide(stage, database, block.tokens())?);
    }
    let first = contestants.first().ok_or("no database to measure on")?;
    let bare = bare(stage, &first.server)?;
    contestants.iter().try_for_each(|contestant| contestant.touch(stage).map(drop))?;
    contestants.push(bare);
    let mut table = Table::default();
    for round in 0..stage.rounds {
        crate::say(&format!("lone: round {} of {}", round + 1, stage.rounds));
        for contestant in &contestants {
            contestant.measure(stage, &contestant.name, 1, &mut table)?;
        }
        for (name, child, database) in &mut lookups {
            note_yardstick(&mut table, name, child, stage.seconds, (stage, Some(database)))?;
        }
    }
    for contestant in &contestants {
        let Some(database) = &contestant.database else { continue };
        let micros = |row: &str| table.median(row, Metric::P50) * 1000.0;
        let (ours, http, select) = (micros(&contestant.name), micros(BARE), micros(&select(database)));
        if database.backend == Backend::Postgres {
            let added = ours - http - select;
            let figure = format!(
                "{added:.0} µs added: p50 {ours:.0} µs, of which the bare route {http:.0} µs and the SELECT {select:.0} µs"
            );
            table.goal(Line::LoneCheck, "at most 60 µs", &figure, added <= 60.0);
        }
    }
    let title = "One check at a time";
    let note = "One connection, which asks again as soon as it has its reply, for tokens that were asked for before. \
                What a check adds is its p50 less that of the bare route and that of the SELECT.";
    Ok(table.section(Scenario::Lone, title, note, stage))
}

fn select(database: &Database) -> String {
    format!("plain SELECT by key, no HTTP, {}", database.name())
}
