//! Databases of a thousand to ten million tokens.

use super::contest::{Asks, Contestant};
use super::{few, note};
use crate::databases::Database;
use crate::goals::Line;
use crate::meter::Usage;
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Backend, Fallible, Scenario};

/// Tokens of the smallest database.
const SMALLEST: u64 = 1000;

/// Tokens that are asked for again and again, in databases that have as many.
const HOT: u64 = 100_000;

/// Databases whose tokens are all asked for.
const WHOLE: u64 = 1_000_000;

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let mut sizes = vec![SMALLEST, WHOLE.min(stage.largest), stage.largest];
    sizes.dedup();
    let mut table = Table::default();
    for backend in stage.backends.clone() {
        on(stage, backend, &sizes, &mut table)?;
    }
    let title = "Growth: the same check in larger databases";
    let note = "Cold: a fresh server, which is asked once for each of up to 100,000 tokens, spread over the whole \
                database. Hot: the same ones again at random, and then the first 1,000 of the database. All: at random among all tokens of the \
                database, after each was asked for once. The database itself is in the system's memory.";
    Ok(table.section(Scenario::Growth, title, note, stage))
}

fn on(stage: &mut Stage, backend: Backend, sizes: &[u64], table: &mut Table) -> Fallible<()> {
    let mut databases = Vec::new();
    for size in sizes {
        databases.push((*size, Database::kept(stage, backend, &[Block::tens(*size)])?));
    }
    let mut whole = Vec::new();
    for (size, database) in databases.iter().filter(|(size, _)| *size <= WHOLE) {
        let ours = Contestant::knoxide(stage, database.clone(), *size)?;
        ours.touch(stage)?;
        whole.push((row(database, *size, "all"), ours));
    }
    for round in 0..few(stage.rounds) {
        crate::say(&format!("growth on {backend:?}: round {} of {}", round + 1, few(stage.rounds)));
        for (size, database) in &databases {
            let (count, few) = (HOT.min(*size), SMALLEST.min(*size));
            let asks = Asks::Tokens { count, apart: size / count };
            let ours = Contestant { asks, ..Contestant::knoxide(stage, database.clone(), *size)? };
            let (outcome, usage) = ours.touch(stage)?;
            // A thousand checks take less than the kernel counts a process's time in.
            let exact = Usage { process: usage.threads, ..usage };
            note(table, &row(database, *size, "cold"), &outcome, &exact);
            if count > few {
                ours.measure(stage, &row(database, *size, "100,000 hot"), stage.connections, table)?;
            }
            // The same users and tokens in databases of every size.
            let ours = Contestant { asks: Asks::first(few), ..ours };
            ours.touch(stage)?;
            ours.measure(stage, &row(database, *size, "1,000 hot"), stage.connections, table)?;
        }
        for (row, ours) in &whole {
            ours.measure(stage, row, stage.connections, table)?;
        }
    }
    let Some((_, database)) = databases.first() else { return Ok(()) };
    let middle = sizes.get(1).copied().unwrap_or(SMALLEST);
    for (what, least, most, limit) in [
        ("1,000 hot", SMALLEST, stage.largest, 1.1),
        ("100,000 hot", middle, stage.largest, 1.1),
        ("all", SMALLEST, middle, 1.1),
        ("cold", SMALLEST, stage.largest, 2.0),
    ] {
        let (small, large) = (row(database, least, what), row(database, most, what));
        let ratio = table.ratio(&large, &small, Metric::Cpu);
        let name = format!("{}, {what}, {most} tokens to {least}", database.name());
        table.at_most(Line::Growth, &name, (ratio, " times"), limit);
    }
    Ok(())
}

fn row(database: &Database, size: u64, what: &str) -> String {
    format!("{}, {size} tokens, {what}", database.name())
}
