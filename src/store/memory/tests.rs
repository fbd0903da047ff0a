//! The conformance suite on the store in memory.

use super::MemoryStore;

#[test]
fn passes_the_conformance_suite() {
    crate::store::conformance::run(&mut || Box::new(MemoryStore::new()));
    crate::store::conformance::run_admin(&mut || Box::new(MemoryStore::new()));
}
