//! Checks before, while and after the sessions of all users end.

use std::time::Duration;

use knoxide::domain::audit::{Actor, AuditContext, Event, Origin};
use knoxide::domain::time::{Clock as _, SystemClock};
use knoxide::store::AdminStore as _;
use knoxide::store::diesel::{DieselStore, StoreOptions};

use super::{checks, closed, few, measure, measure_now, note_times};
use crate::child::{Child, Role};
use crate::databases::Database;
use crate::goals::Line;
use crate::load::{Group, Outcome, Pace};
use crate::meter::Meter;
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Fallible, Scenario};

/// Checks a second.
const RATE: u32 = 5_000;

/// The 99th percentile must be below this.
const P99_MS: f64 = 10.0;

/// The shortest measurement during which the sessions end; they end after a quarter of it.
const LEAST: Duration = Duration::from_secs(4);

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let mut table = Table::default();
    for backend in stage.backends.clone() {
        let mut name = "";
        for round in 0..few(stage.rounds) {
            let all = Block::tens(stage.tokens);
            let database = Database::filled(stage, backend, &[all], 4)?;
            name = database.name();
            crate::say(&format!("everybody on {name}: round {} of {}", round + 1, few(stage.rounds)));
            on(stage, &database, all.tokens(), &mut table)?;
        }
        judge(&mut table, name);
    }
    let title = "Ending the sessions of all users while 5,000 checks a second run";
    let note = "Checks of random tokens of all that the database has, on one core. After the end each is refused. A 503 \
                counts as failed.";
    Ok(table.section(Scenario::Everybody, title, note, stage))
}

fn on(stage: &Stage, database: &Database, tokens: u64, table: &mut Table) -> Fallible<()> {
    let server = stage.start(&Role::Knoxide { url: database.url.clone(), cost: 4 })?;
    let meter = stage.meter(&server, Some(database));
    let row = |what: &str| format!("{}, {what}", database.name());
    let mut note = |what: &str, outcomes: Vec<Outcome>, usage| {
        for outcome in outcomes {
            note_times(table, &row(what), &outcome, &usage);
            table.add(&row(what), Metric::Failed, outcome.failed.values().sum::<u64>() as f64, usage.others);
        }
    };
    let (outcomes, usage) = measure(vec![group(stage, &server, tokens, &[200])?], stage.span(), &meter)?;
    note("before", outcomes, usage);
    let (outcomes, usage) = end(stage, database, group(stage, &server, tokens, &[200, 401])?, &meter)?;
    note("while they end", outcomes, usage);
    let (outcomes, usage) = measure(vec![group(stage, &server, tokens, &[401])?], stage.span(), &meter)?;
    note("afterwards", outcomes, usage);
    Ok(())
}

fn group<'a>(stage: &Stage, server: &Child, tokens: u64, good: &'static [u16]) -> Fallible<Group<'a>> {
    let pace = Pace::Every(Duration::from_secs(1) * u32::from(stage.connections) / RATE);
    Ok(Group { pace, good, ..closed(server, stage.connections, checks(tokens))? })
}

/// Ends all sessions under load.
fn end(
    stage: &Stage,
    database: &Database,
    group: Group<'_>,
    meter: &Meter<'_>,
) -> Fallible<(Vec<Outcome>, crate::meter::Usage)> {
    let mut span = stage.span();
    span.counted = span.counted.max(LEAST);
    let store = DieselStore::open(&database.url, StoreOptions::default())?;
    let moment = span.warm_up + span.counted / 4;
    std::thread::scope(|scope| {
        let ending = scope.spawn(move || {
            // The load runs for a moment before the end becomes part of the measurement.
            std::thread::sleep(moment);
            let (event, actor, origin) = (Event::AllSessionsEnded, Actor::CommandLine, Origin::default());
            let audit = AuditContext { event, actor, origin, at: SystemClock.now(), detail: None };
            store.end_everybody(&audit)
        });
        let measured = measure_now(vec![group], span, meter);
        ending.join().map_err(|_| "the end panicked")??;
        measured
    })
}

fn judge(table: &mut Table, name: &str) {
    for what in ["before", "while they end", "afterwards"] {
        let row = format!("{name}, {what}");
        let (p99, failed) = (table.median(&row, Metric::P99), table.median(&row, Metric::Failed));
        let figure = format!("p99 {p99:.2} ms, {failed} failed");
        table.goal(Line::EndingEverybody, &row, &figure, p99 <= P99_MS && failed == 0.0);
    }
}
