//! The goals, one line for each, and the table of what was measured against them.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::report::Section;

/// A line of the table of goals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    CheckOnSqlite,
    CookieSession,
    CheckOnPostgres,
    LoneCheck,
    ForwardAuth,
    Batch,
    SteadyMix,
    Flood,
    Hashing,
    WritePath,
    EndingAll,
    EndingEverybody,
    Strictness,
    Memory,
    UnknownTokens,
    Start,
}

impl Line {
    const ALL: [Self; 16] = [
        Self::CheckOnSqlite,
        Self::CookieSession,
        Self::CheckOnPostgres,
        Self::LoneCheck,
        Self::ForwardAuth,
        Self::Batch,
        Self::SteadyMix,
        Self::Flood,
        Self::Hashing,
        Self::WritePath,
        Self::EndingAll,
        Self::EndingEverybody,
        Self::Strictness,
        Self::Memory,
        Self::UnknownTokens,
        Self::Start,
    ];

    /// What the goal is about, and the goal itself.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::CheckOnSqlite => (
                "check of an opaque token, SQLite, 1 M tokens, 64 connections, to the bare route",
                "CPU ≤ 1.15 (stretch 1.08), throughput ≥ 0.90",
            ),
            Self::CookieSession => ("the same to an encrypted cookie session, which nobody can revoke", "CPU ≤ 1.0"),
            Self::CheckOnPostgres => (
                "check, Postgres on the same machine, 64 connections, to the bare route",
                "CPU ≤ 1.35 (stretch 1.25), throughput ≥ 0.6, database ≤ 2.5 µs (≤ 1 µs at 1,000 connections)",
            ),
            Self::LoneCheck => ("one check on an idle server, Postgres, beyond the plain SELECT", "p50 + ≤ 60 µs"),
            Self::ForwardAuth => ("a check by a proxy, to GET /auth/user/", "CPU ≤ 1.1"),
            Self::Batch => ("100 tokens in one request, to one check", "CPU ≤ 30"),
            Self::SteadyMix => ("1,000 checks to one login and one logout, to checks alone", "CPU ≤ 1.15"),
            Self::Flood => (
                "checks while 64 clients log in at the default cost",
                "p99 ≤ 3 times or 5 ms, throughput ≥ 0.75 on one core, ≥ 0.8 on two",
            ),
            Self::Hashing => ("logins a second to plain bcrypt", "≥ 0.95"),
            Self::WritePath => ("64 clients that write to one transaction each", "≥ 4 on SQLite, ≥ 2 on Postgres"),
            Self::EndingAll => ("ending 10,000 sessions at once", "≤ 5 ms; p99 of checks ≤ 3 times, sweeping included"),
            Self::EndingEverybody => {
                ("5,000 checks a second while and after everybody's sessions end", "p99 ≤ 10 ms, no 503")
            }
            Self::Strictness => ("accepted after an acknowledged revocation, under load, two nodes", "0 of 100,000"),
            Self::Memory => ("memory", "≤ 30 MiB idle, ≤ 250 bytes a cached token"),
            Self::UnknownTokens => ("1,000,000 random tokens thrown at it", "no memory, p99 of checks ≤ 3 times"),
            Self::Start => ("start with 10 M tokens", "ready in ≤ 200 ms"),
        }
    }
}

/// A goal that was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Goal {
    /// The line of the table that it belongs to.
    #[serde(default)]
    pub(crate) line: Option<Line>,
    pub(crate) what: String,
    pub(crate) figure: String,
    pub(crate) met: bool,
}

impl Goal {
    pub(crate) const fn verdict(&self) -> &'static str {
        if self.met { "reached" } else { "**missed**" }
    }
}

/// Which lines a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    All,
    /// Those with measurements.
    Measured,
}

/// The lines with their measurements.
pub(crate) fn table(sections: &[Section], lines: Lines) -> String {
    let mut out = "| what | goal | measured | |\n|---|---|---|---|\n".to_owned();
    for line in Line::ALL {
        let (what, goal) = line.words();
        let goals = sections.iter().flat_map(|section| &section.goals).filter(|goal| goal.line == Some(line));
        let mut goals = goals.peekable();
        if goals.peek().is_none() && lines == Lines::All {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "| {what} | {goal} | | not measured |");
        }
        let mut heading = (what, goal);
        for reached in goals {
            let _ = writeln!(
                out,
                "| {} | {} | {}: {} | {} |",
                heading.0,
                heading.1,
                reached.what,
                reached.figure,
                reached.verdict()
            );
            heading = ("", "");
        }
    }
    out
}
