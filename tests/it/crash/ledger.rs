//! A client that writes down what it was told, and holds the server to it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::Add;

use crate::support::app::{login_request, token_of, token_request};
use crate::support::dice::Dice;
use crate::support::wire::{Request, Wire};

pub(super) const PASSWORD: &str = "correct horse";

/// With more live tokens than this a client rather logs out.
const MANY: usize = 30;

/// A dead token is looked at so many times, and once more at the very end.
const AUDITS: u32 = 3;

/// What is known of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The login was acknowledged.
    Alive,
    /// An answer to its end is missing: either may be true.
    Unknown,
    /// Its end was acknowledged, or it was refused once.
    Dead,
}

struct Entry {
    token: String,
    fate: Fate,
    audits: u32,
}

/// How much was done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Acknowledged logins.
    pub(super) logins: u64,
    /// Tokens whose end was acknowledged.
    pub(super) logouts: u64,
    /// Tokens whose end was asked for and not acknowledged.
    pub(super) unknown: u64,
    /// Answers "could not look".
    unavailable: u64,
    /// Tokens checked after a restart.
    audited: u64,
}

/// A client, and everything it was ever told.
pub(super) struct Ledger {
    pub(super) user: String,
    pub(super) faults: Vec<String>,
    pub(super) counts: Counts,
    entries: Vec<Entry>,
    /// Unknown are the tokens of a "log out everywhere": all are dead, or none is.
    all_or_none: bool,
    dice: Dice,
}

impl Ledger {
    pub(super) fn new(client: u64, dice: Dice) -> Self {
        Self {
            user: format!("client{client}"),
            faults: Vec::new(),
            counts: Counts::default(),
            entries: Vec::new(),
            all_or_none: false,
            dice,
        }
    }

    /// Logs in, checks and logs out until the server is gone.
    pub(super) fn work(&mut self, address: SocketAddr) {
        let Ok(mut wire) = Wire::connect(address) else { return };
        while self.act(&mut wire).is_ok() {}
    }

    fn act(&mut self, wire: &mut Wire) -> io::Result<()> {
        let alive = |entry: &(usize, &Entry)| entry.1.fate == Fate::Alive;
        let living: Vec<usize> = self.entries.iter().enumerate().filter(alive).map(|(index, _)| index).collect();
        let choice = self.dice.below(100);
        if living.is_empty() || (choice < 45 && living.len() < MANY) {
            return self.log_in(wire);
        }
        let one = living[self.dice.index(living.len())];
        match choice {
            0..75 => self.end(wire, "/auth/logout/", one, &[one]),
            75..95 => self.look(wire, one, "under load").map(drop),
            _ => self.end(wire, "/auth/logoutall/", one, &living),
        }
    }

    fn log_in(&mut self, wire: &mut Wire) -> io::Result<()> {
        let reply = wire.ask(&login_request(&self.user, PASSWORD))?;
        match reply.status {
            200 => {
                self.counts.logins += 1;
                self.entries.push(Entry { token: token_of(&reply), fate: Fate::Alive, audits: 0 });
            }
            503 => self.counts.unavailable += 1,
            other => self.faults.push(format!("a login was answered {other}")),
        }
        Ok(())
    }

    /// Asks for the end of the session of `by`, which is the end of all `concerned`.
    fn end(&mut self, wire: &mut Wire, path: &str, by: usize, concerned: &[usize]) -> io::Result<()> {
        let request = token_request("POST", path, &self.entries[by].token);
        self.all_or_none = concerned.len() > 1;
        // Until it is answered, anything may have happened.
        self.settle(concerned, Fate::Unknown);
        let answer = wire.ask(&request);
        let ended = concerned.len() as u64;
        match answer.as_ref().map(|reply| reply.status) {
            Ok(200) => {
                self.counts.logouts += ended;
                self.settle(concerned, Fate::Dead);
            }
            // What was asked for may still happen; what came of it is seen after the restart.
            Ok(503) => {
                self.counts.unknown += ended;
                self.counts.unavailable += 1;
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(_) => self.counts.unknown += ended,
            Ok(other) => self.faults.push(format!("{path} of token {by} was answered {other}")),
        }
        answer.map(drop)
    }

    fn settle(&mut self, which: &[usize], fate: Fate) {
        for index in which {
            self.entries[*index].fate = fate;
        }
    }

    /// Checks a token, and holds the answer against what is known.
    fn look(&mut self, wire: &mut Wire, index: usize, when: &str) -> io::Result<u16> {
        let Entry { token, fate, .. } = &self.entries[index];
        let request: Request = token_request("GET", "/auth/user/", token);
        let status = wire.ask(&request)?.status;
        let fault = match (fate, status) {
            (Fate::Alive | Fate::Unknown, 200) | (Fate::Dead | Fate::Unknown, 401) => None,
            (Fate::Alive, 401) => Some("was lost"),
            (Fate::Dead, 200) => Some("was revived"),
            (_, 503) => {
                self.counts.unavailable += 1;
                return Ok(status);
            }
            (_, _) => Some("got a strange answer"),
        };
        self.faults.extend(fault.map(|what| format!("token {index} of {} {what} ({status}) {when}", self.user)));
        let entry = &mut self.entries[index];
        entry.audits += 1;
        entry.fate = if status == 200 { Fate::Alive } else { Fate::Dead };
        Ok(status)
    }

    /// Finds out what became of the unanswered.
    fn resolve(&mut self, wire: &mut Wire) -> io::Result<()> {
        let unknown = |entry: &(usize, &Entry)| entry.1.fate == Fate::Unknown;
        let open: Vec<usize> = self.entries.iter().enumerate().filter(unknown).map(|(index, _)| index).collect();
        let mut seen = Vec::new();
        for index in open {
            seen.push(self.look(wire, index, "after a restart")?);
        }
        seen.sort_unstable();
        seen.dedup();
        if self.all_or_none && seen.len() > 1 {
            self.faults.push(format!("logging {} out everywhere was done by halves", self.user));
        }
        Ok(())
    }

    /// After a restart: looks at every token that is not known to be dead, at the others a few
    /// times; at the end at every token there ever was.
    pub(super) fn audit(&mut self, address: SocketAddr, all: bool) {
        let mut wire = Wire::connect(address).expect("a connection");
        self.resolve(&mut wire).expect("an answer");
        for index in 0..self.entries.len() {
            let entry = &self.entries[index];
            if all || entry.fate != Fate::Dead || entry.audits < AUDITS {
                let status = self.look(&mut wire, index, "after a restart").expect("an answer");
                self.counts.audited += 1;
                if status == 503 {
                    self.faults.push(format!("no answer about token {index} from a fresh server"));
                }
            }
        }
    }

    /// Two false entries, which the next audit must find.
    pub(super) fn pretend(&mut self, address: SocketAddr) {
        let mut wire = Wire::connect(address).expect("a connection");
        self.log_in(&mut wire).expect("an answer");
        self.entries.push(Entry { token: "0".repeat(40), fate: Fate::Alive, audits: 0 });
        self.settle(&[0], Fate::Dead);
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            logins: self.logins + other.logins,
            logouts: self.logouts + other.logouts,
            unknown: self.unknown + other.unknown,
            unavailable: self.unavailable + other.unavailable,
            audited: self.audited + other.audited,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { logins, logouts, unknown, unavailable, audited } = self;
        write!(
            f,
            "{logins} acknowledged logins, {logouts} tokens with an acknowledged end, {unknown} with an unanswered \
             one, {unavailable} answers 503, {audited} tokens audited after restarts"
        )
    }
}
