//! Who used how much of the processors while something was measured.

use std::fs;
use std::time::{Duration, Instant};

/// The kernel counts in hundredths of a second, on every architecture that Rust's Linux has.
const TICK_MILLIS: u64 = 10;

/// Watches one process, and those of the database.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    process: u32,
    database: Vec<u32>,
}

/// Processor time so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    at: Instant,
    process: Duration,
    database: Duration,
    own: Duration,
    machine: Duration,
}

/// What was used between two readings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) wall: Duration,
    pub(crate) process: Duration,
    pub(crate) database: Duration,
    /// Cores' worth of work that had nothing to do with the measurement.
    pub(crate) others: f64,
}

impl Meter {
    pub(crate) const fn new(process: u32, database: Vec<u32>) -> Self {
        Self { process, database }
    }

    pub(crate) fn read(&self) -> Reading {
        Reading {
            at: Instant::now(),
            process: of_process(self.process, false),
            // Connections come and go, each with a process: the first is the parent of the rest.
            database: self.database.iter().enumerate().map(|(at, id)| of_process(*id, at == 0)).sum(),
            own: of_process(std::process::id(), false),
            machine: of_machine(),
        }
    }
}

impl Reading {
    pub(crate) fn until(&self, later: &Self) -> Usage {
        let wall = later.at - self.at;
        let process = later.process.saturating_sub(self.process);
        let database = later.database.saturating_sub(self.database);
        let known = process + database + later.own.saturating_sub(self.own);
        let others = later.machine.saturating_sub(self.machine).saturating_sub(known);
        Usage { wall, process, database, others: others.as_secs_f64() / wall.as_secs_f64() }
    }
}

/// User and system time of a process, and of its children that have ended.
fn of_process(id: u32, with_children: bool) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything; utime is the 12th field after it.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let count = if with_children { 4 } else { 2 };
    sum(fields.skip(11).take(count))
}

/// All time that was not idle, time taken by the host included.
fn of_machine() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
    let times = fields.enumerate().filter(|(at, _)| !matches!(at, 3 | 4));
    sum(times.map(|(_, ticks)| ticks))
}

fn sum<'a>(ticks: impl Iterator<Item = &'a str>) -> Duration {
    Duration::from_millis(TICK_MILLIS * ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>())
}
