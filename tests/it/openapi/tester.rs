//! An API tester makes up requests from the document and judges the replies: schemathesis, with all of its checks.
//!
//! `scripts/test` installs it below `target/schemathesis` and runs these tests for a minute; `scripts/soak openapi` runs
//! them for longer. `tests/schemathesis` has its configuration.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::app::Backend;
use crate::harness::program::{PASSWORD, Program, Running};
use crate::harness::{fixture, number};

/// What to test, and how to log in there.
struct Target {
    /// The folder of the results, and the name of the configuration.
    name: &'static str,
    base: String,
    login: &'static str,
    keyword: &'static str,
    user: &'static str,
}

fn installed(program: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/schemathesis/venv/bin").join(program)
}

/// A server on SQLite with the administrator `tester`, whose number nobody guesses, so that no request that is made up
/// changes the account.
fn server() -> (Program, Running) {
    let program = Program::on(Backend::Sqlite)
        .set("KNOXIDE_ADMIN_LISTEN", "127.0.0.1:0")
        // Wrong passwords that are made up would lock the tester out.
        .set("KNOXIDE_THROTTLE", "false");
    let users = r#"{"format":1,"users":[{"id":7290114835,"username":"tester","email":"tester@example.com","is_superuser":true}]}"#;
    program.write("users.json", users);
    assert_eq!(program.run(&["migrate"]).code, Some(0));
    program.json(&["import", "users.json"]);
    let done = program.run_with(&["user", "set-password", "tester", "--password-stdin"], PASSWORD);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let running = program.start();
    (program, running)
}

/// Runs the tester for so many seconds.
fn test(target: &Target, folder: &std::path::Path, seconds: u64) {
    let document = format!("{}/openapi.json", target.base);
    let valid = Command::new(installed("python")).args(["-c", VALIDATE, &document]).status().expect("the validator");
    assert!(valid.success(), "{document} is no OpenAPI 3.1");
    let config = fixture::path("schemathesis").join(format!("{}.toml", target.name));
    let run = |arguments: &[&str]| {
        let mut command = Command::new(installed("schemathesis"));
        command.arg("--config-file").arg(&config).args(arguments).arg(&document);
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            .env("SCHEMATHESIS_HOOKS", fixture::path("schemathesis/hooks.py"));
        command.env("BASE", &target.base).env("LOGIN", target.login).env("KEYWORD", target.keyword);
        command.env("NAME", target.user).env("PASSWORD", PASSWORD).env("NO_PROXY", "127.0.0.1");
        let status = command.status().expect("schemathesis");
        assert!(status.success(), "{} {arguments:?}: {status}", target.name);
    };
    run(&["run"]);
    run(&["fuzz", "--max-time", &seconds.to_string()]);
}

/// Whether a document is OpenAPI 3.1, by another library.
const VALIDATE: &str = "\
import json, sys, urllib.request
from openapi_spec_validator import validate
validate(json.load(urllib.request.urlopen(sys.argv[1])))";

#[test]
#[ignore = "scripts/test and scripts/soak run it"]
fn a_tester_finds_nothing_that_the_document_does_not_have() {
    let seconds = number("KNOXIDE_OPENAPI_SECONDS").unwrap_or(60);
    let (program, running) = server();
    let line = running.wait_for("listening for administrators");
    let of_administrators = line.split_once("address=").expect("an address");
    let targets = [
        Target {
            name: "public",
            base: format!("http://{}", running.address()),
            login: "/auth/login/",
            keyword: "Token",
            user: "tester",
        },
        Target {
            name: "admin",
            base: format!("http://{}", of_administrators.1),
            login: "/admin/api/login/",
            keyword: "Bearer",
            user: "tester",
        },
    ];
    for target in &targets {
        test(target, program.folder(), seconds / 4);
    }
    running.stop();
}
