//! The command line as a shell sees it: arguments and an environment in; output, errors
//! and an exit code out.

mod clients;
mod doctor;
mod explain;
mod import;
mod keys;
mod mass_ends;
mod passwords;
mod sessions;
mod settings;
mod users;

use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::{Process, Terminal, run};
use crate::domain::random::SystemRandom;
use crate::domain::time::{ManualClock, Timestamp};
use crate::domain::user::Password;
use crate::store::diesel::{DieselStore, StoreOptions};
use crate::store::{Connection, Store};

/// 2023-11-14T22:13:20Z.
const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// A valid hash of an unknown password, so that none has to be computed.
const HASH: &str = "bcrypt_sha256$$2b$12$abcdefghijklmnopqrstuuJFAvXeB9BI1oCG6bVYcB5Oy/QCfrR4e";

/// A machine with a database of its own.
struct Machine {
    folder: TempDir,
    clock: ManualClock,
}

/// The result of a run.
#[derive(Debug)]
struct Ran {
    code: u8,
    out: String,
    err: String,
}

impl Ran {
    /// The JSON answer of a successful run, which may have created a database.
    fn json(&self) -> Value {
        let is_silent = self.err.is_empty() || self.err.starts_with("knoxide: there was no database, so a new one");
        assert!(self.code == 0 && is_silent, "{} {}", self.out, self.err);
        serde_json::from_str(&self.out).expect("JSON")
    }
}

/// A person who types these lines, if there are any, or a pipe that contains a text.
#[derive(Default)]
struct Typist {
    lines: Vec<&'static str>,
    input: &'static str,
}

impl Terminal for Typist {
    fn is_interactive(&self) -> bool {
        !self.lines.is_empty()
    }

    fn is_watched(&self) -> bool {
        false
    }

    fn ask_password(&mut self, _: &str) -> io::Result<Password> {
        Ok(Password::new(self.lines.remove(0).to_owned()))
    }

    fn confirm(&mut self, _: &str) -> io::Result<bool> {
        Ok(self.lines.remove(0) == "yes")
    }

    fn read_input(&mut self) -> io::Result<Zeroizing<String>> {
        Ok(Zeroizing::new(self.input.to_owned()))
    }

    fn read_bytes(&mut self) -> io::Result<Zeroizing<Vec<u8>>> {
        Ok(Zeroizing::new(self.input.as_bytes().to_vec()))
    }
}

impl Machine {
    fn new() -> Self {
        Self { folder: TempDir::new().expect("a folder"), clock: ManualClock::new(START) }
    }

    /// A machine whose database has the user alice, with number 1.
    fn with_alice() -> Self {
        let machine = Self::new();
        machine.done(&["user", "add", "alice", "--email", "a@example.org", "--password-hash", HASH]);
        machine
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.folder.path().join("knoxide.db").display())
    }

    /// Runs `knoxide` with these arguments, this person at the terminal, and this environment.
    fn run_with(&self, arguments: &[&str], mut typist: Typist, environment: &[(&str, &str)]) -> Ran {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let url = ("DATABASE_URL".into(), self.url().into());
        // No server listens there, whatever else runs on this machine.
        let listen = ("KNOXIDE_LISTEN".into(), "127.0.0.1:0".into());
        let pair = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
        let code = run(Process {
            arguments: ["knoxide"].iter().chain(arguments).map(OsString::from).collect(),
            environment: environment.iter().map(pair).chain([url, listen]).collect(),
            terminal: &mut typist,
            out: &mut out,
            err: &mut err,
            clock: Arc::new(self.clock.clone()),
            random: Arc::new(SystemRandom),
        });
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Ran { code, out: text(out), err: text(err) }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, Typist::default(), &[])
    }

    /// Runs a command that must succeed, and returns its output for people. It may report that it created a database.
    fn done(&self, arguments: &[&str]) -> String {
        let is_new = !self.folder.path().join("knoxide.db").exists();
        let ran = self.run(arguments);
        let is_silent = ran.err.is_empty() || is_new && ran.err.lines().count() == 1;
        assert!(ran.code == 0 && is_silent, "{arguments:?}: {} {}", ran.code, ran.err);
        ran.out
    }

    /// Runs a command that must fail with this code, and returns the error message.
    fn refused(&self, code: u8, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{}", ran.err);
        ran.err
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[&["--json"], arguments].concat()).json()
    }

    fn connection(&self) -> Box<dyn Connection> {
        self.store().connect().expect("a connection")
    }

    fn store(&self) -> DieselStore {
        DieselStore::open(&self.url(), StoreOptions::default()).expect("a store")
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}
