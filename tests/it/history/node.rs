//! A node: a server in a separate process, which can be frozen, killed and started again.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use knoxide::config::{HttpSettings, ListenAddress};
use knoxide::server::Server;
use knoxide::service::{Auth, AuthBuilder};
use knoxide::store::diesel::{DieselStore, StoreOptions};
use rustix::process::{Pid, Signal, kill_process};

use super::gate::{Credentials, Gate, Manner};
use super::planted::{Bug, Planted};
use crate::harness::app::cheap_hasher;
use crate::harness::program::{Program, Running};
use crate::harness::setting;

/// Tells the child its database, its Unix socket, and its bug.
const SERVE: &str = "KNOXIDE_HISTORY_SERVE";
const SOCKET: &str = "KNOXIDE_HISTORY_SOCKET";
const BUG: &str = "KNOXIDE_HISTORY_BUG";

/// What the child prints before its address.
const LISTENING: &str = "listening on ";

/// Longer than a start takes, even while the database is unavailable for a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// The kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// This very program as a child process, which hashes passwords at bcrypt's lowest cost.
    Child(Option<Bug>),
    /// The program as it is shipped. It gets no logins, since each costs 70 ms of work.
    Shipped,
}

/// A running process.
enum Process {
    Child(std::process::Child),
    Shipped(Running),
}

impl Process {
    fn signal(&self, signal: Signal) {
        match self {
            Self::Child(child) => kill_process(Pid::from_child(child), signal).expect("a process that runs"),
            Self::Shipped(running) => running.signal(signal),
        }
    }
}

impl Process {
    fn ended(&mut self) -> Option<ExitStatus> {
        match self {
            Self::Child(child) => child.try_wait().expect("a child process"),
            Self::Shipped(running) => running.ended(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Self::Child(child) = self {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// A node, whose process ends when this is dropped.
pub(super) struct Node {
    url: String,
    kind: Kind,
    /// The folder of the Unix socket on which it also listens.
    folder: tempfile::TempDir,
    gate: Option<Gate>,
    process: Mutex<Option<Process>>,
    address: Mutex<SocketAddr>,
    /// Cautious clients avoid it: it is frozen, or about to be.
    is_shunned: AtomicBool,
}

impl Node {
    /// Starts it.
    pub(super) fn start(url: &str, kind: Kind) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let node = Self {
            url: url.to_owned(),
            kind,
            folder: tempfile::tempdir().expect("a folder"),
            gate: None,
            process: Mutex::new(None),
            address: Mutex::new(nowhere),
            is_shunned: AtomicBool::new(false),
        };
        node.restart();
        node
    }

    /// Puts an application in front of it, which checks for its clients.
    pub(super) fn put_behind_gate(&mut self, client: &Credentials, manner: Manner) {
        self.gate = Some(Gate::start(&self.socket(), client, manner));
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Starts it again after [`Node::kill`].
    pub(super) fn restart(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let started = match self.kind {
                Kind::Child(bug) => start_child(&self.url, &self.socket(), bug),
                Kind::Shipped => Some(start_shipped(&self.url, &self.socket())),
            };
            if let Some((process, address)) = started {
                *self.address.lock().expect("no panic") = address;
                *self.process.lock().expect("no panic") = Some(process);
                return;
            }
            assert!(Instant::now() < deadline, "a node does not start");
        }
    }

    /// Ends it with SIGKILL.
    pub(super) fn kill(&self) {
        self.assert_runs();
        drop(self.process.lock().expect("no panic").take());
    }

    /// Starts it again after [`Node::kill`], and kills it after this time, whatever it is doing by then.
    pub(super) fn kill_while_it_starts(&self, after: Duration) {
        let process = match self.kind {
            Kind::Child(bug) => Process::Child(spawn_child(&self.url, &self.socket(), bug)),
            Kind::Shipped => start_shipped(&self.url, &self.socket()).0,
        };
        // The time of the kill is what the test varies.
        std::thread::sleep(after);
        drop(process);
    }

    /// Requires that it has not ended by itself.
    pub(super) fn assert_runs(&self) {
        let mut process = self.process.lock().expect("no panic");
        let ended = process.as_mut().and_then(Process::ended);
        assert!(ended.is_none(), "a node ended by itself: {ended:?}");
    }

    /// Freezes it.
    pub(super) fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Undoes [`Node::stop`].
    pub(super) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        self.process.lock().expect("no panic").as_ref().expect("a process").signal(signal);
    }

    /// The address at which it listens, or did when it last ran.
    pub(super) fn address(&self) -> SocketAddr {
        *self.address.lock().expect("no panic")
    }

    /// The address for checks: that of its gate, if it has one.
    pub(super) fn address_of_checks(&self) -> SocketAddr {
        self.gate.as_ref().map_or_else(|| self.address(), |gate| gate.address)
    }

    /// Whether it takes logins.
    pub(super) fn takes_logins(&self) -> bool {
        self.kind != Kind::Shipped
    }

    pub(super) fn shun(&self, shunned: bool) {
        self.is_shunned.store(shunned, Ordering::SeqCst);
    }

    pub(super) fn is_shunned(&self) -> bool {
        self.is_shunned.load(Ordering::SeqCst)
    }
}

fn spawn_child(url: &str, socket: &Path, bug: Option<Bug>) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "history::node::the_node_serves", "--nocapture"]).env(SERVE, url);
    command.env(SOCKET, socket);
    command.env(BUG, bug.map_or("", Bug::as_str));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("a child process")
}

/// `None` if it ends before it listens, for example when the database is unavailable.
fn start_child(url: &str, socket: &Path, bug: Option<Bug>) -> Option<(Process, SocketAddr)> {
    let mut child = spawn_child(url, socket, bug);
    let mut output = BufReader::new(child.stdout.take().expect("a pipe, asked for once"));
    let mut lines = output.by_ref().lines().map_while(Result::ok);
    let said = lines.find_map(|line| Some(line.strip_prefix(LISTENING)?.to_owned()));
    // Kept open, since the child may print more.
    child.stdout = Some(output.into_inner());
    Some((Process::Child(child), said?.parse().expect("an address")))
}

fn start_shipped(url: &str, socket: &Path) -> (Process, SocketAddr) {
    let program = Program::bare()
        .set("KNOXIDE_LISTEN", &format!("127.0.0.1:0,unix:{}", socket.display()))
        .set("KNOXIDE_ADMIN_LISTEN", "off")
        .set("DATABASE_URL", url)
        .set("KNOXIDE_BCRYPT_COST", "10")
        .set("KNOXIDE_WORKERS", "2")
        .set("KNOXIDE_LOG", "error,actix_server=info,knoxide::cli::serve=info");
    let running = program.start();
    let address = running.address();
    (Process::Shipped(running), address)
}

/// Ends this process, a child of the test, when its parent ends.
pub(super) fn end_with_parent() {
    std::thread::spawn(|| {
        // The parent never writes, so this returns when it ends.
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(0);
    });
}

/// Not a test by itself: the child process, which is this very program, runs this.
#[test]
fn the_node_serves() {
    let Some(url) = setting(SERVE) else { return };
    end_with_parent();
    let store = Arc::new(DieselStore::open(&url, StoreOptions::default()).expect("a store"));
    drop(knoxide::store::Store::connect(&store).expect("a database"));
    let keeper = Arc::clone(&store);
    std::thread::spawn(move || {
        // As the program does, but more often.
        loop {
            keeper.keep_reserve().ok();
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    let builder = match setting(BUG) {
        None => Auth::builder(store),
        Some(name) => Auth::builder(Planted::in_store(store, Bug::named(&name))),
    };
    serve(builder);
}

fn serve(builder: AuthBuilder) {
    let auth = builder.hasher(cheap_hasher()).password_threads(1).build().expect("a service");
    let socket = setting(SOCKET).expect("a path");
    let listen =
        vec![ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))), ListenAddress::Unix(PathBuf::from(socket))];
    // Two workers, each with a cache of its own.
    let http = HttpSettings { listen, workers: 2, ..HttpSettings::default() };
    actix_web::rt::System::new().block_on(async move {
        let server = Server::bind(&http, auth).expect("a bound server");
        println!("\n{LISTENING}{}", server.tcp_address().expect("an address"));
        server.run().await.expect("a server that runs");
    });
}
