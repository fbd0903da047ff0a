//! Processor time of each process during a measurement.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::Fallible;
use crate::cluster::Cluster;

/// The kernel counts in hundredths of a second, on every architecture that Rust supports on Linux.
const TICK_MILLIS: u64 = 10;

/// Other work that does not matter, in cores.
const QUIET: f64 = 0.15;

/// In shorter measurements, other work cannot be told from rounding.
const LEAST_WALL: Duration = Duration::from_millis(300);

/// Measures one process and those of the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter<'a> {
    process: u32,
    database: Option<&'a Cluster>,
}

/// Processor time used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    at: Instant,
    process: Duration,
    threads: Threads,
    database: Duration,
    own: Duration,
    machine: Duration,
}

/// Processor time of a process's threads, to the nanosecond. Threads that have ended are not counted: servers keep
/// theirs.
#[derive(Debug, Clone, Copy, Default)]
struct Threads {
    all: Duration,
    /// That of the threads that hash passwords or write to the database.
    logging_in: Duration,
}

/// Processor time used between two readings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) wall: Duration,
    pub(crate) process: Duration,
    /// That of the threads alive at the end, except those that hash passwords or write to the database.
    pub(crate) serving: Duration,
    pub(crate) database: Duration,
    /// Work that had nothing to do with the measurement, in cores.
    pub(crate) others: f64,
}

impl<'a> Meter<'a> {
    pub(crate) const fn new(process: u32, database: Option<&'a Cluster>) -> Self {
        Self { process, database }
    }

    pub(crate) fn read(&self) -> Reading {
        // Postgres starts a process for each connection; the first process is the parent of the others.
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

    /// Waits until the process has nothing left to do, for example after a flood that was cut short. Its use of the
    /// processor would not show that: a thread of low priority may be waiting for the processor.
    ///
    /// # Errors
    /// When it is not idle within a minute.
    pub(crate) fn wait_for_rest(&self) -> Fallible<()> {
        let begun = Instant::now();
        let mut at_rest = 0;
        while at_rest < 5 {
            if begun.elapsed() > Duration::from_secs(60) {
                return Err("the server does not become idle".into());
            }
            thread::sleep(Duration::from_millis(50));
            at_rest = if has_runnable_thread(self.process) { 0 } else { at_rest + 1 };
        }
        Ok(())
    }

    /// Waits until other work on the machine is below [`QUIET`], but not for longer than `patience`: after that, the
    /// result itself has to show how much other work there was.
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
        // In a shorter time, the kernel's hundredths of a second show nothing.
        let others = if wall < LEAST_WALL { 0.0 } else { others.as_secs_f64() / wall.as_secs_f64() };
        Usage { wall, process, serving, database, others }
    }
}

/// User and system time of a process, including its children that have ended.
fn of_process(id: u32, with_children: bool) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name, in parentheses, may contain anything; utime is the 12th field after it.
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

/// The resident memory of a process, in bytes.
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

/// All time that was not idle, including time that the host took.
fn of_machine() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1).take(8);
    let times = fields.enumerate().filter(|(at, _)| !matches!(at, 3 | 4));
    sum(times.map(|(_, ticks)| ticks))
}

fn sum<'a>(ticks: impl Iterator<Item = &'a str>) -> Duration {
    Duration::from_millis(TICK_MILLIS * ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>())
}
