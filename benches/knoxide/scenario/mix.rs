//! Checks with an occasional login and logout.

use std::cell::Cell;
use std::time::Duration;

use super::contest::Contestant;
use super::{closed, insist, logins, note, note_times, quietest, request_with_token};
use crate::child::Role;
use crate::databases::Database;
use crate::goals::Line;
use crate::load::{Group, Outcome, Pace, Source};
use crate::meter::Usage;
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Fallible, Scenario};

/// Checks for each login.
const CHECKS: u64 = 1000;

/// More logouts than are possible.
const MOST_A_SECOND: u64 = 400;

/// Clients that log in and out. They are separate from the checking clients, which would otherwise wait for logins and
/// send fewer checks.
const WRITERS: u16 = 64;

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let mut table = Table::default();
    for backend in stage.backends.clone() {
        on(stage, backend, &mut table)?;
    }
    let title = "A steady mix: 1,000 checks to one login and one logout";
    let note = "Somebody else knows the passwords, so that logins hash nothing: they would take as much as the checks \
                between them. They and the logouts come at fixed times, one of each for every 1,000 of the checks \
                alone in the same round, over connections of their own. The CPU that counts is that of all threads \
                but those of passwords and of writes; the first column of CPU has all of it. Ratios are to the checks \
                alone, by the CPU that counts.";
    Ok(table.section(Scenario::Mix, title, note, stage))
}

fn on(stage: &mut Stage, backend: crate::Backend, table: &mut Table) -> Fallible<()> {
    let live = Block::tens(stage.tokens.min(100_000));
    let seconds = (stage.seconds.ceil() as u64 + 1) * u64::from(stage.rounds) * 3;
    let doomed = Block::of(seconds * MOST_A_SECOND, 1);
    let database = Database::filled(stage, backend, &[live, doomed], 4)?;
    let role = Role::Elsewhere { url: database.url.clone() };
    let ours = Contestant::serving(stage, &role, database.clone(), live.tokens())?;
    ours.touch(stage)?;
    let ended = Cell::new(0);
    let (pure, mixed) = (format!("{}, checks alone", database.name()), format!("{}, mixed", database.name()));
    for round in 0..stage.rounds {
        crate::say(&format!("mix on {}: round {} of {}", database.name(), round + 1, stage.rounds));
        let meter = stage.meter(&ours.server, Some(&database));
        let alone = || Ok(vec![closed(&ours.server, stage.connections, ours.asks.source())?]);
        let (outcomes, usage) = quietest(alone, stage.span(), &meter)?;
        let mut rate = 0.0;
        for outcome in outcomes {
            insist(&outcome, &pure)?;
            rate = outcome.done() as f64 / outcome.seconds;
            note(table, &pure, &outcome, &usage);
            note_serving(table, &pure, &outcome, &usage);
        }
        let pace = Pace::Every(Duration::from_secs_f64(CHECKS as f64 / 2.0 / rate * f64::from(WRITERS)));
        let both = || {
            let checks = closed(&ours.server, stage.connections, ours.asks.source())?;
            let writes = Group { pace, ..closed(&ours.server, WRITERS, writes(live, &ended))? };
            Ok(vec![checks, writes])
        };
        let (outcomes, usage) = quietest(both, stage.span(), &meter)?;
        let [checks, writes] = &*outcomes else { return Err("two loads have two outcomes".into()) };
        insist(checks, &mixed)?;
        insist(writes, "logins and logouts")?;
        note(table, &mixed, checks, &usage);
        note_serving(table, &mixed, checks, &usage);
        let name = format!("{}, logins and logouts meanwhile", database.name());
        table.add(&name, Metric::Rate, writes.done() as f64 / writes.seconds, usage.others);
        note_times(table, &name, writes, &usage);
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

/// Logins and logouts in turn.
fn writes<'a>(live: Block, ended: &'a Cell<u64>) -> Source<'a> {
    let mut logins = logins(live.users);
    let mut number = 0;
    Box::new(move |out| {
        number += 1;
        if number % 2 == 1 {
            return logins(out);
        }
        request_with_token(out, "POST", "/auth/logout/", live.tokens() + ended.get());
        ended.set(ended.get() + 1);
        true
    })
}

fn note_serving(table: &mut Table, row: &str, outcome: &Outcome, usage: &Usage) {
    if outcome.done() > 0 {
        let part = outcome.seconds / usage.wall.as_secs_f64();
        let each = usage.serving.as_secs_f64() * 1e6 / outcome.done() as f64 * part;
        table.add(row, Metric::ServingCpu, each, usage.others);
    }
}
