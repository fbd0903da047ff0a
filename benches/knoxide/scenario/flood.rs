//! Checks while many clients log in at the default cost of hashing.

use std::time::Duration;

use knoxide::password::Hasher;

use super::{checks, closed, insist, logins, measure, note, note_times, note_work, paced};
use crate::child::Role;
use crate::databases::Database;
use crate::load::Span;
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Fallible, Scenario};

/// Clients that log in.
const FLOOD: u16 = 64;

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let mut table = Table::default();
    for backend in stage.backends.clone() {
        let users = stage.tokens / 10;
        let block = Block { users, tokens_each: 10 };
        let database = Database::filled(stage, backend, &[block], Hasher::DEFAULT_COST)?;
        on(stage, &database, users, &mut table)?;
    }
    let title = "A flood: 64 clients log in at bcrypt cost 12 while others check";
    let note = "At full speed: checks in a closed loop take all that the core has. Paced: 2,000 checks a second at \
                fixed times. The server has one core, which also has to hash. Ratios are to the same load without \
                logins in the same round.";
    Ok(table.section(Scenario::Flood, title, note, stage))
}

fn on(stage: &Stage, database: &Database, users: u64, table: &mut Table) -> Fallible<()> {
    let server = stage.start(&Role::Knoxide { url: database.url.clone(), cost: Hasher::DEFAULT_COST })?;
    let meter = stage.meter(&server, Some(database));
    let row = |what: &str| format!("{}, {what}", database.name());
    for round in 0..stage.rounds {
        crate::say(&format!("flood on {}: round {} of {}", database.name(), round + 1, stage.rounds));
        for is_paced in [false, true] {
            let group = if is_paced { paced } else { closed };
            let pace = if is_paced { "paced" } else { "at full speed" };
            for flooded in [false, true] {
                let mut groups = vec![group(&server, stage.connections, checks(users * 10))?];
                if flooded {
                    groups.push(closed(&server, FLOOD, logins(users))?);
                }
                let span = Span { counted: stage.span().counted.max(Duration::from_secs(2)), ..stage.span() };
                let (outcomes, usage) = measure(groups, span, &meter)?;
                let mut outcomes = outcomes.into_iter();
                let checked = outcomes.next().ok_or("no outcome")?;
                insist(&checked, "checks")?;
                let name = row(&format!("checks {pace}, {}", if flooded { "flooded" } else { "alone" }));
                match outcomes.next() {
                    None => note(table, &name, &checked, &usage),
                    Some(logged_in) => {
                        // The processor time is the logins', too.
                        table.add(&name, Metric::Rate, checked.done() as f64 / checked.seconds);
                        table.add(&name, Metric::Others, usage.others);
                        note_times(table, &name, &checked);
                        let logins = row(&format!("logins meanwhile, checks {pace}"));
                        note_work(table, &logins, logged_in.done(), logged_in.seconds, &usage);
                        note_times(table, &logins, &logged_in);
                        table.add(&logins, Metric::Failed, logged_in.failed.values().sum::<u64>() as f64);
                    }
                }
            }
        }
    }
    for pace in ["at full speed", "paced"] {
        let (alone, flooded) = (row(&format!("checks {pace}, alone")), row(&format!("checks {pace}, flooded")));
        table.compare(&flooded, &alone, Metric::Rate, Metric::RateRatio);
        let (idle, busy) = (table.median(&alone, Metric::P99), table.median(&flooded, Metric::P99));
        let goal = format!("{}, checks {pace}: p99 in the flood within 3 times that without, or 5 ms", database.name());
        table.goal(&goal, &format!("{busy:.2} ms, alone {idle:.2} ms"), busy <= (3.0 * idle).max(5.0));
    }
    Ok(())
}
