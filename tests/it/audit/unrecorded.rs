//! A refusal that cannot be recorded is not answered as a refusal.

use knoxide::service::Auth;
use knoxide::store::conformance::{Layer, Layered};
use knoxide::store::memory::MemoryStore;
use knoxide::store::{StoreError, StoreResult};

use crate::harness::app::{Served, Setup, add_user, cheap_hasher, start_of_time};

/// A store that cannot record events.
struct Full;

impl Layer for Full {
    fn before(&self, method: &'static str) -> StoreResult<()> {
        if method == "record_events" { Err(StoreError::Full("no room".to_owned())) } else { Ok(()) }
    }
}

#[test]
fn a_refusal_that_cannot_be_recorded_is_a_503_and_a_throttled_one_is_not_recorded() {
    let store = Layered::new(MemoryStore::new(), Full);
    add_user(store.behind(), "alice", "correct horse", start_of_time());
    let auth = Auth::builder(store).hasher(cheap_hasher()).password_threads(1).build().expect("a service");
    let served = Served::start(auth, Setup::default().http);
    let client = &mut served.client();
    for name in ["alice", "nobody"] {
        for _ in 0..10 {
            assert_eq!(client.try_login(name, "wrong").status, 503);
        }
        assert_eq!(client.try_login(name, "wrong").status, 429);
    }
}
