//! The doctor finds planted faults.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use serde_json::{Value, json};

use crate::harness::app::Backend;
use crate::harness::program::{PASSWORD, Program};

/// The subjects with faults, and the doctor's exit status.
fn wrong(program: &Program) -> (Option<i32>, Vec<String>) {
    let done = program.run(&["--json", "doctor"]);
    let findings: Value = serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{}{}", done.out, done.err));
    let findings = findings.as_array().expect("a list").iter();
    let wrong = findings.filter(|finding| finding["weight"] == "wrong");
    (done.code, wrong.map(|finding| finding["subject"].as_str().expect("a subject").to_owned()).collect())
}

fn found(subject: &str) -> (Option<i32>, Vec<String>) {
    (Some(1), vec![subject.to_owned()])
}

/// Changes the database without the program.
fn alter(program: &Program, sql: &str) {
    let path = program.folder().join("knoxide.db").display().to_string();
    SqliteConnection::establish(&path).expect("a connection").batch_execute(sql).expect(sql);
}

#[test]
fn what_does_not_answer_is_not_said_to_answer() {
    let program = Program::on(Backend::Sqlite);
    program.write("knoxide.db", &"this is no database, ".repeat(100));
    let there_is_no_server = "postgres://knoxide:hunter2@127.0.0.1:1/none";
    for url in ["sqlite:knoxide.db", there_is_no_server] {
        let done = program.run(&["doctor", "--database-url", url]);
        assert_eq!(done.code, Some(1), "{url}");
        assert!(done.out.contains("wrong   database") && !done.out.contains("answers"), "{}", done.out);
    }
}

#[test]
fn finds_what_was_planted_and_nothing_else() {
    let program = Program::on(Backend::Sqlite);
    let database = program.folder().join("knoxide.db");
    let healthy = (Some(0), Vec::new());
    assert_eq!(wrong(&program), found("database"));
    program.json(&["migrate"]);
    assert_eq!(wrong(&program), healthy);

    set_permissions(&database, Permissions::from_mode(0o644)).expect("a changed mode");
    assert_eq!(wrong(&program), found("file mode"));
    set_permissions(&database, Permissions::from_mode(0o600)).expect("a changed mode");
    // Companion files that a command may have left have the mode that the database had then.
    for companion in ["knoxide.db-wal", "knoxide.db-shm"] {
        set_permissions(program.folder().join(companion), Permissions::from_mode(0o600)).ok();
    }

    set_permissions(program.folder(), Permissions::from_mode(0o777)).expect("a changed mode");
    assert_eq!(wrong(&program), found("files"));
    set_permissions(program.folder(), Permissions::from_mode(0o700)).expect("a changed mode");

    let user = json!({ "id": 1, "username": "alice", "password_hash": "rot13$uryyb" });
    let file = program.write("users.json", &json!({ "format": 1, "users": [user] }).to_string());
    program.json(&["import", &file]);
    assert_eq!(wrong(&program), found("passwords"));
    program.json(&["user", "passwd", "alice", "--password-hash", "!"]);
    assert_eq!(wrong(&program), healthy);

    // The doctor reports this, and changes nothing.
    alter(&program, "PRAGMA journal_mode = DELETE");
    assert_eq!([wrong(&program), wrong(&program)], [found("journal_mode"), found("journal_mode")]);
    alter(&program, "PRAGMA journal_mode = WAL; UPDATE schema_info SET compatible_from = 99");
    assert_eq!(wrong(&program), found("schema"));
    alter(&program, "UPDATE schema_info SET compatible_from = 1");
    assert_eq!(wrong(&program), healthy);

    let program = program.set("KNOXIDE_WORKERS", "none");
    assert_eq!(wrong(&program), found("settings"));
    let program = program.set("KNOXIDE_WORKERS", "1");
    assert_eq!(program.run(&["migrate", "status"]).code, Some(0));
    program.json(&["migrate", "down", "--yes"]);
    assert_eq!(wrong(&program), found("pending migrations"));
    assert_eq!(program.run(&["migrate", "status"]).code, Some(1));
}

/// A private RSA key of 2,048 bits, as older releases generated them: PKCS #8 as PEM.
fn old_rsa_key() -> String {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use base64::Engine as _;

    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("DER");
    let base64 = base64::prelude::BASE64_STANDARD.encode(der.as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n")
}

#[test]
fn a_short_rsa_key_goes_on_signing_and_is_advised_against() {
    let program = Program::on(Backend::Sqlite).set("KNOXIDE_JWT_ALGORITHM", "RS256").with_admin();
    set_permissions(program.folder(), Permissions::from_mode(0o700)).expect("a changed mode");
    program.start().stop();
    let advice = || {
        let done = program.run(&["--json", "doctor"]);
        let findings: Value = serde_json::from_str(&done.out).expect("JSON");
        let findings = findings.as_array().expect("a list").iter().filter(|finding| finding["weight"] == "advice");
        (done.code, findings.map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(advice(), (Some(0), Vec::new()));
    let old = hex::encode(old_rsa_key());
    alter(&program, &format!("UPDATE signing_keys SET secret = X'{old}' WHERE algorithm = 'RS256'"));
    let (code, found) = advice();
    assert!(code == Some(0) && found.len() == 1 && found[0].contains("2048 bits"), "{found:?}");
    assert!(found[0].contains("knoxide key rotate RS256"), "{found:?}");
    let server = program.start();
    let token = server.client().login("admin", PASSWORD);
    assert_eq!(server.client().check(&token), 200);
    server.stop();
    program.json(&["key", "rotate", "RS256"]);
    assert_eq!(advice(), (Some(0), Vec::new()));
}
