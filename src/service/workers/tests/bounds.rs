//! The bounds of a pool: waiting jobs, and threads whose database is silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread::{spawn, yield_now};
use tokio::sync::oneshot::Receiver;

use super::code::{DbPool, DbPoolOptions};
use crate::domain::session::TokenRecord;
use crate::service::tests::database::{Database, token};
use crate::service::tests::explore;
use crate::service::tests::sync::pass;
use crate::store::{Connection, Store, StoreError, StoreResult};

/// A database that accepts no connection until it is opened.
#[derive(Clone)]
struct Shut {
    database: Database,
    gate: Arc<(Mutex<bool>, Condvar)>,
    knocked: Arc<AtomicUsize>,
}

impl Shut {
    fn new() -> Self {
        Self { database: Database::new(0), gate: Arc::default(), knocked: Arc::default() }
    }

    fn open(&self) {
        let (is_open, opened) = &*self.gate;
        *is_open.lock().unwrap() = true;
        opened.notify_all();
    }

    fn pool(&self, queue: usize) -> DbPool {
        let probe_after = Duration::from_secs(86_400);
        let options = DbPoolOptions { name: "checks", threads: 1, batch: 1, queue, groups: false, probe_after };
        DbPool::start(options, Arc::new(self.clone()))
    }
}

impl Store for Shut {
    fn connect(&self) -> StoreResult<Box<dyn Connection>> {
        self.knocked.fetch_add(1, Ordering::Relaxed);
        let (is_open, opened) = &*self.gate;
        let open = opened.wait_while(is_open.lock().unwrap(), |is_open| !*is_open).unwrap();
        drop(open);
        self.database.connect()
    }

    fn writers(&self) -> usize {
        1
    }
}

type Answer = Receiver<StoreResult<Option<TokenRecord>>>;

#[test]
fn no_more_jobs_wait_than_the_queue_has_room_for() {
    explore(500, || {
        let shut = Shut::new();
        let pool = shut.pool(2);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let pool = pool.clone();
                spawn(move || [pool.find(token(0).digest()), pool.find(token(1).digest())])
            })
            .collect();
        let answers = threads.into_iter().flat_map(|thread| thread.join().unwrap());
        let (mut waiting, mut refused): (Vec<Answer>, usize) = (Vec::new(), 0);
        for mut answer in answers {
            match answer.try_recv() {
                Ok(Err(StoreError::Busy(_))) => refused += 1,
                Ok(_) => panic!("an answer from a database that is shut"),
                Err(_) => waiting.push(answer),
            }
        }
        // Two in the queue, and perhaps one that a thread has taken.
        assert!((3..=4).contains(&refused), "{refused} of 6 were refused");
        shut.open();
        assert!(waiting.into_iter().all(|answer| matches!(block_on(answer), Ok(Ok(Some(_))))));
        pool.close();
    });
}

#[test]
fn no_more_than_eight_threads_are_given_up_for_a_silent_database() {
    let most = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    explore(200, move || {
        let shut = Shut::new();
        let pool = shut.pool(100);
        let answers: Vec<Answer> = (0..12)
            .map(|_| {
                let answer = pool.find(token(0).digest());
                (0..20).for_each(|_| yield_now());
                pass(Duration::from_secs(3));
                answer
            })
            .collect();
        seen.fetch_max(shut.knocked.load(Ordering::Relaxed), Ordering::Relaxed);
        shut.open();
        assert!(answers.into_iter().all(|answer| matches!(block_on(answer), Ok(Ok(Some(_))))), "one was forgotten");
        pool.close();
    });
    // The ninth waits as long as the database does.
    assert_eq!(most.load(Ordering::Relaxed), 9);
}
