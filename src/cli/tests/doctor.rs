use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::{Machine, Typist};
use crate::domain::jwt::{Algorithm, KeySecret};
use crate::domain::random::SystemRandom;
use crate::domain::time::{Clock, SystemClock};
use crate::store::diesel::{DieselStore, StoreOptions};
use crate::store::{AdminStore as _, SharedEmail, Store as _};

/// A machine without problems.
fn healthy() -> Machine {
    let machine = Machine::with_alice();
    chmod(&machine, "", 0o700);
    machine
}

fn chmod(machine: &Machine, name: &str, mode: u32) {
    let path = machine.folder.path().join(name);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
}

/// The findings while the clock is right.
fn examine(machine: &Machine, environment: &[(&str, &str)]) -> (u8, String) {
    machine.clock.set(SystemClock.now());
    examine_now(machine, environment)
}

/// The exit code, and the facts that are wrong or could be better, each with its remedy.
fn examine_now(machine: &Machine, environment: &[(&str, &str)]) -> (u8, String) {
    let ran = machine.run_with(&["--json", "doctor"], Typist::default(), environment);
    let findings: Vec<Value> = serde_json::from_str(&ran.out).expect("JSON");
    let bad = findings.iter().filter(|finding| finding["weight"] != "fine");
    let lines: Vec<_> = bad
        .map(|finding| {
            assert!(finding["remedy"].is_string(), "{finding}");
            format!("{} {} {} {}", finding["weight"], finding["subject"], finding["fact"], finding["remedy"])
        })
        .collect();
    (ran.code, lines.join("\n"))
}

#[test]
fn a_healthy_machine_gets_no_complaint() {
    let machine = healthy();
    assert_eq!(examine(&machine, &[]), (0, String::new()));
    machine.clock.set(SystemClock.now());
    assert!(machine.done(&["doctor"]).ends_with("\nNothing is wrong.\n"));
}

#[test]
fn wrong_settings_are_findings() {
    let (code, found) = examine(&healthy(), &[("KNOXIDE_BCRYPT_COST", "1"), ("KNOXIDE_LISTN", "x")]);
    assert_eq!((code, found.lines().count()), (1, 2));
    assert!(found.contains("KNOXIDE_BCRYPT_COST") && found.contains("did you mean KNOXIDE_LISTEN"), "{found}");
}

#[test]
fn trusting_everybody_is_advised_against() {
    let (code, found) = examine(&healthy(), &[("KNOXIDE_TRUSTED_PROXIES", "::/0")]);
    assert_eq!(code, 0);
    assert!(found.starts_with("\"advice\"") && found.contains("forge"), "{found}");
}

#[test]
fn a_missing_database_is_wrong_and_stays_missing() {
    let machine = Machine::new();
    let (code, found) = examine(&machine, &[]);
    assert_eq!(code, 1);
    assert!(found.contains("knoxide migrate"), "{found}");
    assert!(!machine.folder.path().join("knoxide.db").exists());
}

#[test]
fn tables_behind_the_program_are_wrong() {
    let machine = healthy();
    machine.done(&["migrate", "down", "--yes"]);
    let (code, found) = examine(&machine, &[]);
    assert_eq!(code, 1);
    assert!(found.contains("run `knoxide migrate`"), "{found}");
}

#[test]
fn clocks_may_differ_by_five_seconds() {
    let machine = healthy();
    machine.clock.set(SystemClock.now());
    machine.wait(60);
    let (code, found) = examine_now(&machine, &[]);
    assert_eq!(code, 1);
    assert!(found.contains("clock") && found.contains("ahead of"), "{found}");
}

#[test]
fn files_that_others_can_open_are_wrong() {
    let machine = healthy();
    for (mode, code) in [(0o755, 0), (0o777, 1), (0o700, 0)] {
        chmod(&machine, "", mode);
        let found = examine(&machine, &[]);
        assert_eq!(found.0, code, "{found:?}");
        assert_eq!(found.1.contains("chmod 700"), mode != 0o700, "{found:?}");
    }
    // Last, since SQLite gives the files that it makes next to the database the same mode.
    chmod(&machine, "knoxide.db", 0o644);
    let (code, found) = examine(&machine, &[]);
    assert_eq!(code, 1);
    assert!(found.contains("chmod 600"), "{found}");
}

#[test]
fn files_of_secrets_that_others_can_open_are_told() {
    let machine = healthy();
    let secrets = tempfile::tempdir().expect("a folder");
    let path = secrets.path().join("jwt");
    std::fs::write(&path, "k3Vw0fX2mZqP9sLrT7uYbN4cH6jD8gA1\n").expect("a file");
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    };
    let named = [("KNOXIDE_JWT_SECRET_FILE", path.to_str().expect("a name"))];
    for (folder, file, code, weight) in [
        (0o755, 0o444, 0, "advice"),
        (0o755, 0o644, 0, "advice"),
        (0o755, 0o646, 1, "wrong"),
        (0o755, 0o640, 0, ""),
        (0o700, 0o644, 0, ""),
        (0o750, 0o666, 0, ""),
    ] {
        set(secrets.path(), folder);
        set(&path, file);
        let found = examine(&machine, &named);
        assert_eq!(found.0, code, "{folder:o} {file:o}: {found:?}");
        let told = found.1.lines().filter(|line| line.contains("holds a secret")).collect::<Vec<_>>();
        assert_eq!(told.len(), usize::from(!weight.is_empty()), "{folder:o} {file:o}: {found:?}");
        assert!(told.iter().all(|line| line.contains(weight) && line.contains("chmod o=")), "{found:?}");
    }
}

#[test]
fn hashes_that_no_password_fits_are_found() {
    let machine = healthy();
    machine.done(&["user", "add", "service", "--password-hash", "!"]);
    assert_eq!(examine(&machine, &[]), (0, String::new()), "no password on purpose");
    let audit = crate::domain::audit::AuditContext {
        event: crate::domain::audit::Event::PasswordChanged,
        actor: crate::domain::audit::Actor::System,
        origin: crate::domain::audit::Origin::default(),
        at: super::START,
        detail: None,
    };
    let broken = crate::domain::user::PasswordHash::from_stored("rot13$uhagre2".to_owned());
    machine.store().set_password(crate::domain::user::UserId(1), &broken, None, &audit).expect("a write");
    let (code, found) = examine(&machine, &[]);
    assert_eq!(code, 1);
    assert!(found.contains("alice") && !found.contains("uhagre2"), "{found}");
}

#[test]
fn keys_that_do_not_fit_are_found() {
    let machine = healthy();
    let store = DieselStore::open(&machine.url(), StoreOptions::default()).expect("a store");
    let secret = |text: &str| KeySecret::new(text.as_bytes().to_vec());
    let (own, other) = ("a secret of more than 32 bytes, no better", "another secret of more than 32 bytes.....");
    let made = store.ensure_keys(Algorithm::Hs256, Some(&secret(own)), &SystemRandom, super::START);
    assert_eq!(made.expect("keys").len(), 2);
    assert_eq!(examine(&machine, &[("KNOXIDE_JWT_SECRET", own)]), (0, String::new()));
    let missing = [("KNOXIDE_JWT_SECRET", own), ("KNOXIDE_JWT_ALGORITHM", "EdDSA")];
    assert_eq!(examine(&machine, &missing), (0, String::new()), "the next start makes it");
    for environment in [&[("KNOXIDE_JWT_SECRET", other)][..], &[]] {
        let (code, found) = examine(&machine, environment);
        assert_eq!(code, 1);
        assert!(found.contains("\"keys\"") && found.contains("the same KNOXIDE_JWT_SECRET"), "{found}");
        assert!(!found.contains(own) && !found.contains(other), "{found}");
    }
}

#[test]
fn many_users_at_one_address_are_a_forgotten_proxy() {
    let machine = healthy();
    let url = format!("sqlite://{}", machine.folder.path().join("knoxide.db").display());
    let store = DieselStore::open(&url, StoreOptions::default()).expect("a store");
    let mut connection = store.connect().expect("a connection");
    for number in 0..20 {
        let user = crate::domain::user::NewUser {
            id: None,
            username: format!("user-{number}-x"),
            email: String::new(),
            password: crate::domain::user::PasswordHash::unusable(),
            is_active: true,
            is_staff: false,
            is_admin: false,
            created: machine.clock.now(),
        };
        let audit = crate::domain::audit::AuditContext {
            event: crate::domain::audit::Event::UserCreated,
            actor: crate::domain::audit::Actor::CommandLine,
            origin: crate::domain::audit::Origin::default(),
            at: machine.clock.now(),
            detail: None,
        };
        let made = store.create_user(&user, SharedEmail::Allow, &audit).expect("a user");
        let crate::store::UserCreation::Created(id) = made else { panic!("{made:?}") };
        let new = crate::store::NewSession {
            id: crate::domain::session::SessionId::new(machine.clock.now(), &[number; 10]),
            user: id,
            epoch: crate::domain::user::Epoch(0),
            kind: crate::domain::dialect::Dialect::Knox.into(),
            name: None,
            tokens: Vec::new(),
            limit: None,
            network: Some("10.0.0.1".to_owned()),
            with_event: true,
            audit,
        };
        assert_eq!(connection.open_session(&new), Ok(crate::store::Opening::Opened));
    }
    let (code, found) = examine(&machine, &[]);
    assert_eq!(code, 0);
    assert!(found.contains("advice") && found.contains("KNOXIDE_TRUSTED_PROXIES"), "{found}");
    assert_eq!(examine(&machine, &[("KNOXIDE_TRUSTED_PROXIES", "10.0.0.1")]), (0, String::new()));
}

#[test]
fn users_who_cannot_log_in_by_name_or_address_are_told() {
    let machine = healthy();
    machine.done(&["user", "add", "bob", "--email", "A@example.org", "--shared-email", "--password-hash", "!"]);
    let (code, found) = examine(&machine, &[]);
    assert!(code == 0 && found.contains("differ in letter case alone: a@example.org"), "{found}");
    machine.done(&["user", "set-email", "bob", "a@example.org", "--shared-email"]);
    let (code, found) = examine(&machine, &[]);
    assert!(code == 0 && found.contains("id:1 and id:2") && found.contains("set-email"), "{found}");
    machine.done(&["user", "set-email", "bob", ""]);
    assert_eq!(examine(&machine, &[]), (0, String::new()));
    let users =
        serde_json::json!({ "format": 1, "users": [{ "id": 7, "username": " x" }, { "id": 8, "username": "" }] });
    let path = machine.folder.path().join("users.json");
    std::fs::write(&path, users.to_string()).expect("a file");
    machine.done(&["import", &path.display().to_string()]);
    let (code, found) = examine(&machine, &[]);
    assert!(code == 1 && found.contains("id:7") && found.contains("id:8") && found.contains("user rename"), "{found}");
    machine.done(&["user", "rename", "id:7", "x"]);
    machine.done(&["user", "rename", "id:8", "y"]);
    assert_eq!(examine(&machine, &[]), (0, String::new()));
}
