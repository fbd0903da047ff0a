//! The cost of connections: no processor time while no bytes arrive, and little memory.

use std::fs;
use std::time::{Duration, Instant};

use super::raw::{PING, Raw, Target};
use crate::harness::app::{Backend, login_request};
use crate::harness::program::{PASSWORD, Program, Running};

/// The processor time of threads whose names have this prefix.
fn processor_time(server: &Running, name: &str) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.id())).expect("threads");
    let ticks: u64 = tasks
        .filter_map(|task| {
            let stat = fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
            let (start, rest) = stat.rsplit_once(')')?;
            let fields: Vec<&str> = rest.split_whitespace().collect();
            let used = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
            start.split_once('(')?.1.starts_with(name).then_some(used)
        })
        .sum();
    // Linux counts in hundredths of a second, whatever the rate of its own clock.
    Duration::from_millis(10 * ticks)
}

/// A value of `/proc/PID/status`, in KiB.
pub(super) fn memory(server: &Running, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Whether the server does almost nothing for a second, before the deadline for writing has passed.
fn comes_to_rest(server: &Running) -> bool {
    (0..8).any(|_| {
        let before = processor_time(server, "");
        // Not a wait for some event: this is the measured time.
        std::thread::sleep(Duration::from_secs(1));
        processor_time(server, "") - before <= Duration::from_millis(50)
    })
}

#[test]
fn who_takes_nothing_costs_nothing() {
    let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_WORKERS", "1");
    let server = program.start();
    let crowd: Vec<Raw> = (0..2)
        .map(|_| {
            let mut raw = Raw::narrow(server.address());
            raw.stuff(PING.repeat(20_000).as_bytes());
            raw
        })
        .collect();
    assert!(comes_to_rest(&server), "the server does not become idle");
    drop(crowd);
}

#[test]
fn an_answer_that_is_awaited_costs_nothing() {
    // One hash at a time; each takes about a second.
    let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_WORKERS", "1");
    let program = program.set("KNOXIDE_BCRYPT_COST", "14").set("KNOXIDE_PASSWORD_THREADS", "1");
    let server = program.start();
    let mut crowd: Vec<Raw> = (0..2).map(|_| Raw::connect(&Target::Tcp(server.address()))).collect();
    let bytes = [login_request("admin", PASSWORD).to_bytes(), PING.repeat(8000).into_bytes()].concat();
    let (used, took) = std::thread::scope(|scope| {
        for raw in &crowd {
            let mut writer = raw.twin();
            let bytes = &bytes;
            // Writes until the client hangs up.
            scope.spawn(move || writer.send(bytes).ok());
        }
        let (before, began) = (processor_time(&server, "actix"), Instant::now());
        let first = crowd.first_mut().expect("a connection");
        assert_ne!(first.read(&mut [0]).expect("an answer"), 0);
        let measured = (processor_time(&server, "actix") - before, began.elapsed());
        for raw in crowd.drain(..) {
            raw.hang_up();
        }
        measured
    });
    assert!(used * 3 < took, "{used:?} of processor time in {took:?}");
}

#[test]
fn answers_that_nobody_takes_hold_little_memory() {
    let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_WORKERS", "1");
    let server = program.start();
    let request = PING.replace("Host", "Accept: application/json; indent=8\r\nHost").repeat(20_000);
    let before = memory(&server, "VmRSS");
    let crowd: Vec<Raw> = std::thread::scope(|scope| {
        let stuffing = (0..20).map(|_| {
            scope.spawn(|| {
                let mut raw = Raw::narrow(server.address());
                raw.stuff(request.as_bytes());
                raw
            })
        });
        let stuffing: Vec<_> = stuffing.collect();
        stuffing.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    comes_to_rest(&server);
    let grown = memory(&server, "VmHWM") - before;
    assert!(grown < 20 * 1024, "{grown} KiB for {} connections", crowd.len());
}
