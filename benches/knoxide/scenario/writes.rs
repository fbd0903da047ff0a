//! Logins and logouts.

use std::time::Duration;

use knoxide::domain::password::Hasher;
use knoxide::store::Store as _;
use knoxide::store::diesel::{DieselStore, StoreOptions};

use super::{closed, few, insist, logins, measure, note, note_yardstick, quietest, request_with_token};
use crate::child::Role;
use crate::databases::Database;
use crate::goals::Line;
use crate::load::{Outcome, Source, Span};
use crate::meter::Usage;
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Backend, Fallible, Scenario};

/// Clients that write.
const CLIENTS: u16 = 64;

/// More logouts a second than are possible here.
const MOST_A_SECOND: u64 = 24_000;

/// Clients that log in at the default cost: fewer than the queue of a server with one core holds.
const HASHING: u16 = 16;

/// A login at the default cost takes a quarter of a second: a shorter run has too few to compare.
const LEAST_SECONDS: f64 = 8.0;

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let mut table = Table::default();
    for backend in stage.backends.clone() {
        unhashed(stage, backend, &mut table)?;
        default_cost(stage, backend, &mut table)?;
    }
    let title = "Writes: logins and logouts of many clients";
    let note = "Transactions are the store's own, one each, without HTTP, on as many connections as stand there. \
                Logins without hashing are those of an application whose own users log in; they read the account \
                first, and a logout checks its token: 64 clients. Those at cost 12 come from 16. Ratios are to the transactions, or to plain bcrypt, of the same \
                round.";
    Ok(table.section(Scenario::Writes, title, note, stage))
}

/// Logins without hashing, and logouts.
fn unhashed(stage: &mut Stage, backend: Backend, table: &mut Table) -> Fallible<()> {
    let half = (stage.seconds.ceil() as u64 + 1) * u64::from(few(stage.rounds)) * MOST_A_SECOND;
    let block = Block::of(half / 10, 20);
    let users = block.users;
    let database = Database::filled(stage, backend, &[block], 4)?;
    let url = &database.url;
    let row = |what: &str| format!("{}, {what}", database.name());
    let threads = DieselStore::open(url, StoreOptions::default())?.writers();
    let server = stage.start(&Role::Elsewhere { url: url.clone() })?;
    let mut opens = stage.start(&Role::Opens { url: url.clone(), users, threads })?;
    let mut ends = stage.start(&Role::Ends { url: url.clone(), from: half, to: 2 * half, threads })?;
    let names = [
        row("logins without hashing"),
        row(&format!("transactions of a login, {threads} at a time")),
        row("logouts"),
        row(&format!("transactions of a logout, {threads} at a time")),
    ];
    let [login, open, logout, end] = &names;
    let mut next = 0;
    for round in 0..few(stage.rounds) {
        crate::say(&format!("writes on {}: round {} of {}", database.name(), round + 1, few(stage.rounds)));
        let meter = stage.meter(&server, Some(&database));
        let clients = || Ok(vec![closed(&server, CLIENTS, logins(users))?]);
        note_all(table, login, quietest(clients, stage.span(), &meter)?)?;
        note_yardstick(table, open, &mut opens, stage.seconds, (stage, Some(&database)))?;
        let source: Source<'_> = Box::new(|out| {
            request_with_token(out, "POST", "/auth/logout/", next);
            next += 1;
            next <= half
        });
        // Never repeated: sessions end only once.
        let clients = vec![closed(&server, CLIENTS, source)?];
        note_all(table, logout, measure(clients, stage.span(), &meter)?)?;
        note_yardstick(table, end, &mut ends, stage.seconds, (stage, Some(&database)))?;
    }
    table.compare(login, open, Metric::Rate, Metric::RateRatio);
    table.compare(logout, end, Metric::Rate, Metric::RateRatio);
    let least = match backend {
        Backend::Sqlite => 4.0,
        Backend::Postgres => 2.0,
    };
    for write in [login, logout] {
        table.at_least(Line::WritePath, write, (table.median(write, Metric::RateRatio), " times"), least);
    }
    if next > half { Err("there were not enough sessions to end".into()) } else { Ok(()) }
}

fn note_all(table: &mut Table, row: &str, (outcomes, usage): (Vec<Outcome>, Usage)) -> Fallible<()> {
    for outcome in outcomes {
        insist(&outcome, row)?;
        note(table, row, &outcome, &usage);
    }
    Ok(())
}

/// Logins at the default settings, compared with their hashes alone.
fn default_cost(stage: &mut Stage, backend: Backend, table: &mut Table) -> Fallible<()> {
    let cost = Hasher::DEFAULT_COST;
    let block = Block::of(1000, 1);
    let database = Database::filled(stage, backend, &[block], cost)?;
    let server = stage.start(&Role::Knoxide { url: database.url.clone(), cost })?;
    // The server hashes on as many threads as it has cores, which is one.
    let mut hashes = stage.start(&Role::Bcrypt { cost, threads: 1 })?;
    let (login, hash) =
        (format!("{}, logins at cost 12", database.name()), format!("{}, bcrypt at cost 12 alone", database.name()));
    let meter = stage.meter(&server, Some(&database));
    let seconds = stage.seconds.max(LEAST_SECONDS);
    for round in 0..few(stage.rounds) {
        crate::say(&format!("logins at cost 12 on {}: round {}", database.name(), round + 1));
        let span = Span { counted: Duration::from_secs_f64(seconds), ..stage.span() };
        let clients = || Ok(vec![closed(&server, HASHING, logins(block.users))?]);
        note_all(table, &login, quietest(clients, span, &meter)?)?;
        note_yardstick(table, &hash, &mut hashes, seconds, (stage, None))?;
    }
    table.compare(&login, &hash, Metric::Rate, Metric::RateRatio);
    table.at_least(Line::Hashing, database.name(), (table.median(&login, Metric::RateRatio), " times"), 0.95);
    Ok(())
}
