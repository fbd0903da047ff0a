//! A private Postgres server that can be frozen, killed and started again.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use diesel::Connection;
use diesel::pg::PgConnection;

use crate::harness::setting;

/// How long a server may take to start or stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// With less free space than this, `/dev/shm` is not used.
const ROOM_MIB: u64 = 512;

/// Waits for the end of its standard input, that is, of the process that started it, however that ends; then stops the
/// server in directory `$1` and removes the directory.
const WATCHDOG: &str = r#"
read -r _
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$1/data" ]; then
    kill -CONT "$pid"; kill -QUIT "$pid"
    for _ in $(seq 200); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
fi
rm -rf "$1"
"#;

/// A server with its own data directory. The server and its data are removed when this is dropped or this process ends.
#[derive(Debug)]
pub(crate) struct Cluster {
    directory: PathBuf,
    programs: Programs,
    port: u16,
    server: Option<Child>,
    watchdog: Child,
    /// The locale of its messages, if it is not "C".
    language: Option<&'static str>,
}

impl Cluster {
    /// Creates and starts a server, with its files in memory if there is enough of it.
    ///
    /// # Errors
    /// When Postgres is not installed or does not start; the error says why.
    pub(crate) fn start() -> Result<Self, String> {
        let memory = Path::new("/dev/shm");
        let base = if free_mib(memory) >= ROOM_MIB { memory.to_owned() } else { std::env::temp_dir() };
        Self::start_in(&base)
    }

    /// As [`Cluster::start`], with its files in `base`, which its user must be able to enter.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn start_in(base: &Path) -> Result<Self, String> {
        Self::start_with(base, None)
    }

    /// As [`Cluster::start`], with messages in another language, such as `de_DE`. The locale is built in the server's
    /// own directory, so it need not be installed.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn speaking(language: &'static str) -> Result<Self, String> {
        Self::start_with(&std::env::temp_dir(), Some(language))
    }

    fn start_with(base: &Path, language: Option<&'static str>) -> Result<Self, String> {
        let programs = Programs::find()?;
        let directory = programs.new_directory(base).map_err(|error| format!("no directory for Postgres: {error}"))?;
        let watchdog = watch(&directory).map_err(|error| format!("no watchdog for Postgres: {error}"))?;
        let mut cluster = Self { directory, programs, port: 0, server: None, watchdog, language };
        cluster.initialise()?;
        cluster.make_locale()?;
        // Another process may take the port after it was chosen.
        let mut outcome = Err(String::new());
        for _ in 0..5 {
            cluster.port = free_port().map_err(|error| format!("no free port: {error}"))?;
            outcome = cluster.resume();
            if outcome.is_ok() {
                break;
            }
        }
        outcome.map(|()| cluster)
    }

    /// The superuser's URL of the database `postgres`.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The directory of its data, its log and its socket.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The address at which it listens, for a proxy in front of it.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Freezes all its processes; connections stay open and silent.
    pub(crate) fn freeze(&self) {
        self.stop_parent();
        signal("STOP", &self.processes());
    }

    /// Undoes [`Cluster::freeze`].
    pub(crate) fn thaw(&self) {
        signal("CONT", &self.processes());
    }

    /// Kills all its processes at once: a crash that it has to recover from.
    pub(crate) fn kill(&mut self) {
        // While frozen, no process notices the death of another.
        self.freeze();
        let processes = self.processes();
        signal("KILL", &processes);
        self.wait();
        // The server cannot start again while one of them still holds the shared memory.
        let deadline = Instant::now() + PATIENCE;
        while processes.iter().any(|process| is_alive(*process)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Shuts it down cleanly, ending open connections.
    pub(crate) fn stop(&mut self) {
        if let Some(server) = &self.server {
            signal("INT", &[server.id()]);
        }
        self.wait();
    }

    /// Starts it again with the same data and port, after [`Cluster::kill`] or [`Cluster::stop`]; returns when it
    /// answers.
    ///
    /// # Errors
    /// When it does not start; the error contains its log.
    pub(crate) fn resume(&mut self) -> Result<(), String> {
        let log = self.directory.join("log");
        let output = File::options().create(true).append(true).open(&log).map_err(|error| error.to_string())?;
        let errors = output.try_clone().map_err(|error| error.to_string())?;
        let mut command = self.programs.command("postgres");
        command.arg("-D").arg(self.directory.join("data"));
        let sockets = format!("unix_socket_directories={}", self.directory.display());
        let port = format!("port={}", self.port);
        for option in ["listen_addresses=127.0.0.1", &port, &sockets, "max_connections=300", "fsync=on"] {
            command.args(["-c", option]);
        }
        if let Some(language) = self.language {
            command.env("LOCPATH", &self.directory).args(["-c", &format!("lc_messages={language}.UTF-8")]);
        }
        // A separate process group: Ctrl-C at the terminal is meant for the tests, and the watchdog then stops the
        // server.
        command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let server = self.server.insert(command.spawn().map_err(|error| format!("postgres: {error}"))?);
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres?connect_timeout=5", self.port);
        let started = Instant::now();
        while PgConnection::establish(&url).is_err() {
            let has_ended = !matches!(server.try_wait(), Ok(None));
            if has_ended || started.elapsed() > PATIENCE {
                return Err(format!("Postgres does not start: {}", fs::read_to_string(&log).unwrap_or_default()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn initialise(&self) -> Result<(), String> {
        let mut command = self.programs.command("initdb");
        command.arg("-D").arg(self.directory.join("data"));
        command.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]);
        let done = command.current_dir("/").output().map_err(|error| format!("initdb: {error}"))?;
        if done.status.success() { Ok(()) } else { Err(format!("initdb: {}", String::from_utf8_lossy(&done.stderr))) }
    }

    fn make_locale(&self) -> Result<(), String> {
        let Some(language) = self.language else { return Ok(()) };
        let mut command = Command::new("localedef");
        command.args(["-i", language, "-f", "UTF-8"]).arg(self.directory.join(format!("{language}.UTF-8")));
        let done = command.output().map_err(|error| format!("localedef: {error}"))?;
        if done.status.success() {
            Ok(())
        } else {
            Err(format!("localedef: {}", String::from_utf8_lossy(&done.stderr)))
        }
    }

    /// Freezes only the parent, so that it starts no more children.
    fn stop_parent(&self) {
        let Some(server) = &self.server else { return };
        signal("STOP", &[server.id()]);
        let deadline = Instant::now() + PATIENCE;
        while state_of(server.id()).is_some_and(|state| state != "T") && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The server's process and its children.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let Some(server) = &self.server else { return Vec::new() };
        let mut processes = vec![server.id()];
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        processes.extend(ids.filter(|id| parent_of(*id) == Some(server.id())));
        processes
    }

    fn wait(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.wait().ok();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.thaw();
        if let Some(server) = &self.server {
            signal("QUIT", &[server.id()]);
        }
        self.wait();
        // When its input is closed, the watchdog removes the directory.
        drop(self.watchdog.stdin.take());
        self.watchdog.wait().ok();
    }
}

/// Where Postgres is installed, and the user that it runs as: it refuses to run as root.
#[derive(Debug)]
struct Programs {
    bin: PathBuf,
    /// User and group to switch to.
    drop_to: Option<(u32, u32)>,
}

impl Programs {
    fn find() -> Result<Self, String> {
        let path = setting("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&path).map(|directory| directory.join("initdb"));
        let on_path = on_path.filter_map(|program| Some(program.canonicalize().ok()?.parent()?.to_owned())).next();
        let bin = on_path.or_else(newest_on_debian).ok_or("initdb is neither in PATH nor in /usr/lib/postgresql")?;
        let drop_to = match id(&["-u"])? {
            0 => Some(match id(&["-u", "postgres"]) {
                Ok(user) => (user, id(&["-g", "postgres"])?),
                Err(_) => (id(&["-u", "nobody"])?, id(&["-g", "nobody"])?),
            }),
            _ => None,
        };
        Ok(Self { bin, drop_to })
    }

    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        match self.drop_to {
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
                command.arg(program);
                command
            }
            None => Command::new(program),
        }
    }

    /// A new directory owned by the server's user.
    fn new_directory(&self, base: &Path) -> io::Result<PathBuf> {
        let directory = tempfile::Builder::new().prefix("knoxide-postgres-").tempdir_in(base)?.keep();
        let directory = directory.canonicalize()?;
        if let Some((user, group)) = self.drop_to {
            std::os::unix::fs::chown(&directory, Some(user), Some(group))?;
        }
        Ok(directory)
    }
}

/// Debian keeps the server's programs outside PATH, in a folder for each version.
fn newest_on_debian() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path());
    let installed = versions.filter(|version| version.join("bin/initdb").exists());
    let number = |version: &PathBuf| version.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    installed.max_by_key(number).map(|version| version.join("bin"))
}

fn id(arguments: &[&str]) -> Result<u32, String> {
    let done = Command::new("id").args(arguments).stderr(Stdio::null()).output();
    let done = done.map_err(|error| format!("id: {error}"))?;
    String::from_utf8_lossy(&done.stdout).trim().parse().map_err(|_| format!("id {arguments:?} prints nothing"))
}

fn free_mib(directory: &Path) -> u64 {
    let Ok(done) = Command::new("df").arg("-Pm").arg(directory).output() else { return 0 };
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let free = text.lines().nth(1).and_then(|line| line.split_whitespace().nth(3));
    free.and_then(|free| free.parse().ok()).unwrap_or(0)
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn watch(directory: &Path) -> io::Result<Child> {
    let mut command = Command::new("sh");
    command.args(["-c", WATCHDOG, "watchdog"]).arg(directory).current_dir("/").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// The parent of a process.
fn parent_of(process: u32) -> Option<u32> {
    stat_of(process)?.split_whitespace().nth(1)?.parse().ok()
}

/// The state of a process, as a letter.
fn state_of(process: u32) -> Option<String> {
    stat_of(process)?.split_whitespace().next().map(str::to_owned)
}

/// Whether a process exists and has not already exited.
fn is_alive(process: u32) -> bool {
    state_of(process).is_some_and(|state| !matches!(state.as_str(), "Z" | "X"))
}

/// The kernel's status line of a process, after its name, which is in parentheses and may contain anything.
fn stat_of(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.to_owned())
}

/// Sends a signal with the shell's built-in `kill`: not every system has the program of that name.
fn signal(name: &str, processes: &[u32]) {
    for process in processes {
        let kill = format!("kill -{name} {process}");
        Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status().ok();
    }
}
