//! PgBouncer in front of a Postgres server.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::program::tool;
use super::setting;

/// Longer than a start takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What happens to a client's prepared statements when the client is given another server process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statements {
    /// They are lost, as in all versions before 1.21.
    Forgotten,
    /// They are prepared there too, as versions from 1.21 on can do; or, in session mode, the process never changes.
    Known,
}

/// A running pooler, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct PgBouncer {
    process: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl PgBouncer {
    /// A pooler in front of `server`; `mode` is one of its pool modes. `None` if no suitable version is installed.
    pub(crate) fn before(server: SocketAddr, mode: &str, statements: Statements) -> Option<Self> {
        let program = program()?;
        let prepared = match (statements, version(&program) >= [1, 21]) {
            (Statements::Forgotten, false) => "",
            (Statements::Forgotten, true) => "max_prepared_statements = 0\n",
            (Statements::Known, true) => "max_prepared_statements = 200\n",
            (Statements::Known, false) if mode == "session" => "",
            (Statements::Known, false) => return None,
        };
        // Another process may take the port after it was chosen.
        let started = (0..5).find_map(|_| Self::try_at(&program, server, mode, prepared));
        Some(started.expect("PgBouncer starts; its messages are above"))
    }

    fn try_at(program: &Path, server: SocketAddr, mode: &str, more: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("a port").port();
        let at = folder.path();
        fs::write(at.join("users.txt"), "\"postgres\" \"\"\n").expect("a file");
        let settings = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = {mode}\nmax_client_conn = 200\n\
             default_pool_size = 40\nserver_login_retry = 0.2\nserver_connect_timeout = 2\n{more}",
            server.ip(),
            server.port(),
            at.join("users.txt").display(),
        );
        let file = at.join("pgbouncer.ini");
        fs::write(&file, settings).expect("a file");
        let mut command = Command::new(program);
        if tool("id", &["-u"]).trim() == "0" {
            // PgBouncer refuses to run as root, and its user must be able to read these files.
            tool("chmod", &["-R", "a+rX", &at.display().to_string()]);
            command.args(["-u", "nobody"]);
        }
        command.arg("-q").arg(&file).stdin(Stdio::null()).stdout(Stdio::null());
        let mut process = command.spawn().expect("a process");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let started = Instant::now();
        while started.elapsed() < PATIENCE && matches!(process.try_wait(), Ok(None)) {
            if TcpStream::connect(address).is_ok() {
                return Some(Self { process, address, folder });
            }
            thread::sleep(Duration::from_millis(5));
        }
        process.kill().ok();
        process.wait().ok();
        None
    }

    /// The address at which it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        debug_assert!(self.folder.path().exists(), "its files outlive it");
    }
}

/// Debian installs it outside the PATH of ordinary users.
fn program() -> Option<PathBuf> {
    let path = setting("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("pgbouncer")).find(|program| program.exists())
}

/// Its version, such as 1.18; 0 if unknown.
fn version(program: &Path) -> [u32; 2] {
    let printed = tool(&program.display().to_string(), &["--version"]);
    let numbers = printed.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let mut numbers = numbers.unwrap_or_default().split('.').map(|number| number.parse().unwrap_or(0));
    [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)]
}
