//! Checks of live tokens.

use super::{checks, closed, insist, note, note_yardstick, quietest};
use crate::child::{Child, Role};
use crate::databases::Database;
use crate::load::Source;
use crate::population::{Block, token_text};
use crate::report::{Metric, Section, Table};
use crate::serve::PATH;
use crate::stage::Stage;
use crate::wire::{Framing, Reply, Request, Wire};
use crate::{Fallible, Scenario};

const BARE: &str = "bare route";

/// Headers that actix-web writes by itself.
const AUTOMATIC: [&str; 2] = ["content-length", "date"];

/// One of those that are compared.
struct Contestant {
    name: String,
    server: Child,
    database: Option<Database>,
    /// Sent with each request, if it is always the same.
    fixed: Option<Vec<u8>>,
}

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let tokens = stage.tokens;
    let mut ours = Vec::new();
    let mut lookups = Vec::new();
    for backend in stage.backends.clone() {
        let block = Block { users: tokens / 10, tokens_each: 10 };
        let database = Database::filled(stage, backend, &[block], 4)?;
        let url = database.url.clone();
        let server = stage.start(&Role::Knoxide { url: url.clone(), cost: 4 })?;
        let lookup = stage.start(&Role::Lookups { url, tokens: block.users * 10 })?;
        lookups.push((format!("plain SELECT by key, no HTTP, {}", database.name()), lookup, database.clone()));
        let name = format!("Knoxide on {}", database.name());
        ours.push(Contestant { name, server, database: Some(database), fixed: None });
    }
    let mut contestants = yardsticks(stage, &ours)?;
    contestants.extend(ours);
    let mut table = Table::default();
    for round in 0..stage.rounds {
        crate::say(&format!("check: round {} of {}", round + 1, stage.rounds));
        for contestant in &contestants {
            let meter = stage.meter(&contestant.server, contestant.database.as_ref());
            let source = || contestant.source(tokens / 10 * 10);
            let groups = || Ok(vec![closed(&contestant.server, stage.connections, source())?]);
            let (outcomes, usage) = quietest(groups, stage.span(), &meter)?;
            for outcome in outcomes {
                insist(&outcome, &contestant.name)?;
                note(&mut table, &contestant.name, &outcome, &usage);
            }
        }
        for (name, child, database) in &mut lookups {
            note_yardstick(&mut table, name, child, stage.seconds, (stage, Some(database)))?;
        }
    }
    for contestant in &contestants {
        table.add(&contestant.name, Metric::Memory, resident_mib(&contestant.server)?, 0.0);
        table.compare(&contestant.name, BARE, Metric::Rate, Metric::RateRatio);
        table.compare(&contestant.name, BARE, Metric::Cpu, Metric::CpuRatio);
    }
    let title = "A check: GET /auth/user/ with a live token";
    let note = "Closed loop: each connection asks again as soon as it has its reply. The bare route and the cookie \
                session send the same bytes as Knoxide. Ratios are to the bare route of the same round.";
    Ok(table.section(Scenario::Check, title, note, stage))
}

impl Contestant {
    fn source(&self, tokens: u64) -> Source<'_> {
        match &self.fixed {
            Some(request) => Box::new(move |out| {
                out.extend(request);
                true
            }),
            None => checks(tokens),
        }
    }
}

/// The bare route and the cookie session, which reply with the bytes of a reply of ours.
fn yardsticks(stage: &Stage, ours: &[Contestant]) -> Fallible<Vec<Contestant>> {
    let one = ours.first().ok_or("no database to measure on")?;
    let token = token_text(0).iter().copied().map(char::from).collect::<String>();
    let check = Request::new("GET", PATH).header("Authorization", format!("Token {token}"));
    let reply = ask(&one.server, &check)?;
    let headers = reply.headers.iter().filter(|(name, _)| !AUTOMATIC.contains(&name.to_ascii_lowercase().as_str()));
    let headers: Vec<String> = headers.map(|(name, value)| format!("{name}: {value}")).collect();
    let bare = stage.start(&Role::Bare { body: reply.text(), headers: headers.clone() })?;
    let same = ask(&bare, &check)?;
    if same.headers.len() != reply.headers.len() || same.body != reply.body {
        return Err("the bare route sends other bytes".into());
    }
    let identity = stage.start(&Role::Identity { body: reply.text(), headers })?;
    let login = ask(&identity, &Request::new("POST", "/login").body("", Framing::Length))?;
    let cookie = login.header("set-cookie").ok_or("no cookie")?;
    let cookie = cookie.split(';').next().unwrap_or_default();
    let with_cookie = Request::new("GET", PATH).header("Cookie", cookie);
    Ok(vec![
        Contestant { name: BARE.to_owned(), server: bare, database: None, fixed: Some(check.to_bytes()) },
        Contestant {
            name: "actix-identity, cookie session (not revocable)".to_owned(),
            server: identity,
            database: None,
            fixed: Some(with_cookie.to_bytes()),
        },
    ])
}

fn ask(server: &Child, request: &Request) -> Fallible<Reply> {
    let reply = Wire::connect(server.address()?)?.ask(request)?;
    if reply.status == 200 { Ok(reply) } else { Err(format!("a reply of {}", reply.status).into()) }
}

fn resident_mib(server: &Child) -> Fallible<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).ok_or("no size")?;
    Ok(kib / 1024.0)
}
