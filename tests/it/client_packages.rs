//! The clients in other languages (`clients/`), and generic introspection clients, against the real program.
//!
//! `scripts/test` installs what they need below `target/clients`. Without it these tests report that they did not run;
//! in CI they fail. Applications are set up and started as the README of each client says.

mod node;
mod python;
mod scenario;
mod site;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::app::Backend;
use crate::harness::program::{PASSWORD, Program, Running};
use crate::harness::setting;

/// The user of the tests.
const USER: &str = "Zo\u{eb}_\u{5c71}";

/// The root of the project.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The folder with the installed libraries and the tests' applications.
fn workshop() -> PathBuf {
    root().join("target/clients")
}

/// Whether the libraries are there.
fn can_run() -> bool {
    let there = ["venv/installed", "node_modules/installed"].iter().all(|mark| workshop().join(mark).exists());
    assert!(there || setting("CI").is_none_or(|ci| ci != "true"), "scripts/test installs what this needs");
    if !there {
        eprintln!("NOT RUN: the clients in other languages, whose libraries scripts/test installs");
    }
    there
}

/// An empty folder for an application, inside the workshop, so that Node finds the libraries.
fn new_folder(name: &str) -> PathBuf {
    let folder = workshop().join("apps").join(name);
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// The block of code that follows `place` in a README.
fn code_after(readme: &Path, place: &str) -> String {
    let text = fs::read_to_string(readme).expect("a README");
    let (_, rest) = text.split_once(place).unwrap_or_else(|| panic!("{}: no {place:?}", readme.display()));
    let (_, rest) = rest.split_once("```").expect("a block of code");
    let (block, _) = rest.split_once("```").expect("the end of a block");
    let (_language, code) = block.split_once('\n').expect("code");
    code.to_owned()
}

/// The text with its only occurrence of `old` replaced.
fn replaced(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old}");
    text.replace(old, new)
}

/// Runs a program that must succeed, and returns what it printed.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}:\n{out}{err}");
    out.into_owned()
}

/// A running Knoxide with a user and a registered client. It listens on a port, and on a Unix socket that stays the
/// same after a restart.
struct Knoxide {
    program: Program,
    running: Option<Running>,
    client_id: String,
    secret: String,
}

impl Knoxide {
    fn start(backend: Backend) -> Self {
        let program = Program::on(backend).with_admin();
        let listen = format!("127.0.0.1:0,unix:{}", program.folder().join("knoxide.sock").display());
        let program = program.set("KNOXIDE_LISTEN", &listen);
        let running = program.start();
        program.add_user(USER, PASSWORD);
        let client = program.json(&["client", "add", "notes", "--rights", "introspect,batch,revoke"]);
        let text = |name: &str| client[name].as_str().expect(name).to_owned();
        let (client_id, secret) = (text("id"), text("secret"));
        Self { program, running: Some(running), client_id, secret }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// The URL over TCP, valid until a restart.
    fn url(&self) -> String {
        format!("http://{}", self.running().address())
    }

    /// The URL over the Unix socket.
    fn socket_url(&self) -> String {
        format!("unix:{}", self.program.folder().join("knoxide.sock").display())
    }

    /// The variables that the clients read.
    fn environment(&self, url: &str) -> [(&'static str, String); 3] {
        [
            ("KNOXIDE_URL", url.to_owned()),
            ("KNOXIDE_CLIENT_ID", self.client_id.clone()),
            ("KNOXIDE_CLIENT_SECRET", self.secret.clone()),
        ]
    }

    /// The variables of the clients' own tests.
    fn prepare(&self, tests: &mut Command) {
        tests.envs(self.environment(&self.url())).env("KNOXIDE_TEST_SOCKET", self.socket_url());
        tests.env("KNOXIDE_TEST_USER", USER).env("KNOXIDE_TEST_PASSWORD", PASSWORD);
    }

    /// A file with the secret, as the READMEs suggest.
    fn write_secret(&self, folder: &Path) {
        fs::write(folder.join("knoxide-secret"), format!("{}\n", self.secret)).expect("a file");
    }

    fn login(&self) -> String {
        self.running().client().login(USER, PASSWORD)
    }

    fn logout(&self, token: &str) {
        assert_eq!(self.running().client().logout(token), 200);
    }

    fn stop(&mut self) {
        self.running.take().expect("it runs").stop();
    }

    fn start_again(&mut self) {
        self.running = Some(self.program.start());
    }
}
