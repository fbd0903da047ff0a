//! An API tester makes up requests from the document and judges the replies: schemathesis, with all of its checks.
//!
//! `scripts/test` installs it below `target/schemathesis` and runs this for a minute; `scripts/soak openapi` runs it
//! for longer. `tests/schemathesis` has its configuration.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::app::Backend;
use crate::harness::program::{PASSWORD, Program, Running};
use crate::harness::{fixture, number};

/// The number of the tester's account, which nobody guesses: so no request that is made up changes it.
const TESTER: &str = "7290114835";

/// Whether a document is OpenAPI 3.1, by another library.
const VALIDATE: &str = "\
import json, sys, urllib.request
from openapi_spec_validator import validate
validate(json.load(urllib.request.urlopen(sys.argv[1])))";

/// What to test, and how to log in there.
struct Target {
    /// The name of the configuration.
    name: &'static str,
    base: String,
    login: &'static str,
    keyword: &'static str,
    /// The token of a script.
    script: String,
}

fn installed(program: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/schemathesis/venv/bin").join(program)
}

/// A server on SQLite with the administrator `tester`, and a token for a script of theirs.
fn server() -> (Program, Running, String) {
    let program = Program::on(Backend::Sqlite)
        .set("KNOXIDE_ADMIN_LISTEN", "127.0.0.1:0")
        .set("KNOXIDE_PUBLIC_URL", "https://auth.example.com")
        // Wrong passwords that are made up would lock the tester out.
        .set("KNOXIDE_THROTTLE", "false");
    let users = format!(
        r#"{{"format":1,"users":[{{"id":{TESTER},"username":"tester","email":"tester@example.com","is_superuser":true}}]}}"#
    );
    program.write("users.json", &users);
    assert_eq!(program.run(&["migrate"]).code, Some(0));
    program.json(&["import", "users.json"]);
    let done = program.run_with(&["user", "passwd", "tester", "--password-stdin"], PASSWORD);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let script = program.json(&["token", "create", "tester", "--name", "tester", "--admin", "--ttl", "1d"]);
    let running = program.start();
    (program, running, script["token"].as_str().expect("a token").to_owned())
}

impl Target {
    fn document(&self) -> String {
        format!("{}/openapi.json", self.base)
    }

    fn validate(&self) {
        let valid = Command::new(installed("python")).args(["-c", VALIDATE, &self.document()]).status();
        assert!(valid.expect("the validator").success(), "{} is no OpenAPI 3.1", self.document());
    }

    fn test(&self, folder: &Path, arguments: &[&str]) {
        let mut command = Command::new(installed("schemathesis"));
        command.arg("--config-file").arg(fixture::path("schemathesis").join(format!("{}.toml", self.name)));
        command.arg("run").args(arguments).arg(self.document()).current_dir(folder).stdin(Stdio::null());
        let environment = [
            ("BASE", self.base.as_str()),
            ("LOGIN", self.login),
            ("KEYWORD", self.keyword),
            ("SCRIPT", self.script.as_str()),
            ("NAME", "tester"),
            ("PASSWORD", PASSWORD),
            ("TESTER", TESTER),
            ("NO_PROXY", "127.0.0.1"),
        ];
        command.env("SCHEMATHESIS_HOOKS", fixture::path("schemathesis/hooks.py")).envs(environment);
        let output = command.output().expect("schemathesis");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}{}", self.name, String::from_utf8_lossy(&output.stderr));
        let cases = said.lines().find(|line| line.contains(" generated, ")).unwrap_or("no cases");
        println!("{}: {}", self.name, cases.trim());
    }
}

#[test]
#[ignore = "scripts/test and scripts/soak run it"]
fn a_tester_finds_nothing_that_the_document_does_not_have() {
    let (began, budget) = (Instant::now(), Duration::from_secs(number("KNOXIDE_OPENAPI_SECONDS").unwrap_or(60)));
    let (program, running, script) = server();
    let line = running.wait_for("listening for administrators");
    let (_, of_administrators) = line.split_once("address=").expect("an address");
    let public = format!("http://{}", running.address());
    let targets = [
        Target { name: "public", base: public, login: "/auth/login/", keyword: "Token", script: script.clone() },
        Target {
            name: "admin",
            base: format!("http://{of_administrators}"),
            login: "/admin/api/login/",
            keyword: "Bearer",
            script,
        },
    ];
    for target in &targets {
        target.validate();
        // Each field at its bounds and beyond, each method that is not there, each of its checks once.
        target.test(program.folder(), &["--max-examples", "3"]);
    }
    // Then whatever it makes up, as long as there is time, from another seed each time.
    for target in targets.iter().cycle() {
        if began.elapsed() >= budget {
            break;
        }
        target.test(program.folder(), &["--phases", "fuzzing,stateful", "--max-examples", "10"]);
    }
    running.stop();
}
