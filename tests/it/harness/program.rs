//! The program itself, as a separate process: run, started and stopped.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::app::{Backend, Client, Database};
use super::wire::Wire;

/// Longer than any operation takes on a busy machine; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_knoxide");

/// A password that the rules accept.
pub(crate) const PASSWORD: &str = "correct-horse-9";

/// A folder, settings, and a database that is removed at the end.
pub(crate) struct Program {
    folder: tempfile::TempDir,
    settings: Vec<(String, String)>,
    _database: Option<Database>,
}

impl Program {
    /// In an empty folder with an empty database: on SQLite the default one, on Postgres with one variable set. It
    /// listens on any free port, and hashing is as cheap as the program allows.
    pub(crate) fn on(backend: Backend) -> Self {
        let program = Self::bare().set("KNOXIDE_LISTEN", "127.0.0.1:0").set("KNOXIDE_ADMIN_LISTEN", "off");
        let program = program.set("KNOXIDE_BCRYPT_COST", "10");
        match backend {
            Backend::Sqlite => program,
            #[cfg(feature = "postgres")]
            Backend::Postgres => {
                let database = Database::empty(backend);
                let program = program.set("DATABASE_URL", &database.url);
                Self { _database: Some(database), ..program }
            }
        }
    }

    /// In an empty folder, without any setting.
    pub(crate) fn bare() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, settings: Vec::new(), _database: None }
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self = self.unset(name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Removes a variable from its environment.
    #[must_use]
    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.settings.retain(|(other, _)| other != name);
        self
    }

    /// The first user's password is [`PASSWORD`].
    #[must_use]
    pub(crate) fn with_admin(self) -> Self {
        self.set("KNOXIDE_ADMIN_PASSWORD", PASSWORD)
    }

    /// Its working directory.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file that only its owner can read.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.folder().join(name);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).expect("a file");
        file.write_all(text.as_bytes()).expect("a written file");
        path.display().to_string()
    }

    /// Its environment, for tests that start it differently.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The command that starts it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments);
        self.prepare(&mut command);
        command
    }

    /// Gives a command the program's folder and environment, and no standard input.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command.current_dir(self.folder()).env_clear().envs(self.environment());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        self.run_with(arguments, "")
    }

    /// Runs a command to its end, with this on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Done {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("a process");
        // The program may end without reading its input.
        child.stdin.take().expect("an input").write_all(input.as_bytes()).ok();
        let output = child.wait_with_output().expect("a process that ends");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Done { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Runs a command that must succeed, and parses its output as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let done = self.run(&[&["--json"], arguments].concat());
        assert_eq!(done.code, Some(0), "{arguments:?}: {}", done.err);
        serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{arguments:?}: {}", done.out))
    }

    /// Adds a user with this password.
    pub(crate) fn add_user(&self, name: &str, password: &str) {
        let done = self.run_with(&["user", "add", name, "--password-stdin"], password);
        assert_eq!(done.code, Some(0), "{}", done.err);
    }

    /// Starts the server, and returns when it accepts requests.
    pub(crate) fn start(&self) -> Running {
        self.start_with(&[])
    }

    /// The same, with more arguments.
    pub(crate) fn start_with(&self, arguments: &[&str]) -> Running {
        Running::of(&mut self.command(arguments))
    }
}

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A running server, killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    log: Arc<Log>,
    /// The addresses in the log.
    pub(crate) addresses: Vec<String>,
}

impl Running {
    /// Starts a server, and returns when it accepts requests.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("a process");
        let log = Log::read(child.stderr.take().expect("a log"));
        let mut running = Self { child, log, addresses: Vec::new() };
        // The log has all addresses first, then actix's message about the start.
        running.wait_for("starting service");
        let lines = running.log_lines();
        let told = lines.iter().filter_map(|line| line.split_once(": listening address="));
        running.addresses = told.map(|(_, address)| address.to_owned()).collect();
        running
    }

    /// Its first TCP address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses.iter().find_map(|address| address.parse().ok()).expect("a TCP address")
    }

    /// A connection to it.
    pub(crate) fn wire(&self) -> Wire {
        Wire::connect(self.address()).expect("a connection")
    }

    /// A new client, with its own connection.
    pub(crate) fn client(&self) -> Client {
        Client { wire: self.wire() }
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub(crate) fn log_lines(&self) -> Vec<String> {
        self.log.state.lock().expect("no panic").lines.clone()
    }

    /// Waits for a line of the log that contains `text`, and returns it.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let found = |state: &LogState| state.lines.iter().find(|line| line.contains(text)).cloned();
        let state = self.log.wait_until(|state| state.ended || found(state).is_some());
        found(&state).unwrap_or_else(|| panic!("no line with {text:?} in the log:\n{}", state.lines.join("\n")))
    }

    /// Its exit status, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a process")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a process that runs");
    }

    /// Waits for its end, and returns its exit status and all that it logged.
    pub(crate) fn end(&mut self) -> (ExitStatus, String) {
        let log = self.log.wait_until(|state| state.ended).lines.join("\n");
        (self.child.wait().expect("a status"), log)
    }

    /// Stops it normally, and returns all that it logged.
    pub(crate) fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let (status, log) = self.end();
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The lines of a log, read by a thread so that the program never waits for the test.
#[derive(Default)]
struct Log {
    state: Mutex<LogState>,
    grown: Condvar,
}

#[derive(Default, Clone)]
struct LogState {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    fn read(from: ChildStderr) -> Arc<Self> {
        let log = Arc::new(Self::default());
        let of_reader = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                of_reader.state.lock().expect("no panic").lines.push(String::from_utf8_lossy(&line).into_owned());
                of_reader.grown.notify_all();
            }
            of_reader.state.lock().expect("no panic").ended = true;
            of_reader.grown.notify_all();
        });
        log
    }

    fn wait_until(&self, done: impl Fn(&LogState) -> bool) -> LogState {
        let state = self.state.lock().expect("no panic");
        let (state, waited) = self.grown.wait_timeout_while(state, PATIENCE, |state| !done(state)).expect("no panic");
        assert!(!waited.timed_out(), "waited too long; the log so far:\n{}", state.lines.join("\n"));
        state.clone()
    }
}

/// Runs a system tool that the tests need, and returns what it printed.
pub(crate) fn tool(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(name).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{name}: {error}: the tests need it, scripts/test installs it"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name} {arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
