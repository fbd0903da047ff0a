use serde_json::{Value, json};

use super::{Machine, Typist};
use crate::cli::answer::{Code, Failure};
use crate::domain::jwt::{Algorithm, KeySecret, PUBLISHED_FIRST};
use crate::domain::random::SystemRandom;
use crate::domain::time::Clock;
use crate::server::StartError;
use crate::store::diesel::{DieselStore, StoreOptions};
use crate::store::{AdminStore, KeyError};

const SECRET: &str = "a secret of more than 32 bytes, no better";
const OTHER: &str = "another secret of more than 32 bytes.....";

fn secret(text: &str) -> KeySecret {
    KeySecret::new(text.as_bytes().to_vec())
}

/// A machine on which a server has started once, with this secret in its settings.
fn started(given: Option<&str>) -> (Machine, DieselStore) {
    let machine = Machine::with_alice();
    let store = DieselStore::open(&machine.url(), StoreOptions::default()).expect("a store");
    let given = given.map(secret);
    store.ensure_keys(Algorithm::EdDsa, given.as_ref(), &SystemRandom, machine.clock.now()).expect("keys");
    (machine, store)
}

/// Number, algorithm and state of every key.
fn states(machine: &Machine) -> Vec<(i64, Value, String)> {
    let listed = machine.json(&["key", "list"]);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let row = |key: &Value| (key["id"].as_i64().expect("an id"), key["algorithm"].clone(), text(&key["state"]));
    listed.as_array().expect("keys").iter().map(row).collect()
}

#[test]
fn a_new_key_waits_signs_and_replaces_the_old_one() {
    let (machine, _) = started(None);
    let state = |id: i64| states(&machine).into_iter().find(|key| key.0 == id).map(|key| key.2);
    let first = [(1, json!(null)), (2, json!("HS256")), (3, json!("EdDSA"))];
    assert_eq!(states(&machine).into_iter().map(|key| (key.0, key.1)).collect::<Vec<_>>(), first);
    assert_eq!(state(3).as_deref(), Some("signs"), "the only one need not wait");
    machine.wait(100);
    let rotated = machine.json(&["key", "rotate", "EdDSA"]);
    assert_eq!(rotated, json!({ "algorithm": "EdDSA", "signs_from": "2023-11-14T22:15:30Z" }));
    assert_eq!((state(3).as_deref(), state(4).as_deref()), (Some("signs"), Some("waits")));
    assert!(machine.done(&["key", "list"]).contains("signs from 2023-11-14T22:15:30Z"));
    machine.wait(PUBLISHED_FIRST.as_secs());
    assert_eq!((state(3).as_deref(), state(4).as_deref()), (Some("replaced"), Some("signs")));
    machine.done(&["key", "retire", "3"]);
    assert_eq!((state(3).as_deref(), state(2).as_deref()), (Some("retired"), Some("signs")));
    assert!(machine.refused(3, &["key", "retire", "3"]).contains("no key 3 in use"));
}

#[test]
fn the_algorithm_of_the_settings_is_meant_unless_another_is_named() {
    let (machine, _) = started(None);
    let environment = [("KNOXIDE_JWT_ALGORITHM", "RS256")];
    let ran = machine.run_with(&["--json", "key", "rotate"], Typist::default(), &environment);
    assert_eq!(ran.json()["algorithm"], "RS256");
    assert_eq!(machine.json(&["key", "rotate"])["algorithm"], "HS256");
    assert!(machine.refused(2, &["key", "rotate", "ES256"]).contains("HS256, EdDSA, RS256"));
    assert!(machine.done(&["key", "rotate", "EdDSA"]).contains("where KNOXIDE_JWT_ALGORITHM is EdDSA"));
}

#[test]
fn what_nothing_could_be_signed_without_is_not_retired() {
    let (machine, _) = started(None);
    for id in ["1", "2", "3"] {
        assert!(machine.refused(4, &["key", "retire", id]).contains("only one of its kind"));
    }
    machine.refused(3, &["key", "retire", "9"]);
    machine.refused(2, &["key", "retire", "x"]);
}

#[test]
fn the_secret_of_the_settings_is_changed_by_rotating() {
    let (machine, store) = started(Some(SECRET));
    let rotate =
        |environment: &[(&str, &str)]| machine.run_with(&["key", "rotate", "HS256"], Typist::default(), environment);
    let ran = rotate(&[("KNOXIDE_JWT_SECRET", SECRET)]);
    assert_eq!(ran.code, 4);
    assert!(ran.err.contains("give a new one") && !ran.err.contains(SECRET), "{}", ran.err);
    let ran = rotate(&[("KNOXIDE_JWT_SECRET", OTHER)]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("every node"), "{}", ran.out);
    assert!(store.load_keys(Some(&secret(OTHER))).is_ok());
    assert!(matches!(store.load_keys(Some(&secret(SECRET))), Err(KeyError::OtherSecret)));
    let listed = machine.done(&["key", "list"]);
    assert!(listed.contains("settings") && !listed.contains(SECRET) && !listed.contains(OTHER), "{listed}");
    // Back to a secret that is stored in the database.
    assert_eq!(rotate(&[]).code, 0);
    assert!(store.load_keys(None).is_ok());
}

#[test]
fn a_secret_that_does_not_fit_is_a_wrong_setting() {
    for error in [KeyError::OtherSecret, KeyError::SecretNotGiven] {
        assert_eq!(Failure::from(StartError::Keys(error)).code, Code::Usage);
    }
}
