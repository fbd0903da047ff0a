//! Other services verify our access tokens offline with independent libraries, using the published keys or the shared
//! secret.
//!
//! `scripts/test` installs the libraries below `target/offline`. Without it, these tests report that they did not run;
//! in CI they fail.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use knoxide::domain::dialect::Dialect;
use knoxide::domain::jwt::Algorithm;
use knoxide::domain::time::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::harness::app::{App, Backend, Database, Setup, jwt};
use crate::harness::dialects::Speech;
use crate::harness::{fixture, setting};

const SECRET: &str = "a secret of more than 32 bytes, \u{fc}n\u{ef}c\u{f6}de as well";

/// A program that verifies tokens.
#[derive(Debug, Clone, Copy)]
enum Verifier {
    /// `PyJWT`.
    Python,
    /// jose, in Node.
    JavaScript,
}

impl Verifier {
    const ALL: [Self; 2] = [Self::Python, Self::JavaScript];

    /// The claims of a token that is good, or else why it is not.
    fn verify(self, asked: &Value) -> Result<Value, String> {
        let installed = installed();
        let mut command = match self {
            Self::Python => {
                let mut command = Command::new(installed.join("venv/bin/python"));
                command.arg(fixture::path("offline/verify.py"));
                command
            }
            Self::JavaScript => {
                // A script read from standard input finds its packages in the working directory.
                let script = File::open(fixture::path("offline/verify.mjs")).expect("the script");
                let mut command = Command::new("node");
                command.args(["--input-type=module", "-"]).current_dir(&installed).stdin(script);
                command
            }
        };
        let command = command.env("ASKED", asked.to_string()).env("NO_PROXY", "127.0.0.1").stderr(Stdio::piped());
        let output = command.output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            return Ok(serde_json::from_slice(&output.stdout).expect("claims"));
        }
        assert!(said.starts_with("refused: "), "{self:?}: {said}");
        Err(said)
    }
}

fn installed() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/offline")
}

/// Whether the libraries are installed.
fn can_run() -> bool {
    let there = ["venv/installed", "node_modules/installed"].iter().all(|mark| installed().join(mark).exists());
    assert!(there || setting("CI").is_none_or(|ci| ci != "true"), "scripts/test installs what offline.rs needs");
    if !there {
        eprintln!("NOT RUN: offline verification, whose libraries scripts/test installs");
    }
    there
}

/// A server that signs with `algorithm` and uses the real time, because verifiers use their own clock.
fn server(algorithm: Algorithm) -> App {
    let setup = Setup { jwt: jwt(algorithm, Some(SECRET)), ..Setup::default() };
    let app = App::on(Database::migrated(Backend::Sqlite), setup);
    app.clock.set(SystemClock.now());
    app.add_user("alice", "correct horse");
    app
}

/// The same token with a different user in its claims.
fn forge(token: &str) -> String {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    let parts: Vec<&str> = token.split('.').collect();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(parts[1]).expect("base64");
    let claims = String::from_utf8(claims).expect("UTF-8").replace("\"user_id\":1", "\"user_id\":2");
    format!("{}.{}.{}", parts[0], BASE64_URL_SAFE_NO_PAD.encode(claims), parts[2])
}

fn verified_by_others(algorithm: Algorithm) {
    if !can_run() {
        return;
    }
    let app = server(algorithm);
    for dialect in [Dialect::Simplejwt, Dialect::Djoser] {
        let token = Speech::of(dialect).login(&mut app.client(), "alice", "correct horse").access;
        let now = app.clock.now().as_seconds();
        let mut asked = json!({ "token": token, "algorithm": algorithm.as_str() });
        if algorithm == Algorithm::Hs256 {
            asked["secret"] = json!(SECRET);
        } else {
            asked["jwks"] = json!(format!("http://{}/.well-known/jwks.json", app.address));
        }
        for verifier in Verifier::ALL {
            let claims = verifier.verify(&asked).unwrap_or_else(|said| panic!("{verifier:?}, {dialect:?}: {said}"));
            let jti = claims["jti"].as_str().expect("a jti");
            assert!(jti.len() == 32 && jti.bytes().all(|byte| byte.is_ascii_hexdigit()), "{jti}");
            let expected = json!({ "token_type": "access", "exp": now + 300, "iat": now, "jti": jti, "user_id": 1 });
            assert_eq!(claims, expected, "{verifier:?}, {dialect:?}");
            let mut forged = asked.clone();
            forged["token"] = json!(forge(&token));
            assert!(verifier.verify(&forged).is_err(), "{verifier:?} verifies the signature");
        }
    }
}

#[test]
fn eddsa_from_the_published_keys() {
    verified_by_others(Algorithm::EdDsa);
}

#[test]
fn rs256_from_the_published_keys() {
    verified_by_others(Algorithm::Rs256);
}

#[test]
fn hs256_with_the_secret() {
    verified_by_others(Algorithm::Hs256);
}
