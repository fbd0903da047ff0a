//! Logins and logouts.

use std::time::Duration;

use knoxide::password::Hasher;
use knoxide::store::Store as _;
use knoxide::store::diesel::{DieselStore, StoreOptions};

use super::{closed, insist, logins, measure, note, note_yardstick, quietest, request_with_token};
use crate::child::Role;
use crate::databases::Database;
use crate::load::{Outcome, Source, Span};
use crate::meter::Usage;
use crate::population::Block;
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Backend, Fallible, Scenario};

/// Clients that write.
const CLIENTS: u16 = 64;

/// The least cost of hashing that there is.
const CHEAP: u32 = 4;

/// More logouts a second than are possible here.
const MOST_A_SECOND: u64 = 12_000;

/// A login at the default cost takes a quarter of a second: fewer could not be told apart.
const LEAST_SECONDS: f64 = 8.0;

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let mut table = Table::default();
    for backend in stage.backends.clone() {
        cheap(stage, backend, &mut table)?;
        default_cost(stage, backend, &mut table)?;
    }
    let title = "Writes: logins and logouts of 64 clients";
    let note = "Transactions are the store's own, one each, without HTTP and hashing, on as many connections as \
                stand there. A login hashes first: what that costs alone stands beside it. Ratios are to the \
                transactions, or to plain bcrypt, of the same round.";
    Ok(table.section(Scenario::Writes, title, note, stage))
}

/// Logins at the least cost of hashing, and logouts.
fn cheap(stage: &mut Stage, backend: Backend, table: &mut Table) -> Fallible<()> {
    let half = (stage.seconds.ceil() as u64 + 1) * u64::from(stage.rounds) * MOST_A_SECOND;
    let block = Block { users: half / 10, tokens_each: 20 };
    let users = block.users;
    let database = Database::filled(stage, backend, &[block], CHEAP)?;
    let url = &database.url;
    let row = |what: &str| format!("{}, {what}", database.name());
    let threads = DieselStore::open(url, StoreOptions::default())?.writers();
    let server = stage.start(&Role::Knoxide { url: url.clone(), cost: CHEAP })?;
    let mut opens = stage.start(&Role::Opens { url: url.clone(), users, threads })?;
    let mut ends = stage.start(&Role::Ends { url: url.clone(), from: half, to: 2 * half, threads })?;
    let mut hashes = stage.start(&Role::Bcrypt { cost: CHEAP, threads: 1 })?;
    let names = [
        row("logins at cost 4"),
        row(&format!("transactions of a login, {threads} at a time")),
        row("bcrypt at cost 4 alone"),
        row("logouts"),
        row(&format!("transactions of a logout, {threads} at a time")),
    ];
    let [login, open, hash, logout, end] = &names;
    let mut next = 0;
    for round in 0..stage.rounds {
        crate::say(&format!("writes on {}: round {} of {}", database.name(), round + 1, stage.rounds));
        let meter = stage.meter(&server, Some(&database));
        let clients = || Ok(vec![closed(&server, CLIENTS, logins(users))?]);
        note_all(table, login, quietest(clients, stage.span(), &meter)?)?;
        note_yardstick(table, open, &mut opens, stage.seconds, (stage, Some(&database)))?;
        note_yardstick(table, hash, &mut hashes, stage.seconds.min(1.0), (stage, None))?;
        let source: Source<'_> = Box::new(|out| {
            request_with_token(out, "POST", "/auth/logout/", next);
            next += 1;
            next <= half
        });
        // Not tried again: sessions end only once.
        let clients = vec![closed(&server, CLIENTS, source)?];
        note_all(table, logout, measure(clients, stage.span(), &meter)?)?;
        note_yardstick(table, end, &mut ends, stage.seconds, (stage, Some(&database)))?;
    }
    table.compare(login, open, Metric::Rate, Metric::RateRatio);
    table.compare(logout, end, Metric::Rate, Metric::RateRatio);
    if next > half { Err("there were not enough sessions to end".into()) } else { Ok(()) }
}

fn note_all(table: &mut Table, row: &str, (outcomes, usage): (Vec<Outcome>, Usage)) -> Fallible<()> {
    for outcome in outcomes {
        insist(&outcome, row)?;
        note(table, row, &outcome, &usage);
    }
    Ok(())
}

/// Logins as they are by default, against nothing but their hashes.
fn default_cost(stage: &mut Stage, backend: Backend, table: &mut Table) -> Fallible<()> {
    let cost = Hasher::DEFAULT_COST;
    let block = Block { users: 1000, tokens_each: 1 };
    let database = Database::filled(stage, backend, &[block], cost)?;
    let server = stage.start(&Role::Knoxide { url: database.url.clone(), cost })?;
    // The server hashes on as many threads as it has cores, which is one.
    let mut hashes = stage.start(&Role::Bcrypt { cost, threads: 1 })?;
    let (login, hash) =
        (format!("{}, logins at cost 12", database.name()), format!("{}, bcrypt at cost 12 alone", database.name()));
    let meter = stage.meter(&server, Some(&database));
    let seconds = stage.seconds.max(LEAST_SECONDS);
    for round in 0..stage.rounds.min(3) {
        crate::say(&format!("logins at cost 12 on {}: round {}", database.name(), round + 1));
        let span = Span { counted: Duration::from_secs_f64(seconds), ..stage.span() };
        let clients = || Ok(vec![closed(&server, CLIENTS, logins(block.users))?]);
        note_all(table, &login, quietest(clients, span, &meter)?)?;
        note_yardstick(table, &hash, &mut hashes, seconds, (stage, None))?;
    }
    table.compare(&login, &hash, Metric::Rate, Metric::RateRatio);
    Ok(())
}
