//! What is measured, and how one measurement runs.

use std::time::Duration;

use crate::child::Child;
use crate::databases::Database;
use crate::load::{self, Group, Outcome, Pace, Source, Span};
use crate::meter::{Meter, Usage};
use crate::population::{Dice, PASSWORD, token_text, user_name};
use crate::report::{Metric, NOISY, Section, Table};
use crate::serve::PATH;
use crate::stage::Stage;
use crate::{Fallible, Scenario};

mod check;
mod contest;
mod everybody;
mod flood;
mod forward;
mod logoutall;
mod lone;
mod memory;
mod mix;
mod services;
mod start;
mod strict;
mod writes;

/// Measures one scenario on all databases that were asked for.
pub(crate) fn run(scenario: Scenario, stage: &mut Stage) -> Fallible<Section> {
    match scenario {
        Scenario::Check => check::run(stage),
        Scenario::Lone => lone::run(stage),
        Scenario::Forward => forward::run(stage),
        Scenario::Services => services::run(stage),
        Scenario::Mix => mix::run(stage),
        Scenario::Flood => flood::run(stage),
        Scenario::Logoutall => logoutall::run(stage),
        Scenario::Everybody => everybody::run(stage),
        Scenario::Writes => writes::run(stage),
        Scenario::Strict => strict::run(stage),
        Scenario::Memory => memory::run(stage),
        Scenario::Start => start::run(stage),
    }
}

/// Runs a load, and returns the processor time that it took.
fn measure(groups: Vec<Group<'_>>, span: Span, meter: &Meter<'_>) -> Fallible<(Vec<Outcome>, Usage)> {
    meter.wait_for_rest()?;
    meter.wait_for_quiet(span.patience);
    measure_now(groups, span, meter)
}

/// The same without waiting for a quiet machine, for scenarios that keep the server busy with something else.
fn measure_now(groups: Vec<Group<'_>>, span: Span, meter: &Meter<'_>) -> Fallible<(Vec<Outcome>, Usage)> {
    let mut readings = Vec::with_capacity(2);
    let outcomes = load::run(groups, span, &mut || readings.push(meter.read()))?;
    match &*readings {
        [before, after] => Ok((outcomes, before.until(after))),
        _ => Err("the load was over before it counted".into()),
    }
}

/// The maximum number of attempts at a spoilt measurement.
const ATTEMPTS: u32 = 3;

/// The time allowed for a load that ends by itself.
const LONG: Duration = Duration::from_secs(15 * 60);

/// A span without warm-up, for loads that end by themselves.
const fn all_of(span: Span) -> Span {
    Span { warm_up: Duration::ZERO, counted: LONG, ..span }
}

/// Repeats a load while other work on the machine spoils it, and returns the least spoilt run. The choice does not
/// depend on what was measured.
fn quietest<'a>(
    mut groups: impl FnMut() -> Fallible<Vec<Group<'a>>>,
    span: Span,
    meter: &Meter<'_>,
) -> Fallible<(Vec<Outcome>, Usage)> {
    let mut best = measure(groups()?, span, meter)?;
    for _ in 1..ATTEMPTS {
        if best.1.others <= NOISY {
            break;
        }
        let other = measure(groups()?, span, meter)?;
        if other.1.others < best.1.others {
            best = other;
        }
    }
    Ok(best)
}

/// Clients that each wait for a reply before the next request.
fn closed<'a>(child: &Child, connections: u16, source: Source<'a>) -> Fallible<Group<'a>> {
    let address = child.address()?;
    Ok(Group { address, connections, pace: Pace::Closed, first: Duration::ZERO, source, good: &[200] })
}

/// As many checks a second as a busy site sends, and few enough for a server to keep up with.
const PACED_RATE: u32 = 2000;

/// Clients that send requests at fixed times, [`PACED_RATE`] a second in total.
fn paced<'a>(child: &Child, connections: u16, source: Source<'a>) -> Fallible<Group<'a>> {
    let pace = Pace::Every(Duration::from_secs(1) * u32::from(connections) / PACED_RATE);
    Ok(Group { pace, ..closed(child, connections, source)? })
}

/// Checks of random tokens among the first `tokens`.
fn checks(tokens: u64) -> Source<'static> {
    let mut dice = Dice::new(1);
    Box::new(move |out| {
        request_with_token(out, "GET", PATH, dice.below(tokens));
        true
    })
}

/// A request that carries a token.
fn request_with_token(out: &mut Vec<u8>, method: &str, path: &str, token: u64) {
    for part in [method, " ", path, " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Token "] {
        out.extend(part.as_bytes());
    }
    out.extend(token_text(token));
    out.extend(if method == "POST" { b"\r\nContent-Length: 0\r\n\r\n".as_slice() } else { b"\r\n\r\n" });
}

/// Logins of random users among the first `users`.
fn logins(users: u64) -> Source<'static> {
    let mut dice = Dice::new(2);
    Box::new(move |out| {
        let name = user_name(dice.below(users) + 1);
        let body = format!(r#"{{"username":"{name}","password":"{PASSWORD}"}}"#);
        let head =
            "POST /auth/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ";
        out.extend(format!("{head}{}\r\n\r\n{body}", body.len()).bytes());
        true
    })
}

/// Records the rate, the processor time and the response times of one measurement.
fn note(table: &mut Table, row: &str, outcome: &Outcome, usage: &Usage) {
    note_work(table, row, outcome.done(), outcome.seconds, usage);
    note_times(table, row, outcome, usage);
    if !outcome.failed.is_empty() {
        table.add(row, Metric::Failed, outcome.failed.values().sum::<u64>() as f64, usage.others);
    }
}

fn note_times(table: &mut Table, row: &str, outcome: &Outcome, usage: &Usage) {
    if outcome.done() > 0 {
        table.add(row, Metric::P50, outcome.millis(0.5), usage.others);
        table.add(row, Metric::P99, outcome.millis(0.99), usage.others);
        table.add(row, Metric::P999, outcome.millis(0.999), usage.others);
    }
}

fn note_work(table: &mut Table, row: &str, done: u64, seconds: f64, usage: &Usage) {
    let done = done as f64;
    table.add(row, Metric::Rate, done / seconds, usage.others);
    if done > 0.0 {
        // The load and the meter measure slightly different times, because reading the meter takes time.
        let each = |time: Duration| time.as_secs_f64() * 1e6 / done * (seconds / usage.wall.as_secs_f64());
        table.add(row, Metric::Cpu, each(usage.process), usage.others);
        table.add(row, Metric::DatabaseCpu, each(usage.database), usage.others);
    }
    table.add(row, Metric::Others, usage.others, usage.others);
}

/// The number of rounds in scenarios whose rounds take long.
fn few(rounds: u32) -> u32 {
    rounds.min(3)
}

/// Runs a yardstick without HTTP, and records what it took.
fn note_yardstick(
    table: &mut Table,
    row: &str,
    child: &mut Child,
    seconds: f64,
    (stage, database): (&Stage, Option<&Database>),
) -> Fallible<()> {
    let meter = stage.meter(child, database);
    meter.wait_for_quiet(stage.span().patience);
    let before = meter.read();
    let tally = child.work(seconds)?;
    let usage = before.until(&meter.read());
    note_work(table, row, tally.done, tally.seconds, &usage);
    if let Some(median) = tally.median_us {
        table.add(row, Metric::P50, median / 1000.0, usage.others);
    }
    Ok(())
}

/// One reply in this many may say that the server was too busy: on a machine with other work, a process can be stopped
/// for a second.
const BUSY_ONE_OF: u64 = 10_000;

/// Ends the run with an error if there were replies other than good ones.
fn insist(outcome: &Outcome, what: &str) -> Fallible<()> {
    let busy = outcome.failed.get(&503).copied().unwrap_or(0);
    let all: u64 = outcome.failed.values().sum();
    if all == busy && busy * BUSY_ONE_OF <= outcome.done() {
        Ok(())
    } else {
        Err(format!("{what}: other replies than good ones, by status: {:?}", outcome.failed).into())
    }
}
