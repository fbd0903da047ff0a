//! Checks while many clients log in at the default cost of hashing.

use std::time::Duration;

use knoxide::domain::password::Hasher;

use super::contest::Contestant;
use super::{closed, few, insist, logins, note, note_times, paced, quietest};
use crate::child::{Child, Role};
use crate::databases::Database;
use crate::goals::Line;
use crate::load::{Group, Source, Span};
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Fallible, Scenario};

/// Makes clients of a server: this many connections, which send these requests.
type Clients = for<'a> fn(&Child, u16, Source<'a>) -> Fallible<Group<'a>>;

/// As many as can be filled in again for each run.
const MOST_TOKENS: u64 = 100_000;

/// Clients that log in.
const FLOOD: u16 = 64;

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let mut table = Table::default();
    for backend in stage.backends.clone() {
        let block = Block::tens(stage.tokens.min(MOST_TOKENS));
        let database = Database::filled(stage, backend, &[block], Hasher::DEFAULT_COST)?;
        let role = Role::Knoxide { url: database.url.clone(), cost: Hasher::DEFAULT_COST };
        let tokens = block.users * 10;
        let one = Contestant::of(stage.start(&role)?, database.clone(), tokens);
        on(stage, &one, block.users, (database.name(), 0.75), &mut table)?;
        drop(one);
        if let Some(server) = stage.start_on_two(&role)? {
            let two = Contestant::of(server, database.clone(), tokens);
            let name = format!("{} with two cores", database.name());
            on(stage, &two, block.users, (&*name, 0.8), &mut table)?;
        }
    }
    let title = "A flood: 64 clients log in at bcrypt cost 12 while others check";
    let note = "At full speed: checks in a closed loop take all that the core has. Paced: 2,000 checks a second at \
                fixed times. The server has one core, or two where that is said, and also has to hash. Logins that \
                are refused with 503 come again after the second that the reply says. Ratios are to the same load \
                without logins in the same round.";
    Ok(table.section(Scenario::Flood, title, note, stage))
}

/// Floods a server, which must keep at least the part `least` of its throughput.
fn on(stage: &Stage, ours: &Contestant, users: u64, (name, least): (&str, f64), table: &mut Table) -> Fallible<()> {
    ours.touch(stage)?;
    let server = &*ours.server;
    let meter = stage.meter(server, ours.database.as_ref());
    let span = Span { counted: stage.span().counted.max(Duration::from_secs(2)), ..stage.span() };
    let row = |what: &str| format!("{name}, {what}");
    for round in 0..few(stage.rounds) {
        crate::say(&format!("flood on {name}: round {} of {}", round + 1, few(stage.rounds)));
        for (group, pace) in [(closed as Clients, "at full speed"), (paced, "paced")] {
            let check = || group(server, stage.connections, ours.asks.source());
            let (alone, usage) = quietest(|| Ok(vec![check()?]), span, &meter)?;
            for outcome in alone {
                insist(&outcome, "checks")?;
                note(table, &row(&format!("checks {pace}, alone")), &outcome, &usage);
            }
            let both = || Ok(vec![check()?, closed(server, FLOOD, logins(users))?]);
            let (flooded, usage) = quietest(both, span, &meter)?;
            let names = [row(&format!("checks {pace}, flooded")), row(&format!("logins meanwhile, checks {pace}"))];
            for (name, outcome) in names.iter().zip(&flooded) {
                // The processor time of checks and logins cannot be told apart here.
                table.add(name, Metric::Rate, outcome.done() as f64 / outcome.seconds, usage.others);
                table.add(name, Metric::Failed, outcome.failed.values().sum::<u64>() as f64, usage.others);
                table.add(name, Metric::Others, usage.others, usage.others);
                note_times(table, name, outcome, &usage);
            }
            if let Some(checked) = flooded.first() {
                insist(checked, "checks in the flood")?;
            }
        }
    }
    for pace in ["at full speed", "paced"] {
        let (alone, flooded) = (row(&format!("checks {pace}, alone")), row(&format!("checks {pace}, flooded")));
        table.compare(&flooded, &alone, Metric::Rate, Metric::RateRatio);
        let (idle, busy) = (table.median(&alone, Metric::P99), table.median(&flooded, Metric::P99));
        let what = format!("{name}, {pace}");
        let figure = format!("p99 {busy:.2} ms, alone {idle:.2} ms");
        table.goal(Line::Flood, &what, &figure, busy <= (3.0 * idle).max(5.0));
        let rate = table.median(&flooded, Metric::RateRatio);
        table.at_least(Line::Flood, &what, (rate, " times the throughput"), least);
    }
    Ok(())
}
