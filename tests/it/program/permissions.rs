//! Files that others can change or read are logged at the start and reported by the doctor.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use serde_json::Value;

use crate::harness::app::Backend;
use crate::harness::program::Program;

fn chmod(program: &Program, name: &str, mode: u32) {
    set_permissions(program.folder().join(name), Permissions::from_mode(mode)).expect("a mode");
}

/// The files that the start's log warns about.
fn warned_of(program: &Program) -> Vec<String> {
    let log = program.start().stop();
    let lines = log.lines().filter(|line| line.contains(" WARN ") && line.contains("mode="));
    let mut files: Vec<String> = lines
        .map(|line| {
            assert!(line.contains("chmod "), "{line}");
            let file = line.split_once("file=").expect("a file").1.split(' ').next().expect("a file");
            file.rsplit('/').next().expect("a name").to_owned()
        })
        .collect();
    files.sort();
    files
}

/// How serious each file is to the doctor.
fn found(program: &Program) -> Vec<String> {
    let done = program.run(&["--json", "doctor"]);
    let findings: Value = serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{}{}", done.out, done.err));
    let findings = findings.as_array().expect("a list").iter().filter(|finding| finding["weight"] != "fine");
    let lines: Vec<String> = findings.map(|finding| format!("{} {}", finding["weight"], finding["fact"])).collect();
    assert_eq!(done.code == Some(1), lines.iter().any(|line| line.contains("wrong")), "{lines:?}");
    lines
}

#[test]
fn what_everybody_can_change_is_said_at_the_start() {
    let program = Program::on(Backend::Sqlite).with_admin();
    program.write(".env", "KNOXIDE_LOG=info\n");
    chmod(&program, "", 0o700);
    program.json(&["migrate"]);
    let path = program.folder().join("knoxide.db").display().to_string();
    let mut connection = SqliteConnection::establish(&path).expect("a connection");
    connection.batch_execute("UPDATE schema_info SET version = version").expect("a write");
    assert_eq!(warned_of(&program), Vec::<String>::new());

    let folder = program.folder().file_name().expect("a name").to_string_lossy().into_owned();
    for (name, healthy, modes) in [
        (".env", 0o600, &[0o666, 0o602][..]),
        ("knoxide.db", 0o600, &[0o666, 0o606, 0o604]),
        ("knoxide.db-wal", 0o600, &[0o666, 0o604]),
        ("knoxide.db-shm", 0o600, &[0o666]),
        ("", 0o700, &[0o777, 0o1777]),
    ] {
        for mode in modes {
            chmod(&program, name, *mode);
            let expected = if name.is_empty() { &folder } else { name };
            assert_eq!(warned_of(&program), [expected], "{name} {mode:o}");
            let (command, facts) = (program.run(&["user", "list"]), found(&program));
            assert_eq!(command.code, Some(0), "a command says nothing of it: {}", command.err);
            assert!(facts.len() == 1 && facts[0].contains("wrong"), "{name} {mode:o}: {facts:?}");
            chmod(&program, name, healthy);
        }
    }
    assert_eq!(warned_of(&program), Vec::<String>::new());
}

#[test]
fn a_file_of_settings_is_judged_by_what_is_in_it() {
    let program = Program::on(Backend::Sqlite);
    program.json(&["migrate"]);
    chmod(&program, "", 0o700);
    for (text, mode, weight) in [
        ("KNOXIDE_LOG=info\n", 0o644, None),
        ("KNOXIDE_LOG=info\n", 0o664, Some("advice")),
        ("KNOXIDE_LOG=info\n", 0o646, Some("wrong")),
        ("KNOXIDE_ADMIN_PASSWORD=correct-horse-9\n", 0o644, Some("wrong")),
        ("KNOXIDE_ADMIN_PASSWORD=correct-horse-9\n", 0o640, None),
        ("KNOXIDE_ADMIN_PASSWORD=correct-horse-9\n", 0o600, None),
    ] {
        let file = program.write("other.env", text);
        chmod(&program, "other.env", mode);
        let done = program.run(&["--json", "--env-file", &file, "doctor"]);
        let findings: Value = serde_json::from_str(&done.out).expect("JSON");
        let findings = findings.as_array().expect("a list").iter().filter(|finding| finding["weight"] != "fine");
        let weights: Vec<&str> = findings.map(|finding| finding["weight"].as_str().expect("a weight")).collect();
        assert_eq!(weights, weight.into_iter().collect::<Vec<_>>(), "{mode:o} {text}: {}", done.out);
        assert!(!done.out.contains("correct-horse"), "{}", done.out);
        chmod(&program, "other.env", 0o600);
    }
}
