//! Every store keeps the same promises, and every promise is tested.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};

use knoxide::domain::audit::AuditContext;
use knoxide::domain::session::SessionId;
use knoxide::store::conformance::{Layer, Layered, run, run_admin};
use knoxide::store::diesel::{DieselStore, StoreOptions};
use knoxide::store::memory::MemoryStore;
use knoxide::store::{Connection, StoreResult};

use crate::harness::app::{Backend, Database, on_each_database};

on_each_database! {
    fn the_suite_passes(backend) {
        let mut databases = Vec::new();
        let mut make = || open(Database::migrated(backend), &mut databases);
        run(&mut || Box::new(make()));
        run_admin(&mut || Box::new(make()));
    }
}

/// Opens the store of a database, which is kept until the test ends.
fn open(database: Database, kept: &mut Vec<Database>) -> DieselStore {
    let store = DieselStore::open(&database.url, StoreOptions::default()).expect("a store");
    kept.push(database);
    store
}

/// A store that ignores logouts.
struct Forgetful;

impl Layer for Forgetful {
    fn end_session(&self, _: &mut dyn Connection, _: SessionId, _: &AuditContext) -> StoreResult<bool> {
        Ok(true)
    }
}

#[test]
fn a_store_that_forgets_a_logout_fails_it() {
    let broken = catch_unwind(AssertUnwindSafe(|| {
        run(&mut || Box::new(Layered::new(MemoryStore::new(), Forgetful)));
    }));
    let message = *broken.expect_err("a failure").downcast::<String>().expect("a message");
    assert!(message.contains("logout ends one session, once"), "{message}");
    assert!(!message.contains("names are compared exactly"), "{message}");
}

/// Records which methods were called.
#[derive(Clone, Default)]
struct Called(Arc<Mutex<BTreeSet<&'static str>>>);

impl Layer for Called {
    fn before(&self, method: &'static str) -> StoreResult<()> {
        self.0.lock().expect("no panic").insert(method);
        Ok(())
    }
}

/// The methods of a trait in a source file, as a layer gets their names with this prefix.
fn methods_of(file: &str, name: &str, prefix: &str) -> Vec<String> {
    let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("the source");
    let (_, body) = source.split_once(&format!("\npub trait {name}")).expect("the trait");
    let (body, _) = body.split_once("\n}\n").expect("its end");
    let declared = body.lines().filter_map(|line| line.strip_prefix("    fn ")?.split_once('('));
    declared.map(|(method, _)| format!("{prefix}{method}")).collect()
}

#[test]
fn the_suite_calls_every_method_of_a_store() {
    let called = Called::default();
    let mut databases = Vec::new();
    let mut make = || Layered::new(open(Database::migrated(Backend::Sqlite), &mut databases), called.clone());
    run(&mut || Box::new(make()));
    run_admin(&mut || Box::new(make()));
    let mut methods = methods_of("src/store.rs", "Store", "");
    methods.extend(methods_of("src/store.rs", "Connection", ""));
    methods.extend(methods_of("src/store/admin.rs", "AdminStore", "AdminStore::"));
    assert!(methods.len() > 25, "{methods:?}");
    let called = called.0.lock().expect("no panic");
    let untested: Vec<_> = methods.iter().filter(|method| !called.contains(method.as_str())).collect();
    assert!(untested.is_empty(), "no case of the suite calls {untested:?}");
}
