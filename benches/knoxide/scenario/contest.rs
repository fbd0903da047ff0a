//! Servers that are compared, and the requests that each of them gets.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{all_of, closed, insist, measure, note, quietest, request_with_token};
use crate::child::{Child, Role};
use crate::databases::Database;
use crate::load::Source;
use crate::meter::Usage;
use crate::population::{Dice, token_text};
use crate::report::Table;
use crate::serve::PATH;
use crate::stage::Stage;
use crate::wire::{Framing, Reply, Request, Wire};
use crate::{Fallible, load};

pub(super) const BARE: &str = "bare route";
pub(super) const COOKIE: &str = "actix-identity, cookie session (not revocable)";

/// Headers that actix-web adds by itself.
const AUTOMATIC: [&str; 2] = ["content-length", "date"];

/// Clients that together request every token once.
const SWEEPERS: u16 = 64;

/// One server of a comparison.
#[derive(Clone)]
pub(super) struct Contestant {
    pub(super) name: String,
    pub(super) server: Rc<Child>,
    pub(super) database: Option<Database>,
    pub(super) asks: Asks,
}

/// Writes the request with this number.
pub(super) type Make = Rc<dyn Fn(u64, &mut Vec<u8>)>;

/// The requests that it gets.
#[derive(Clone)]
pub(super) enum Asks {
    /// Always the same.
    Always(Rc<Vec<u8>>),
    /// Any of this many tokens, starting with the first, at this path.
    Tokens { count: u64, path: &'static str },
    /// Any of this many requests, each made when it is sent.
    Made { count: u64, make: Make },
}

impl Asks {
    fn count(&self) -> u64 {
        match self {
            Self::Always(_) => 1,
            Self::Tokens { count, .. } | Self::Made { count, .. } => *count,
        }
    }

    fn write(&self, number: u64, out: &mut Vec<u8>) {
        match self {
            Self::Always(request) => out.extend(&**request),
            Self::Tokens { path, .. } => request_with_token(out, "GET", path, number),
            Self::Made { make, .. } => make(number, out),
        }
    }

    /// Random requests, without end.
    pub(super) fn source(&self) -> Source<'_> {
        let mut dice = Dice::new(1);
        Box::new(move |out| {
            self.write(dice.below(self.count()), out);
            true
        })
    }

    /// Each request once.
    fn each(&self) -> Source<'_> {
        let mut numbers = 0..self.count();
        Box::new(move |out| numbers.next().map(|number| self.write(number, out)).is_some())
    }
}

impl Contestant {
    /// Knoxide with the cheapest hash on a database of tokens.
    pub(super) fn knoxide(stage: &Stage, database: Database, tokens: u64) -> Fallible<Self> {
        let role = Role::Knoxide { url: database.url.clone(), cost: 4 };
        Self::serving(stage, &role, database, tokens)
    }

    /// Knoxide in this role, on a database of tokens.
    pub(super) fn serving(stage: &Stage, role: &Role, database: Database, tokens: u64) -> Fallible<Self> {
        Ok(Self::of(stage.start(role)?, database, tokens))
    }

    /// Knoxide as an already started server, on a database of opaque tokens.
    pub(super) fn of(server: Child, database: Database, tokens: u64) -> Self {
        let name = format!("Knoxide on {}", database.name());
        Self {
            name,
            server: Rc::new(server),
            database: Some(database),
            asks: Asks::Tokens { count: tokens, path: PATH },
        }
    }

    /// Sends each request once, and returns the result.
    pub(super) fn touch(&self, stage: &Stage) -> Fallible<(load::Outcome, Usage)> {
        let meter = stage.meter(&self.server, self.database.as_ref());
        let groups = vec![closed(&self.server, SWEEPERS, self.asks.each())?];
        let (outcomes, usage) = measure(groups, all_of(stage.span()), &meter)?;
        let outcome = outcomes.into_iter().next().ok_or("nothing was asked")?;
        insist(&outcome, &self.name)?;
        Ok((outcome, usage))
    }

    /// Sends random requests at full speed, and records the result.
    pub(super) fn measure(&self, stage: &Stage, row: &str, connections: u16, table: &mut Table) -> Fallible<()> {
        let meter = stage.meter(&self.server, self.database.as_ref());
        let groups = || Ok(vec![closed(&self.server, connections, self.asks.source())?]);
        let (outcomes, usage) = quietest(groups, stage.span(), &meter)?;
        for outcome in outcomes {
            insist(&outcome, row)?;
            note(table, row, &outcome, &usage);
        }
        Ok(())
    }
}

/// The body and headers of `server`'s reply to a check of the first token, except for those that every actix-web server
/// sends.
fn reply_of(server: &Child) -> Fallible<(String, Vec<String>)> {
    let reply = ask(server, &first_check())?;
    let headers = reply.headers.iter().filter(|(name, _)| !AUTOMATIC.contains(&name.to_ascii_lowercase().as_str()));
    Ok((reply.text(), headers.map(|(name, value)| format!("{name}: {value}")).collect()))
}

fn first_check() -> Request {
    let token = token_text(0).iter().copied().map(char::from).collect::<String>();
    Request::new("GET", PATH).header("Authorization", format!("Token {token}"))
}

/// The bare route, which sends the same bytes as `ours`.
pub(super) fn bare(stage: &Stage, ours: &Child) -> Fallible<Contestant> {
    let (body, headers) = reply_of(ours)?;
    let server = stage.start(&Role::Bare { body, headers })?;
    let (same, reply) = (ask(&server, &first_check())?, ask(ours, &first_check())?);
    if same.headers.len() != reply.headers.len() || same.body != reply.body {
        return Err("the bare route sends different bytes".into());
    }
    let asks = Asks::Always(Rc::new(first_check().to_bytes()));
    Ok(Contestant { name: BARE.to_owned(), server: Rc::new(server), database: None, asks })
}

/// The cookie session, which sends the same bytes.
pub(super) fn cookie(stage: &Stage, ours: &Child) -> Fallible<Contestant> {
    let (body, headers) = reply_of(ours)?;
    let server = stage.start(&Role::Identity { body, headers })?;
    let login = ask(&server, &Request::new("POST", "/login").body("", Framing::Length))?;
    let cookie = login.header("set-cookie").ok_or("no cookie")?;
    let cookie = cookie.split(';').next().unwrap_or_default();
    let asks = Asks::Always(Rc::new(Request::new("GET", PATH).header("Cookie", cookie).to_bytes()));
    Ok(Contestant { name: COOKIE.to_owned(), server: Rc::new(server), database: None, asks })
}

fn ask(server: &Child, request: &Request) -> Fallible<Reply> {
    let reply = Wire::connect(server.address()?)?.ask(request)?;
    if reply.status == 200 { Ok(reply) } else { Err(format!("a reply of {}", reply.status).into()) }
}

/// Waits until the server reports that it is ready.
pub(super) fn wait_until_ready(server: &Child) -> Fallible<Duration> {
    let begun = Instant::now();
    let ready = Request::new("GET", "/readyz");
    while begun.elapsed() < Duration::from_secs(60) {
        let reply = Wire::connect(server.address()?).and_then(|mut wire| wire.ask(&ready));
        if reply.is_ok_and(|reply| reply.status == 200) {
            return Ok(begun.elapsed());
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    Err("the server did not become ready".into())
}
