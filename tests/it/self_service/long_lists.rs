//! Lists that take long leave capacity for logins.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use knoxide::store::StoreResult;
use knoxide::store::conformance::{Layer, Layered};
use knoxide::store::memory::MemoryStore;

use super::*;
use crate::harness::app::{add_user, start_of_time};

/// A store whose session lists report when they begin, and then wait for the sender to be dropped.
struct Held {
    begun: Mutex<mpsc::Sender<()>>,
    until: Mutex<mpsc::Receiver<()>>,
}

impl Layer for Held {
    fn before(&self, method: &'static str) -> StoreResult<()> {
        if method == "list_sessions" {
            self.begun.lock().unwrap_or_else(PoisonError::into_inner).send(()).ok();
            self.until.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
        }
        Ok(())
    }
}

#[test]
fn logins_go_on_while_lists_take_long() {
    let ((begun, has_begun), (release, until)) = (mpsc::channel(), mpsc::channel());
    let store = Layered::new(MemoryStore::new(), Held { begun: Mutex::new(begun), until: Mutex::new(until) });
    add_user(store.behind(), "alice", PASSWORD, start_of_time());
    let auth = Auth::builder(store).hasher(cheap_hasher()).check_timeout(std::time::Duration::from_secs(10));
    let served = Arc::new(Served::start(auth.build().expect("a service"), Setup::default().http));
    let token = served.client().login("alice", PASSWORD);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let lists: Vec<_> =
            (0..4).map(|_| scope.spawn(|| served.client().with_token("GET", SESSIONS, &token).status)).collect();
        has_begun.recv().expect("a list");
        for _ in 0..4 {
            served.client().login("alice", PASSWORD);
        }
        drop(release);
        lists.into_iter().map(|list| list.join().expect("no panic")).collect()
    });
    assert_eq!(statuses, [200; 4]);
}
