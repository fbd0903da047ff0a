//! Counts are written at the end, also if the write before it fails meanwhile.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::*;
use crate::domain::audit::Event;
use crate::domain::time::SystemClock;
use crate::domain::user::UserId;
use crate::service::workers::DbPoolOptions;
use crate::store::conformance::{Layer, Layered};
use crate::store::memory::MemoryStore;
use crate::store::{EventFilter, Store as _, StoreError, StoreResult};

/// The first record of events says that it has begun, waits, and fails.
struct FirstFails {
    begun: Mutex<Sender<()>>,
    go_on: Mutex<Receiver<()>>,
}

impl Layer for FirstFails {
    fn before(&self, method: &'static str) -> StoreResult<()> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if method != "record_events" || begun.send(()).is_err() {
            return Ok(());
        }
        match self.go_on.lock().unwrap_or_else(PoisonError::into_inner).recv() {
            Ok(()) => Err(StoreError::Failed("planted".to_owned())),
            Err(_) => Ok(()),
        }
    }
}

#[test]
fn counts_of_a_write_that_fails_during_the_stop_are_written_before_its_end() {
    let ((begun, has_begun), (fail, go_on)) = (channel(), channel());
    let memory = MemoryStore::new();
    let store = Layered::new(memory.clone(), FirstFails { begun: Mutex::new(begun), go_on: Mutex::new(go_on) });
    let probe_after = Duration::from_secs(30);
    let options = DbPoolOptions { name: "writes", threads: 1, batch: 1, queue: 16, groups: false, probe_after };
    let pool = DbPool::start(options, Arc::new(store));
    let clock = Arc::new(SystemClock);
    let counts = EventCounts::start(Duration::from_millis(1), pool.clone(), Arc::clone(&clock) as _);
    counts.limiter().count(Event::Throttled, Subject::User(UserId(1)), "", clock.now());
    has_begun.recv().expect("the write at an interval");
    thread::scope(|scope| {
        scope.spawn(|| {
            counts.close(Instant::now() + Duration::from_secs(60));
            pool.close();
        });
        while counts.worker.put((), |(), ()| Ok(())).is_ok() {
            thread::yield_now();
        }
        fail.send(()).expect("a write that waits");
        drop(fail);
    });
    pool.drain(Instant::now() + Duration::from_secs(60));
    let mut connection = memory.connect().expect("a connection");
    let filter = EventFilter { limit: 10, ..EventFilter::default() };
    let written = connection.list_events(&filter).expect("events").events;
    assert_eq!(written.iter().map(|event| event.count).collect::<Vec<_>>(), [1]);
}
