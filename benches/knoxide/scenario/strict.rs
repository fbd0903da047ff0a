//! Whether a revoked token is ever accepted: two servers on one database, both under load, and clients that revoke at
//! one of them and check at both as soon as the revocation is acknowledged.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{LONG, logins};
use crate::child::{Child, Role};
use crate::databases::Database;
use crate::goals::Line;
use crate::load::{self, Group, Pace, Source, Span};
use crate::population::{Block, PASSWORD, token_text, user_name};
use crate::report::{Metric, Section, Table};
use crate::serve::PATH;
use crate::stage::Stage;
use crate::wire::{Framing, Request, Wire};
use crate::{Fallible, Scenario};

/// Clients that revoke.
const CLIENTS: u64 = 16;

/// One in this many revocations follows a login.
const LOGIN_EVERY: u64 = 10;

/// What the clients saw.
#[derive(Debug, Default)]
struct Counts {
    /// Revocations that were acknowledged.
    revoked: AtomicU64,
    /// Live tokens that were refused.
    lost: AtomicU64,
    /// Checks that began after the acknowledgement, by their outcome.
    accepted: AtomicU64,
    refused: AtomicU64,
    unanswered: AtomicU64,
}

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let mut table = Table::default();
    for backend in stage.backends.clone() {
        let doomed = Block::of(stage.revocations, 1);
        let others = Block::tens(10_000);
        let database = Database::filled(stage, backend, &[doomed, others], 4)?;
        let role = Role::Knoxide { url: database.url.clone(), cost: 4 };
        let servers = [stage.start(&role)?, stage.start(&role)?];
        crate::say(&format!("strict on {}: {} revocations", database.name(), stage.revocations));
        let begun = Instant::now();
        let counts = drive(&servers, doomed, others)?;
        let seconds = begun.elapsed().as_secs_f64();
        note(&mut table, &database, &counts, seconds);
    }
    let title = "Strictness: is a token accepted after its revocation was acknowledged?";
    let note = "Two servers on one database, with checks and logins at both. 16 clients check a token at both, end its \
                session or all of its user's at one of them, and as soon as that is acknowledged ask both over other \
                connections. Every tenth token comes from a login of that moment.";
    Ok(table.section(Scenario::Strict, title, note, stage))
}

fn note(table: &mut Table, database: &Database, counts: &Counts, seconds: f64) {
    let name = database.name();
    let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (revoked, accepted, lost) = (get(&counts.revoked), get(&counts.accepted), get(&counts.lost));
    let (refused, unanswered) = (get(&counts.refused), get(&counts.unanswered));
    table.add(&format!("{name}, revocations"), Metric::Rate, revoked as f64 / seconds, 0.0);
    for (what, count) in [("accepted afterwards", accepted), ("refused afterwards", refused), ("lost", lost)] {
        table.add(&format!("{name}, {what}"), Metric::Count, count as f64, 0.0);
    }
    let figure = format!(
        "{accepted} accepted after {revoked} revocations, {refused} refused, {unanswered} not answered; {lost} live ones \
         were refused"
    );
    // A server that answers nothing accepts nothing: that does not count as strict.
    let met = accepted == 0 && lost == 0 && refused >= 2 * revoked && revoked > 0;
    table.goal(Line::Strictness, name, &figure, met);
}

/// Runs the clients while both servers are under load.
fn drive(servers: &[Child; 2], doomed: Block, others: Block) -> Fallible<Counts> {
    let [first, second] = servers;
    let nodes = [first.address()?, second.address()?];
    let counts = Counts::default();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| load_both(nodes, doomed, others, &done));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let counts = &counts;
                scope.spawn(move || revoke(nodes, (client..doomed.tokens()).step_by(CLIENTS as usize), counts))
            })
            .collect();
        let mut outcome = Ok(());
        for client in clients {
            outcome = outcome.and(client.join().map_err(|_| "a client panicked")?);
        }
        done.store(true, Ordering::Relaxed);
        load.join().map_err(|_| "the load panicked")??;
        outcome
    })?;
    Ok(counts)
}

/// A thousand checks and twenty logins a second at each node, until `done`.
fn load_both(nodes: [SocketAddr; 2], doomed: Block, others: Block, done: &AtomicBool) -> Fallible<()> {
    let until_done = |mut source: Source<'static>| -> Source<'_> {
        Box::new(move |out| !done.load(Ordering::Relaxed) && source(out))
    };
    let mut groups = Vec::new();
    for address in nodes {
        let group = |connections: u16, pace: u64, source| Group {
            address,
            connections,
            pace: Pace::Every(Duration::from_millis(pace)),
            first: Duration::ZERO,
            source: until_done(source),
            good: &[200],
        };
        groups.push(group(8, 8, checks_from(doomed.tokens(), others.tokens())));
        groups.push(group(4, 200, logins(doomed.users)));
    }
    let span = Span { patience: Duration::ZERO, warm_up: Duration::ZERO, counted: LONG };
    let outcomes = load::run(groups, span, &mut || {})?;
    // Being too busy breaks no promise.
    let wrong = outcomes.iter().flat_map(|outcome| outcome.failed.keys()).find(|status| **status != 503);
    wrong.map_or(Ok(()), |status| Err(format!("a reply of {status} to the load beside revocations").into()))
}

fn checks_from(first: u64, count: u64) -> Source<'static> {
    let mut dice = crate::population::Dice::new(3);
    Box::new(move |out| {
        super::request_with_token(out, "GET", PATH, first + dice.below(count));
        true
    })
}

/// One client, with separate connections to both nodes for acting and for checking.
struct Client {
    acting: [Wire; 2],
    asking: [Wire; 2],
}

fn revoke(nodes: [SocketAddr; 2], tokens: impl Iterator<Item = u64>, counts: &Counts) -> Fallible<()> {
    let [first, second] = nodes;
    let pair = || -> Fallible<[Wire; 2]> { Ok([Wire::connect(first)?, Wire::connect(second)?]) };
    let mut client = Client { acting: pair()?, asking: pair()? };
    let add = |count: &AtomicU64, by: u64| count.fetch_add(by, Ordering::Relaxed);
    for number in tokens {
        let text = String::from_utf8(token_text(number).to_vec())?;
        let here = usize::from(number % 2 == 1);
        let mut held = vec![text];
        if number % LOGIN_EVERY == 0 {
            held.extend(client.log_in(here, number + 1)?);
        }
        for status in client.check(&held)? {
            add(&counts.lost, u64::from(status == 401));
        }
        // Ending all of the user's sessions is how two tokens can be revoked at once.
        let path = if held.len() > 1 || number % 3 == 0 { "/auth/logoutall/" } else { "/auth/logout/" };
        let token = held.last().ok_or("no token")?;
        let acting = client.acting.get_mut(here).ok_or("no connection")?;
        let reply = acting.ask(&with_token("POST", path, token).body("", Framing::Length))?;
        match reply.status {
            200 | 204 => add(&counts.revoked, 1),
            // Nothing was acknowledged, so nothing is promised.
            503 => continue,
            status => return Err(format!("a revocation was answered with {status}").into()),
        };
        for status in client.check(&held)? {
            match status {
                200 => add(&counts.accepted, 1),
                401 => add(&counts.refused, 1),
                _ => add(&counts.unanswered, 1),
            };
        }
    }
    Ok(())
}

impl Client {
    /// Logs a user in at a node and returns the token; `None` if the server was too busy.
    fn log_in(&mut self, node: usize, user: u64) -> Fallible<Option<String>> {
        let body = format!(r#"{{"username":"{}","password":"{PASSWORD}"}}"#, user_name(user));
        let login = Request::new("POST", "/auth/login/").header("Content-Type", "application/json");
        let wire = self.acting.get_mut(node).ok_or("no connection")?;
        let reply = wire.ask(&login.body(body, Framing::Length))?;
        if reply.status == 503 {
            return Ok(None);
        }
        let body: serde_json::Value = serde_json::from_slice(&reply.body)?;
        let token = body.get("token").and_then(serde_json::Value::as_str);
        Ok(Some(token.ok_or_else(|| format!("a login was answered with {}", reply.status))?.to_owned()))
    }

    /// Checks each token at both nodes at once; returns the statuses of the replies.
    fn check(&mut self, tokens: &[String]) -> Fallible<Vec<u16>> {
        let mut statuses = Vec::new();
        for token in tokens {
            let request = with_token("GET", PATH, token).to_bytes();
            for wire in &mut self.asking {
                wire.send(&request)?;
            }
            for wire in &mut self.asking {
                statuses.push(wire.receive("GET")?.status);
            }
        }
        Ok(statuses)
    }
}

fn with_token(method: &str, path: &str, token: &str) -> Request {
    Request::new(method, path).header("Authorization", format!("Token {token}"))
}
