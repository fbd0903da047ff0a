//! Ending ten thousand sessions, compared with ending one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{all_of, checks, few, insist, measure, measure_now, note_times, paced, request_with_token};
use crate::child::{Child, Role};
use crate::databases::Database;
use crate::goals::Line;
use crate::load::{Group, Outcome, Pace, Source};
use crate::meter::Usage;
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Fallible, Scenario};

/// The number of tokens of a user with many.
const MANY: u64 = 10_000;

/// Tokens of other users, which are checked at the same time.
const MOST_TOKENS: u64 = 100_000;

/// Users of each kind whose sessions end during one measurement.
const TRIALS: u32 = 2;

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let mut table = Table::default();
    for backend in stage.backends.clone() {
        let trials = u64::from(few(stage.rounds) * 2 * TRIALS);
        let others = Block::tens(stage.tokens.min(MOST_TOKENS));
        let (one, many) = (Block::of(trials, 1), Block::of(trials, MANY));
        let database = Database::filled(stage, backend, &[others, one, many], 4)?;
        on(stage, &database, others.tokens(), trials, &mut table)?;
    }
    let title = "Ending all sessions: POST /auth/logoutall/ with 10,000 tokens and with one";
    let note = "Times of single requests, each by a user of its own; quiet, and while 2,000 checks a second run. \
                The check of the token that asks is part of the time, and so is the sync of the disk.";
    Ok(table.section(Scenario::Logoutall, title, note, stage))
}

fn on(stage: &Stage, database: &Database, others: u64, trials: u64, table: &mut Table) -> Fallible<()> {
    let mut server = stage.start(&Role::Knoxide { url: database.url.clone(), cost: 4 })?;
    let meter = stage.meter(&server, Some(database));
    let row = |what: &str| format!("{}, {what}", database.name());
    let mut used = 0;
    for round in 0..few(stage.rounds) {
        crate::say(&format!("logoutall on {}: round {} of {}", database.name(), round + 1, few(stage.rounds)));
        let alone = vec![paced(&server, stage.connections, checks(others))?];
        let (outcomes, usage) = measure(alone, stage.span(), &meter)?;
        for outcome in outcomes {
            insist(&outcome, "checks")?;
            note_times(table, &row("checks, alone"), &outcome, &usage);
            table.add(&row("checks, alone"), Metric::Others, usage.others, usage.others);
        }
        for is_quiet in [true, false] {
            let mut groups = vec![
                logout_all(stage, &server, 0.125, move |trial| others + used + trial)?,
                logout_all(stage, &server, 0.375, move |trial| others + trials + (used + trial) * MANY)?,
            ];
            if !is_quiet {
                groups.push(paced(&server, stage.connections, checks(others))?);
            }
            used += u64::from(TRIALS);
            let (outcomes, usage) = measure(groups, stage.span(), &meter)?;
            let how = if is_quiet { "quiet" } else { "among checks" };
            let names =
                [row(&format!("one token, {how}")), row(&format!("10,000 tokens, {how}")), row("checks, meanwhile")];
            for (name, outcome) in names.iter().zip(&outcomes) {
                insist(outcome, name)?;
                table.add(name, Metric::Others, usage.others, usage.others);
            }
            for (name, outcome) in names.iter().zip(&outcomes).take(2) {
                note_each(table, name, outcome, &usage)?;
            }
            for (name, outcome) in names.iter().zip(&outcomes).skip(2) {
                note_times(table, name, outcome, &usage);
            }
        }
        sweep(stage, &mut server, (database, others), &row("checks, while the sweeper clears up"), table)?;
    }
    judge(table, database.name());
    Ok(())
}

fn judge(table: &mut Table, name: &str) {
    let row = |what: &str| format!("{name}, {what}");
    for how in ["quiet", "among checks"] {
        let one = table.median(&row(&format!("one token, {how}")), Metric::Time);
        let many = table.median(&row(&format!("10,000 tokens, {how}")), Metric::Time);
        let figure = format!("{many:.2} ms; with one token {one:.2} ms, so {:.2} ms for the others", many - one);
        table.goal(Line::EndingAll, &row(how), &figure, many <= one + 5.0);
    }
    let alone = table.median(&row("checks, alone"), Metric::P99);
    for what in ["checks, meanwhile", "checks, while the sweeper clears up"] {
        let p99 = table.median(&row(what), Metric::P99);
        let figure = format!("p99 {p99:.2} ms, alone {alone:.2} ms");
        table.goal(Line::EndingAll, &row(what), &figure, p99 <= 3.0 * alone);
    }
}

/// Checks while the server deletes the rows of the ended sessions.
fn sweep(
    stage: &Stage,
    server: &mut Child,
    (database, others): (&Database, u64),
    row: &str,
    table: &mut Table,
) -> Fallible<()> {
    let meter = stage.meter(server, Some(database));
    meter.wait_for_rest()?;
    let swept = AtomicBool::new(false);
    let mut checks = checks(others);
    let source: Source<'_> = Box::new(|out| !swept.load(Ordering::Relaxed) && checks(out));
    let groups = vec![paced(server, stage.connections, source)?];
    let (outcomes, usage) = std::thread::scope(|scope| {
        let sweeping = scope.spawn(|| {
            let tally = server.sweep();
            swept.store(true, Ordering::Relaxed);
            tally
        });
        let measured = measure_now(groups, all_of(stage.span()), &meter);
        let tally = sweeping.join().map_err(|_| "the sweep panicked")??;
        if tally.done == 0 {
            return Err("there was nothing to sweep".into());
        }
        measured
    })?;
    for outcome in outcomes {
        insist(&outcome, row)?;
        note_times(table, row, &outcome, &usage);
        table.add(row, Metric::Others, usage.others, usage.others);
    }
    Ok(())
}

/// One client that ends all sessions of one user after another, starting after this part of the counted time.
fn logout_all<'a>(stage: &Stage, server: &Child, part: f64, token: impl Fn(u64) -> u64 + 'a) -> Fallible<Group<'a>> {
    let span = stage.span();
    let mut trial = 0;
    Ok(Group {
        address: server.address()?,
        connections: 1,
        pace: Pace::Every(span.counted / TRIALS),
        first: span.warm_up + span.counted.mul_f64(part).max(Duration::from_millis(20)),
        source: Box::new(move |out| {
            request_with_token(out, "POST", "/auth/logoutall/", token(trial));
            trial += 1;
            trial <= u64::from(TRIALS)
        }),
        good: &[200],
    })
}

fn note_each(table: &mut Table, name: &str, outcome: &Outcome, usage: &Usage) -> Fallible<()> {
    if outcome.done() != u64::from(TRIALS) {
        return Err(format!("{name}: {} of {TRIALS} were answered", outcome.done()).into());
    }
    for step in outcome.times.iter_recorded() {
        for _ in 0..step.count_at_value() {
            table.add(name, Metric::Time, step.value_iterated_to() as f64 / 1e6, usage.others);
        }
    }
    Ok(())
}
