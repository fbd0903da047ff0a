//! Threads that panic outside of their tasks.

use std::collections::VecDeque;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use super::worker::{Duty, Next, Options, Worker};

struct Answering;

/// Something to answer. On `None` the thread panics.
type Item = Option<Sender<()>>;

impl Duty for Answering {
    type Queue = VecDeque<Item>;
    type Task = Sender<()>;
    type Own = ();

    fn begin(&self, _: u64) {}

    fn next(&self, (): &mut (), items: &mut VecDeque<Item>, is_closed: bool) -> Next<Sender<()>> {
        match items.pop_front() {
            Some(item) => Next::Do(item.expect("a planted panic")),
            None if is_closed => Next::End,
            None => Next::Wait(None),
        }
    }

    fn perform(&self, (): &mut (), reply: Sender<()>) {
        reply.send(()).expect("a receiver");
    }
}

fn put(worker: &Worker<Answering>, item: Item) {
    let added = worker.put(item, |items, item| {
        items.push_back(item);
        Ok(())
    });
    assert!(added.is_ok());
}

#[test]
fn a_thread_that_panics_outside_of_a_task_is_replaced_and_not_waited_for() {
    let options = Options { name: "answering", threads: 1, supervised: true };
    let worker = Worker::new(options, Answering, VecDeque::new());
    worker.start_or_log();
    put(&worker, None);
    let deadline = Instant::now() + Duration::from_secs(10);
    while worker.has_threads() {
        assert!(Instant::now() < deadline, "the thread is still on the list");
        std::thread::yield_now();
    }
    let (reply, answer) = channel();
    put(&worker, Some(reply));
    assert_eq!(answer.recv_timeout(Duration::from_secs(10)), Ok(()));
    worker.close();
    worker.drain(Instant::now() + Duration::from_secs(10));
    assert!(!worker.has_threads());
}
