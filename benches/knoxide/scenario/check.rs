//! Checks of live tokens.

use super::contest::{BARE, COOKIE, Contestant, bare, cookie};
use super::note_yardstick;
use crate::child::Role;
use crate::databases::Database;
use crate::goals::Line;
use crate::meter::resident;
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Backend, Fallible, Scenario};

/// The number of clients that wait at once on a busy site.
const CROWD: u16 = 1000;

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let block = Block::tens(stage.tokens);
    let (mut ours, mut lookups) = (Vec::new(), Vec::new());
    for backend in stage.backends.clone() {
        let database = Database::kept(stage, backend, &[block])?;
        let lookup = stage.start(&Role::Lookups { url: database.url.clone(), tokens: block.tokens() })?;
        lookups.push((format!("plain SELECT by key, no HTTP, {}", database.name()), lookup, database.clone()));
        ours.push(Contestant::knoxide(stage, database, block.tokens())?);
    }
    let first = ours.first().ok_or("no database to measure on")?;
    let mut contestants = vec![bare(stage, &first.server)?, cookie(stage, &first.server)?];
    for contestant in &ours {
        crate::say(&format!("check: every token once, {}", contestant.name));
        contestant.touch(stage)?;
    }
    contestants.extend(ours);
    let mut table = Table::default();
    for round in 0..stage.rounds {
        crate::say(&format!("check: round {} of {}", round + 1, stage.rounds));
        for contestant in &contestants {
            contestant.measure(stage, &contestant.name, stage.connections, &mut table)?;
        }
        for contestant in contestants.iter().filter(|contestant| meets_the_crowd(contestant)) {
            contestant.measure(stage, &crowded(&contestant.name), CROWD, &mut table)?;
        }
        for (name, child, database) in &mut lookups {
            note_yardstick(&mut table, name, child, stage.seconds, (stage, Some(database)))?;
        }
    }
    for contestant in &contestants {
        let memory = resident(contestant.server.id())? as f64 / 1_048_576.0;
        table.add(&contestant.name, Metric::Memory, memory, 0.0);
        let crowd = [(crowded(&contestant.name), crowded(BARE))];
        let rows = [(contestant.name.clone(), BARE.to_owned())].into_iter().chain(crowd);
        for (row, base) in rows {
            table.compare(&row, &base, Metric::Rate, Metric::RateRatio);
            table.compare(&row, &base, Metric::Cpu, Metric::CpuRatio);
        }
        if let Some(database) = &contestant.database {
            table.compare(&contestant.name, COOKIE, Metric::Cpu, Metric::CookieRatio);
            judge(&mut table, database, &contestant.name);
        }
    }
    let title = "A check: GET /auth/user/ with a live token";
    let note = "Closed loop: each connection asks again as soon as it has its reply. Tokens are asked for at random, \
                after each was asked for once. The bare route and the cookie session send the same bytes as Knoxide. \
                Ratios are to the bare route of the same round, with as many connections.";
    Ok(table.section(Scenario::Check, title, note, stage))
}

/// Whether [`CROWD`] clients check here too.
fn meets_the_crowd(contestant: &Contestant) -> bool {
    contestant.database.as_ref().map_or(contestant.name == BARE, |database| database.backend == Backend::Postgres)
}

fn crowded(name: &str) -> String {
    format!("{name}, {CROWD} connections")
}

fn judge(table: &mut Table, database: &Database, row: &str) {
    let cpu = table.median(row, Metric::CpuRatio);
    let rate = table.median(row, Metric::RateRatio);
    let (line, most, least) = match database.backend {
        Backend::Sqlite => (Line::CheckOnSqlite, 1.15, 0.9),
        Backend::Postgres => (Line::CheckOnPostgres, 1.35, 0.6),
    };
    table.at_most(line, "CPU", (cpu, " times"), most);
    table.at_least(line, "throughput", (rate, " times"), least);
    let cookie = table.median(row, Metric::CookieRatio);
    match database.backend {
        Backend::Sqlite => table.at_most(Line::CookieSession, "CPU on SQLite", (cookie, " times"), 1.0),
        Backend::Postgres => {
            table.at_most(line, "CPU of the database", (table.median(row, Metric::DatabaseCpu), " µs"), 2.5);
            let crowd = table.median(&crowded(row), Metric::DatabaseCpu);
            table.at_most(line, "CPU of the database at 1,000 connections", (crowd, " µs"), 1.0);
        }
    }
}
