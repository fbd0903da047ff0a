//! The hashing threads, on real threads.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::domain::audit::Origin;
use crate::domain::policy::ThrottlePolicy;
use crate::domain::random::SystemRandom;
use crate::domain::time::SystemClock;
use crate::domain::user::{LoginName, UserId};
use crate::service::throttle::{Permit, Throttle};
use crate::service::workers::{HashPool, HashPoolOptions, Work};

fn pool(threads: usize, queue: usize) -> HashPool {
    HashPool::start("test", HashPoolOptions { threads, queue, patience: Duration::from_secs(3600) })
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(work)
}

/// A permit for this account, from an address of its own.
fn permit(account: &str, address: u8, known: bool) -> Permit {
    let throttle = Throttle::new(ThrottlePolicy::off(), Arc::new(SystemClock), &SystemRandom).expect("random bytes");
    permit_of(&throttle, account, address, known)
}

fn permit_of(throttle: &Arc<Throttle>, account: &str, address: u8, known: bool) -> Permit {
    let origin = Origin { address: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, address))), ..Origin::default() };
    let permit = wait(throttle.admit(&LoginName::Username(account.to_owned()), &origin));
    let mut permit = permit.unwrap_or_else(|denied| panic!("{denied:?}"));
    wait(permit.identify(Some(UserId(1)), known)).expect("room");
    permit
}

/// Work that reports when it begins, and goes on when the test allows it.
struct Gate {
    begun: Receiver<()>,
    go_on: Option<std::sync::mpsc::Sender<()>>,
}

impl Gate {
    /// Work whose first run is held; further runs are not.
    fn first_run() -> (Self, impl Fn() -> usize + Send + Sync + 'static) {
        let ((begin, begun), (go_on, may_go_on)) = (channel(), channel::<()>());
        let (runs, may_go_on, begin) = (AtomicUsize::new(0), Mutex::new(may_go_on), Mutex::new(begin));
        let work = move || {
            let run = runs.fetch_add(1, Ordering::SeqCst);
            if run == 0 {
                begin.lock().unwrap_or_else(PoisonError::into_inner).send(()).ok();
                // Until the test sends a message or ends.
                may_go_on.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
            }
            run
        };
        (Self { begun, go_on: Some(go_on) }, work)
    }

    fn wait(&self) {
        self.begun.recv().expect("work that begins");
    }

    fn open(&mut self) {
        self.go_on = None;
    }
}

fn answer<T>(answer: oneshot::Receiver<T>) -> T {
    wait(answer).expect("an answer")
}

#[test]
fn a_hash_whose_thread_gets_no_processor_is_computed_by_another() {
    let pool = pool(1, 8);
    let (gate, work) = Gate::first_run();
    let held = pool.run(&permit("alice", 1, false), Work::Hash, work);
    gate.wait();
    assert_eq!(answer(held), 1, "the second run, while the first has not come to its end");
}

#[test]
fn logins_go_on_while_every_thread_is_held() {
    let pool = pool(1, 8);
    let (gate, work) = Gate::first_run();
    let held = pool.run(&permit("alice", 1, false), Work::Ask, work);
    gate.wait();
    assert_eq!(answer(pool.run(&permit("bob", 2, false), Work::Hash, || 17)), 17);
    drop(gate);
    assert_eq!(answer(held), 0, "another system is asked once");
}

#[test]
fn large_hashes_of_one_account_take_turns() {
    let pool = pool(2, 8);
    let throttle = Throttle::new(ThrottlePolicy::off(), Arc::new(SystemClock), &SystemRandom).expect("random bytes");
    let run = |account, address, kind, work: Box<dyn Fn() -> usize + Send + Sync>| {
        pool.run(&permit_of(&throttle, account, address, false), kind, work)
    };
    let (mut gate, work) = Gate::first_run();
    let first = run("alice", 1, Work::LargeHash, Box::new(work));
    gate.wait();
    let (is_held, second_begun) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let (held, begun) = (Arc::clone(&is_held), Arc::clone(&second_begun));
    let second = run(
        "alice",
        2,
        Work::LargeHash,
        Box::new(move || {
            begun.store(true, Ordering::SeqCst);
            usize::from(held.load(Ordering::SeqCst))
        }),
    );
    for address in 3..6 {
        answer(run("bob", address, Work::LargeHash, Box::new(|| 0)));
    }
    assert!(!second_begun.load(Ordering::SeqCst), "others are served meanwhile");
    is_held.store(false, Ordering::SeqCst);
    gate.open();
    answer(first);
    assert_eq!(answer(second), 0);
}

#[test]
fn what_would_come_too_late_is_refused_at_once() {
    let pool = HashPool::start("test", HashPoolOptions { threads: 1, queue: 2, patience: Duration::from_secs(30) });
    let throttle = Throttle::new(ThrottlePolicy::off(), Arc::new(SystemClock), &SystemRandom).expect("random bytes");
    let (gates, mut held): (Vec<_>, Vec<_>) = (0..2)
        .map(|address| {
            // One for each thread: that of the lowest priority, and the other one.
            let (gate, work) = Gate::first_run();
            let held = pool.run(&permit_of(&throttle, "flood", address, false), Work::Ask, work);
            gate.wait();
            (gate, held)
        })
        .unzip();
    let flood: Vec<_> = (0..10).map(|_| pool.run(&permit_of(&throttle, "flood", 9, false), Work::Ask, || 0)).collect();
    let owner = pool.run(&permit_of(&throttle, "flood", 10, true), Work::Ask, || 0);
    let refused = flood.into_iter().filter_map(|mut reply| reply.try_recv().err());
    let refused = refused.filter(|error| *error == oneshot::error::TryRecvError::Closed).count();
    assert_eq!(refused, 9, "there is room for two, of which one is the owner's");
    drop(gates);
    held.push(owner);
    held.into_iter().for_each(|reply| assert_eq!(answer(reply), 0));
}

#[test]
fn a_panic_costs_its_own_job() {
    let pool = pool(1, 8);
    let failed = pool.run(&permit("alice", 1, false), Work::Ask, || -> usize { panic!("of the test") });
    assert!(wait(failed).is_err());
    assert_eq!(answer(pool.run(&permit("alice", 1, false), Work::Ask, || 5)), 5);
}
