//! Memory, and a flood of random tokens.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use super::contest::{Asks, Contestant, wait_until_ready};
use super::{all_of, checks, closed, insist, measure, note, note_times, paced};
use crate::child::Child;
use crate::databases::Database;
use crate::goals::Line;
use crate::load::{Group, Source};
use crate::meter::resident;
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::serve::PATH;
use crate::stage::Stage;
use crate::{Fallible, Scenario};

/// Tokens that do not exist.
const UNKNOWN: u64 = 1_000_000;
const THROWERS: u16 = 16;

/// What counts as no memory, in bytes for each token: an allocator keeps a little of what it was given.
const NOTHING: f64 = 4.0;

const MIB: f64 = 1_048_576.0;

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let mut table = Table::default();
    let block = Block::tens(stage.tokens);
    for backend in stage.backends.clone() {
        let database = Database::kept(stage, backend, &[block])?;
        on(stage, &database, block, &mut table)?;
    }
    let title = "Memory: the program as it is shipped";
    let note = "Resident memory, once the server is ready; after each token of the database was asked for once; and \
                after 16 clients had asked for a million tokens that nobody has, each for the next as soon as one was \
                refused, while 2,000 checks of live tokens a second went on. They come in as many parts as there are \
                rounds, after the same checks alone in each.";
    Ok(table.section(Scenario::Memory, title, note, stage))
}

fn on(stage: &Stage, database: &Database, block: Block, table: &mut Table) -> Fallible<()> {
    let name = database.name();
    crate::say(&format!("memory on {name}"));
    let row = |what: &str| format!("{name}, {what}");
    let server = Rc::new(stage.start_shipped(database)?);
    wait_until_ready(&server)?;
    let memory = || resident(server.id()).map(|bytes| bytes as f64);
    // A few checks first, so that each thread and each connection has handled one.
    let few = Contestant {
        name: row("a few checks"),
        server: Rc::clone(&server),
        database: Some(database.clone()),
        asks: Asks::Tokens { count: 100, path: PATH },
    };
    let idle = memory()?;
    few.touch(stage)?;
    let before = memory()?;
    Contestant { asks: Asks::Tokens { count: block.tokens(), path: PATH }, ..few }.touch(stage)?;
    let (after, count) = (memory()?, block.tokens() as f64);
    table.add(&row("idle"), Metric::Memory, idle / MIB, 0.0);
    table.add(&row("each token asked for once"), Metric::Memory, after / MIB, 0.0);
    let each = (after - before) / count;
    table.add(&row("each token asked for once"), Metric::Bytes, each, 0.0);
    table.at_most(Line::Memory, &format!("{name}, idle"), (idle / MIB, " MiB"), 30.0);
    table.at_most(Line::Memory, &format!("{name}, a token"), (each, " bytes"), 250.0);

    let before = memory()?;
    let unknown = UNKNOWN.min(block.tokens());
    for round in 0..stage.rounds {
        crate::say(&format!("memory on {name}: round {} of {}", round + 1, stage.rounds));
        let (from, to) = (u64::from(round), u64::from(round) + 1);
        let part = |rounds: u64| unknown * rounds / u64::from(stage.rounds);
        thrown(stage, &server, database, part(from)..part(to), table)?;
    }
    let after = memory()?;
    table.add(&row("unknown tokens"), Metric::Memory, after / MIB, 0.0);
    let each = (after - before) / unknown as f64;
    table.add(&row("unknown tokens"), Metric::Bytes, each, 0.0);
    table.at_most(Line::UnknownTokens, &format!("{name}, an unknown token"), (each, " bytes"), NOTHING);
    let ratio = table.ratio(&row("live checks, meanwhile"), &row("live checks, alone"), Metric::P99);
    table.at_most(Line::UnknownTokens, &format!("{name}, p99 of checks"), (ratio, " times"), 3.0);
    Ok(())
}

/// Live checks alone, and during a flood of these unknown tokens.
fn thrown(stage: &Stage, server: &Child, database: &Database, unknown: Range<u64>, table: &mut Table) -> Fallible<()> {
    let tokens = Block::tens(stage.tokens).tokens();
    let row = |what: &str| format!("{}, {what}", database.name());
    let meter = stage.meter(server, Some(database));
    let alone = vec![paced(server, stage.connections, checks(tokens))?];
    let (alone, usage) = measure(alone, stage.span(), &meter)?;
    for outcome in &alone {
        insist(outcome, "checks")?;
        note(table, &row("live checks, alone"), outcome, &usage);
    }
    let (next, end) = (Cell::new(unknown.start), unknown.end);
    let groups = vec![
        paced(server, stage.connections, while_thrown(tokens, &next, end))?,
        Group { good: &[401], ..closed(server, THROWERS, strangers(&next, end))? },
    ];
    let (outcomes, usage) = measure(groups, all_of(stage.span()), &meter)?;
    for (outcome, what) in outcomes.iter().zip(["live checks, meanwhile", "unknown tokens"]) {
        insist(outcome, what)?;
        table.add(&row(what), Metric::Rate, outcome.done() as f64 / outcome.seconds, usage.others);
        note_times(table, &row(what), outcome, &usage);
    }
    Ok(())
}

/// Checks of random live tokens, until the unknown tokens run out.
fn while_thrown(tokens: u64, next: &Cell<u64>, end: u64) -> Source<'_> {
    let mut checks = checks(tokens);
    Box::new(move |out| next.get() < end && checks(out))
}

/// Tokens that look like any other, numbered far beyond the population.
fn strangers(next: &Cell<u64>, end: u64) -> Source<'_> {
    Box::new(move |out| {
        let number = next.get();
        if number < end {
            super::request_with_token(out, "GET", PATH, (1 << 40) + number);
            next.set(number + 1);
        }
        number < end
    })
}
