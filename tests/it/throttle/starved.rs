//! Logins under load, in real time: run by `scripts/soak logins`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{HOME, from};
use crate::harness::app::{Backend, login_request, token_request};
use crate::harness::program::{PASSWORD, Program, Running};

/// The time that the documentation promises.
const MOST: Duration = Duration::from_secs(3);

/// A server on one core.
fn start_on_one_core(program: &Program) -> Running {
    let all = sched_getaffinity(None).expect("the processors of this process");
    let mut one = CpuSet::new();
    one.set((0..CpuSet::MAX_CPU).rfind(|cpu| all.is_set(*cpu)).expect("a processor"));
    sched_setaffinity(None, &one).expect("one processor");
    let server = program.start();
    sched_setaffinity(None, &all).expect("all processors again");
    server
}

fn program() -> Program {
    let program = Program::on(Backend::Sqlite).with_admin().set("KNOXIDE_TRUSTED_PROXIES", "127.0.0.1");
    program.set("KNOXIDE_BCRYPT_COST", "12").set("KNOXIDE_WORKERS", "1")
}

/// The times of the owner's logins, one after another.
fn logins(server: &Running, times: usize) -> Vec<Duration> {
    let mut client = server.client();
    let login = from(HOME, login_request("admin", PASSWORD));
    let timed = |_| {
        let begun = Instant::now();
        let reply = client.ask(&login);
        assert_eq!(reply.status, 200, "{}", reply.text());
        begun.elapsed()
    };
    (0..times).map(timed).collect()
}

/// Runs `work` while this many clients check, and this many others log in with wrong passwords from one address.
fn under<T>(server: &Running, checks: usize, hopeless: usize, work: impl FnOnce() -> T) -> T {
    let token = server.client().login("admin", PASSWORD);
    let (stop, checked, refused) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let begun = Instant::now();
    let done = std::thread::scope(|scope| {
        for _ in 0..checks {
            scope.spawn(|| {
                let (mut client, check) = (server.client(), token_request("GET", "/auth/user/", &token));
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(client.ask(&check).status, 200);
                    checked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for number in 0..hopeless {
            let (stop, refused) = (&stop, &refused);
            scope.spawn(move || {
                let login = from("192.0.2.1", login_request(&format!("user-{number}"), "guess"));
                while !stop.load(Ordering::Relaxed) {
                    let reply = crate::harness::wire::Wire::connect_for(server.address(), Duration::from_secs(60));
                    reply.and_then(|mut wire| wire.ask(&login)).expect("a reply");
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_secs(3));
        let done = work();
        stop.store(true, Ordering::Relaxed);
        done
    });
    let seconds = begun.elapsed().as_secs_f64();
    let rate = |count: AtomicU64| count.into_inner() as f64 / seconds;
    println!("  {:.0} checks and {:.0} hopeless logins a second", rate(checked), rate(refused));
    done
}

#[test]
#[ignore = "measures time, and needs a core for itself: scripts/soak logins runs it"]
fn logins_go_on_while_checks_take_all_of_a_core() {
    let mut slowest = Vec::new();
    for (what, throttle, checks, hopeless) in [
        ("nobody else", "true", 0, 0),
        ("checks at full speed", "true", 8, 0),
        ("checks at full speed, and 64 clients with hopeless logins", "true", 8, 64),
        ("128 clients with hopeless logins that nothing throttles", "false", 0, 128),
    ] {
        let program = program().set("KNOXIDE_THROTTLE", throttle);
        let server = start_on_one_core(&program);
        logins(&server, 1);
        let took = under(&server, checks, hopeless, || logins(&server, 5));
        println!("{what}: an owner's logins took {took:.2?}");
        slowest.push((what, took.into_iter().max().expect("a login")));
    }
    assert!(slowest.iter().all(|(_, took)| *took <= MOST), "{slowest:?}");
}
