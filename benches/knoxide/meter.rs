//! Who used how much of the processors while something was measured.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::Fallible;
use crate::cluster::Cluster;

/// The kernel counts in hundredths of a second, on every architecture that Rust's Linux has.
const TICK_MILLIS: u64 = 10;

/// Cores' worth of other work that is no matter.
const QUIET: f64 = 0.15;

/// Of shorter measurements it cannot be told what else was going on.
const LEAST_WALL: Duration = Duration::from_millis(300);

/// Watches one process, and those of the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter<'a> {
    process: u32,
    database: Option<&'a Cluster>,
}

/// Processor time so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    at: Instant,
    process: Duration,
    threads: Threads,
    database: Duration,
    own: Duration,
    machine: Duration,
}

/// Processor time of the threads that a process has, to the nanosecond. Those that have ended are
/// not counted: servers keep theirs.
#[derive(Debug, Clone, Copy, Default)]
struct Threads {
    all: Duration,
    /// Of those that hash passwords or write into the database.
    logging_in: Duration,
}

/// What was used between two readings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) wall: Duration,
    pub(crate) process: Duration,
    /// Of the threads that lived at the end, without those that hash passwords or write into the database.
    pub(crate) serving: Duration,
    pub(crate) database: Duration,
    /// Cores' worth of work that had nothing to do with the measurement.
    pub(crate) others: f64,
}

impl<'a> Meter<'a> {
    pub(crate) const fn new(process: u32, database: Option<&'a Cluster>) -> Self {
        Self { process, database }
    }

    pub(crate) fn read(&self) -> Reading {
        // Connections come and go, each with a process: the first is the parent of the rest.
        let database = self.database.map(Cluster::processes).unwrap_or_default();
        Reading {
            at: Instant::now(),
            process: of_process(self.process, false),
            threads: of_threads(self.process),
            database: database.iter().enumerate().map(|(at, id)| of_process(*id, at == 0)).sum(),
            own: of_process(std::process::id(), false),
            machine: of_machine(),
        }
    }

    /// Waits until the process has nothing left to do, as after a flood that was broken off.
    /// Its use of the processor would not tell: a thread of low priority may wait for it.
    ///
    /// # Errors
    /// When it does not come to rest within a minute.
    pub(crate) fn wait_for_rest(&self) -> Fallible<()> {
        let begun = Instant::now();
        let mut at_rest = 0;
        while at_rest < 5 {
            if begun.elapsed() > Duration::from_secs(60) {
                return Err("the server does not come to rest".into());
            }
            thread::sleep(Duration::from_millis(50));
            at_rest = if has_runnable_thread(self.process) { 0 } else { at_rest + 1 };
        }
        Ok(())
    }

    /// Waits until the machine is left to us but for [`QUIET`], though not for longer than
    /// `patience`: then the result has to tell by itself how much else was going on.
    pub(crate) fn wait_for_quiet(&self, patience: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            let before = self.read();
            thread::sleep(Duration::from_millis(500));
            if before.until(&self.read()).others < QUIET {
                return;
            }
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
        let threads = later.threads.all.saturating_sub(self.threads.all);
        let serving = threads.saturating_sub(later.threads.logging_in.saturating_sub(self.threads.logging_in));
        // In a shorter time the kernel's hundredths of a second tell nothing.
        let others = if wall < LEAST_WALL { 0.0 } else { others.as_secs_f64() / wall.as_secs_f64() };
        Usage { wall, process, serving, database, others }
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

fn of_threads(id: u32) -> Threads {
    let mut sum = Threads::default();
    for thread in fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
        let read = |file: &str| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        let nanos = read("schedstat").split(' ').next().and_then(|nanos| nanos.parse().ok());
        let time = Duration::from_nanos(nanos.unwrap_or(0));
        sum.all += time;
        let name = read("comm");
        if name.starts_with("passwords") || name.starts_with("writes") {
            sum.logging_in += time;
        }
    }
    sum
}

/// How much memory a process has, in bytes.
///
/// # Errors
/// When there is no such process.
pub(crate) fn resident(id: u32) -> Fallible<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).ok_or("no size")?;
    Ok(kib * 1024)
}

fn has_runnable_thread(id: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let mut states = threads.filter_map(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
        stat.rsplit_once(") ").map(|(_, fields)| fields.starts_with('R'))
    });
    states.any(|runs| runs)
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
