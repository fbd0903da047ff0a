//! The worker below all pools: which threads it wakes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread::spawn;
use tokio::sync::oneshot;

use super::code::worker::{Duty, Next, Options, Worker};
use crate::service::tests::explore;
use crate::service::tests::sync::Instant;

/// An item for a thread.
enum Item {
    /// Answer.
    Answer(oneshot::Sender<()>),
    /// Wait until another thread does the same.
    Meet,
}

#[derive(Default)]
struct Meeting {
    present: Mutex<usize>,
    arrived: Condvar,
}

impl Duty for Meeting {
    type Queue = VecDeque<Item>;
    type Task = Item;
    type Own = u64;

    fn begin(&self, number: u64) -> u64 {
        number
    }

    fn next(&self, number: &mut u64, items: &mut VecDeque<Item>, is_closed: bool) -> Next<Item> {
        match items.pop_front() {
            Some(item) => Next::Do(item),
            None if is_closed => Next::End,
            // The second thread wakes by itself from time to time, which must not hide that the other one was not
            // woken.
            None => Next::Wait((*number == 1).then_some(Duration::from_secs(1))),
        }
    }

    fn perform(&self, _: &mut u64, item: Item) {
        match item {
            Item::Answer(reply) => reply.send(()).unwrap(),
            Item::Meet => {
                let mut present = self.present.lock().unwrap();
                *present += 1;
                self.arrived.notify_all();
                drop(self.arrived.wait_while(present, |present| *present < 2).unwrap());
            }
        }
    }
}

fn worker(threads: usize) -> Arc<Worker<Meeting>> {
    let options = Options { name: "meeting", threads, supervised: false };
    let worker = Worker::new(options, Meeting::default(), VecDeque::new());
    worker.start_or_log();
    Arc::new(worker)
}

fn put(worker: &Worker<Meeting>, item: Item) {
    let added = worker.put(item, |items, item| {
        items.push_back(item);
        Ok(())
    });
    assert!(added.is_ok());
}

/// Longer than any run: a waiting thread must be woken.
fn never() -> Instant {
    Instant::now() + Duration::from_secs(86_400)
}

#[test]
fn a_thread_that_sleeps_is_woken_for_each_item() {
    explore(2_000, || {
        let worker = worker(2);
        let putting: Vec<_> = (0..2)
            .map(|_| {
                let worker = Arc::clone(&worker);
                spawn(move || put(&worker, Item::Meet))
            })
            .collect();
        putting.into_iter().for_each(|putting| putting.join().unwrap());
        worker.close();
        // Neither item is done before a second thread has the other one.
        worker.drain(never());
    });
}

#[test]
fn who_waits_for_the_end_is_not_woken_in_place_of_a_thread() {
    explore(2_000, || {
        let worker = worker(1);
        let waiting = {
            let worker = Arc::clone(&worker);
            spawn(move || worker.drain(never()))
        };
        for _ in 0..2 {
            let (reply, answer) = oneshot::channel();
            put(&worker, Item::Answer(reply));
            block_on(answer).unwrap();
        }
        worker.close();
        waiting.join().unwrap();
    });
}
