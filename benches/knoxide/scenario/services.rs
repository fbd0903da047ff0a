//! The requests of registered services: for one token, and for a hundred at once.

use std::rc::Rc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use knoxide::domain::audit::{Actor, AuditContext, Event, Origin};
use knoxide::domain::client::{ClientId, ClientSecret, Right};
use knoxide::domain::time::{Clock as _, SystemClock};
use knoxide::store::diesel::{DieselStore, StoreOptions};
use knoxide::store::{AdminStore as _, NewClient};

use super::contest::{Asks, Contestant};
use crate::databases::Database;
use crate::goals::Line;
use crate::population::{Block, Dice, token_text};
use crate::report::{Metric, Section, Table};
use crate::stage::Stage;
use crate::{Fallible, Scenario};

/// Tokens in one request.
const BATCH: u64 = 100;

/// The most processor time that a batch may take, in checks.
const CHECKS: f64 = 30.0;

const SECRET: &str = "kxc_0123456789abcdef0123456789abcdef01234567";

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let block = Block::tens(stage.tokens.min(100_000));
    let mut trios = Vec::new();
    for backend in stage.backends.clone() {
        let database = Database::filled(stage, backend, &[block], 4)?;
        let credentials: Rc<str> = register(&database)?.into();
        let user = Contestant::knoxide(stage, database, block.tokens())?;
        user.touch(stage)?;
        let one = Rc::clone(&credentials);
        let introspect = asking(&user, "introspection", block, move |number, out| introspection(&one, number, out));
        let batch = asking(&user, "100 tokens", block, move |number, out| {
            check(&credentials, block.tokens(), number, out);
        });
        trios.push([user, introspect, batch]);
    }
    let mut table = Table::default();
    for round in 0..stage.rounds {
        crate::say(&format!("services: round {} of {}", round + 1, stage.rounds));
        for contestant in trios.iter().flatten() {
            contestant.measure(stage, &contestant.name, stage.connections, &mut table)?;
        }
    }
    for [user, introspect, batch] in &trios {
        for asked in [introspect, batch] {
            table.compare(&asked.name, &user.name, Metric::Cpu, Metric::CpuRatio);
        }
        let ratio = table.median(&batch.name, Metric::CpuRatio);
        table.at_most(Line::Batch, &batch.name, (ratio, " times"), CHECKS);
    }
    let title = "What services ask: POST /introspect/, and POST /check/ with 100 tokens";
    let note = "The same server is asked in turns, for tokens that were asked for before. The ratio is to GET /auth/user/ in \
                the same round.";
    Ok(table.section(Scenario::Services, title, note, stage))
}

fn asking(user: &Contestant, what: &str, block: Block, make: impl Fn(u64, &mut Vec<u8>) + 'static) -> Contestant {
    let (name, asks) = (format!("{}, {what}", user.name), Asks::Made { count: block.tokens(), make: Rc::new(make) });
    Contestant { name, asks, ..user.clone() }
}

/// Registers a client with all rights and no limit; returns its credentials as they are sent.
fn register(database: &Database) -> Fallible<String> {
    let store = DieselStore::open(&database.url, StoreOptions::default())?;
    let (id, at) = (ClientId::from_bytes([7; 16]), SystemClock.now());
    let secret = ClientSecret::presented(SECRET.to_owned()).digest();
    let new = NewClient { id, name: "bench".to_owned(), secret, rights: Right::ALL.into_iter().collect(), limit: None };
    let (event, actor, origin) = (Event::ClientAdded, Actor::CommandLine, Origin::default());
    store.add_client(&new, &AuditContext { event, actor, origin, at, detail: None })?;
    Ok(BASE64_STANDARD.encode(format!("{id}:{SECRET}")))
}

fn introspection(credentials: &str, token: u64, out: &mut Vec<u8>) {
    post(out, ("/introspect/", "application/x-www-form-urlencoded", credentials), "token=".len() + 40);
    out.extend(b"token=");
    out.extend(token_text(token));
}

/// Random tokens, determined by `number`.
fn check(credentials: &str, tokens: u64, number: u64, out: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(64 * 100);
    body.extend(b"{\"tokens\":[");
    let mut dice = Dice::new(number + 1);
    for place in 0..BATCH {
        body.extend(if place == 0 { b"\"".as_slice() } else { b",\"" });
        body.extend(token_text(dice.below(tokens)));
        body.push(b'"');
    }
    body.extend(b"]}");
    post(out, ("/check/", "application/json", credentials), body.len());
    out.extend(body);
}

fn post(out: &mut Vec<u8>, (path, media_type, credentials): (&str, &str, &str), length: usize) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credentials}\r\n\
         Content-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    out.extend(head.bytes());
}
