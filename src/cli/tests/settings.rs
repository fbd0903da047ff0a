use std::path::Path;

use super::{Machine, Typist};
use crate::cli::args::Arguments;

#[test]
fn the_definitions_are_sound() {
    <Arguments as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn the_committed_page_is_what_help_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/command-line.md");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(committed, crate::cli::markdown(), "run: cargo run --example documents");
}

#[test]
fn help_teaches_and_names_the_exit_codes() {
    let help = Machine::new().run(&["--help"]);
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    assert!(help.out.contains("First steps:") && help.out.contains("5  the database is not available"));
    assert_eq!(Machine::new().run(&["--version"]).out, format!("knoxide {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_use_is_code_2() {
    let machine = Machine::new();
    for arguments in [
        &["frobnicate"][..],
        &["user"],
        &["user", "add"],
        &["user", "add", "x", "--password", "hunter22"],
        &["user", "add", "x", "--password-stdin", "--password-hash", "!"],
        &["session", "revoke", "x", "--user", "y"],
    ] {
        assert_eq!(machine.run(arguments).code, 2, "{arguments:?}");
    }
}

#[test]
fn wrong_settings_are_code_2_and_all_named() {
    let machine = Machine::new();
    let environment = [("KNOXIDE_BCRYPT_COST", "1"), ("KNOXIDE_LISTN", "x")];
    for command in [&["user", "list"][..], &["migrate"], &["serve"], &[]] {
        let ran = machine.run_with(command, Typist::default(), &environment);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(
            ran.err.contains("KNOXIDE_BCRYPT_COST") && ran.err.contains("did you mean KNOXIDE_LISTEN"),
            "{}",
            ran.err
        );
    }
    let ran = machine.run(&["--json", "--log", "loud", "user", "list"]);
    let failure: serde_json::Value = serde_json::from_str(&ran.err).expect("JSON");
    assert_eq!(failure["code"], 2);
    assert!(failure["error"].as_str().expect("text").contains("KNOXIDE_LOG (--log)"));
}

#[test]
fn flags_win_over_the_environment() {
    let machine = Machine::with_alice();
    let other = Machine::new();
    let ran = machine.run(&["--database-url", &other.url(), "user", "add", "bob", "--password-hash", "!"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(other.json(&["user", "list"])[0]["username"], "bob");
    machine.refused(3, &["user", "show", "bob"]);
}

#[test]
fn settings_are_listed_without_reading_any() {
    let ran = Machine::new().run_with(&["settings"], Typist::default(), &[("KNOXIDE_LOG", "loud")]);
    assert_eq!(ran.code, 0);
    assert_eq!(ran.out, crate::config::env_example());
    let listed = Machine::new().json(&["settings"]);
    assert_eq!(listed[0]["name"], "DATABASE_URL");
}

#[test]
fn tables_are_made_and_taken_back() {
    let machine = Machine::new();
    assert!(machine.done(&["migrate"]).contains("up to date"));
    assert!(machine.done(&["migrate", "up"]).contains("already"));
    let status = machine.json(&["migrate", "status"]);
    assert_eq!(status["pending"], serde_json::json!([]));
    assert!(machine.refused(2, &["migrate", "down"]).contains("--yes"));
    for (answer, code) in [("no", 4), ("yes", 0)] {
        assert_eq!(machine.run(&["migrate", "status"]).code, 0, "nothing was taken back unasked");
        let person = super::Typist { lines: vec![answer], input: "" };
        assert_eq!(machine.run_with(&["migrate", "down"], person, &[]).code, code);
    }
    assert_eq!(machine.run(&["migrate", "status"]).code, 1, "something is pending");
    machine.done(&["migrate"]);
    machine.done(&["migrate", "down", "--yes"]);
    assert_eq!(machine.run(&["migrate", "status"]).code, 1, "something is pending");
    assert!(machine.refused(1, &["user", "list"]).contains("knoxide migrate"));
}
