//! Checks with a login and a logout now and then.

use std::cell::Cell;

use super::contest::{Asks, Contestant};
use super::{closed, insist, logins, note, note_times, note_work, quietest, request_with_token};
use crate::databases::Database;
use crate::goals::Line;
use crate::load::{Outcome, Source};
use crate::meter::Usage;
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Fallible, Scenario};

/// Checks between a login and the next.
const CHECKS: u64 = 1000;

/// More logouts than are possible: one in so many requests.
const MOST_A_SECOND: u64 = 200;

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let mut table = Table::default();
    for backend in stage.backends.clone() {
        on(stage, backend, &mut table)?;
    }
    let title = "A steady mix: 1,000 checks to one login and one logout";
    let note = "The logins hash at the least cost, which would still take as much as the checks between them: so the \
                CPU that counts is that of all threads but those that hash passwords and those that write into the \
                database. The first column of CPU has all of it. Ratios are to checks alone in the same round, by the \
                CPU that counts.";
    Ok(table.section(Scenario::Mix, title, note, stage))
}

fn on(stage: &mut Stage, backend: crate::Backend, table: &mut Table) -> Fallible<()> {
    let live = Block::tens(stage.tokens.min(100_000));
    let seconds = (stage.seconds.ceil() as u64 + 1) * u64::from(stage.rounds) * 3;
    let doomed = Block::of(seconds * MOST_A_SECOND, 1);
    let database = Database::filled(stage, backend, &[live, doomed], 4)?;
    let ours = Contestant::knoxide(stage, database.clone(), live.tokens())?;
    ours.touch(stage)?;
    let ended = Cell::new(0);
    let (pure, mixed) = (format!("{}, checks alone", database.name()), format!("{}, mixed", database.name()));
    for round in 0..stage.rounds {
        crate::say(&format!("mix on {}: round {} of {}", database.name(), round + 1, stage.rounds));
        let meter = stage.meter(&ours.server, Some(&database));
        let alone = || Ok(vec![closed(&ours.server, stage.connections, ours.asks.source())?]);
        let (outcomes, usage) = quietest(alone, stage.span(), &meter)?;
        for outcome in outcomes {
            insist(&outcome, &pure)?;
            note(table, &pure, &outcome, &usage);
            note_serving(table, &pure, outcome.done(), &outcome, &usage);
        }
        let both = || Ok(vec![closed(&ours.server, stage.connections, mixture(&ours.asks, live, &ended))?]);
        let (outcomes, usage) = quietest(both, stage.span(), &meter)?;
        for outcome in outcomes {
            insist(&outcome, &mixed)?;
            let checks = outcome.done() * CHECKS / (CHECKS + 2);
            note_work(table, &mixed, checks, outcome.seconds, &usage);
            note_times(table, &mixed, &outcome, &usage);
            note_serving(table, &mixed, checks, &outcome, &usage);
        }
    }
    if ended.get() > doomed.tokens() {
        return Err("there were not enough sessions to end".into());
    }
    table.compare(&mixed, &pure, Metric::Rate, Metric::RateRatio);
    table.compare(&mixed, &pure, Metric::ServingCpu, Metric::CpuRatio);
    let ratio = table.median(&mixed, Metric::CpuRatio);
    table.at_most(Line::SteadyMix, database.name(), (ratio, " times"), 1.15);
    Ok(())
}

/// Checks, and in the middle of each thousand a login, and after it a logout.
fn mixture<'a>(asks: &'a Asks, live: Block, ended: &'a Cell<u64>) -> Source<'a> {
    let (mut checks, mut logins) = (asks.source(), logins(live.users));
    let mut number = 0;
    Box::new(move |out| {
        number += 1;
        match number % (CHECKS + 2) {
            501 => logins(out),
            0 => {
                request_with_token(out, "POST", "/auth/logout/", live.tokens() + ended.get());
                ended.set(ended.get() + 1);
                true
            }
            _ => checks(out),
        }
    })
}

fn note_serving(table: &mut Table, row: &str, checks: u64, outcome: &Outcome, usage: &Usage) {
    if checks > 0 {
        let part = outcome.seconds / usage.wall.as_secs_f64();
        let each = usage.serving.as_secs_f64() * 1e6 / checks as f64 * part;
        table.add(row, Metric::ServingCpu, each, usage.others);
    }
}
