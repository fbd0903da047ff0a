//! A separate process for each server and yardstick, and the protocol between the two sides: the child writes one line
//! when it is ready, then answers each line that it is sent with one line. It ends when its standard input does, that
//! is, when its parent ends.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use clap::Parser;
use serde::{Deserialize, Serialize};

use crate::{Fallible, machine, measure, serve};

/// What a child does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Role {
    /// Serves Knoxide as it is shipped, except for the cost of hashing. Sweeps on request.
    Knoxide { url: String, cost: u32 },
    /// The same, with external users whose user provider accepts any password without hashing.
    Elsewhere { url: String },
    /// Becomes the program itself, as it is shipped, with these settings.
    Shipped { url: String, listen: SocketAddr },
    /// Serves one fixed reply at the path of the check, with these headers.
    Bare { body: String, headers: Vec<String> },
    /// Serves the same reply to requests with a cookie of actix-identity.
    Identity { body: String, headers: Vec<String> },
    /// Looks tokens up by their digest, one prepared statement each, on one connection.
    Lookups { url: String, tokens: u64 },
    /// Verifies passwords on this many threads.
    Bcrypt { cost: u32, threads: usize },
    /// Opens sessions for users 1 to `users`, one transaction each.
    Opens { url: String, users: u64, threads: usize },
    /// Ends the sessions of these tokens, one transaction each.
    Ends { url: String, from: u64, to: u64, threads: usize },
}

#[derive(Debug, Parser)]
struct Arguments {
    /// The cores to run on.
    #[arg(long, value_delimiter = ',')]
    cores: Vec<usize>,
    /// The role, as JSON.
    role: String,
}

/// The child's side: `… child [--cores N,…] ROLE`.
pub(crate) fn run() -> Fallible<()> {
    let arguments = Arguments::parse_from(std::env::args_os().skip(1));
    if !arguments.cores.is_empty() {
        machine::pin_to(&arguments.cores)?;
    }
    match serde_json::from_str(&arguments.role)? {
        Role::Knoxide { url, cost } => serve::knoxide(&url, cost),
        Role::Elsewhere { url } => serve::elsewhere(&url),
        Role::Shipped { url, listen } => serve::shipped(&url, listen),
        Role::Bare { body, headers } => serve::fixed::bare(body, &headers),
        Role::Identity { body, headers } => serve::fixed::identity(body, &headers),
        Role::Lookups { url, tokens } => measure::lookups(&url, tokens),
        Role::Bcrypt { cost, threads } => measure::bcrypt(cost, threads),
        Role::Opens { url, users, threads } => measure::opens(&url, users, threads),
        Role::Ends { url, from, to, threads } => measure::ends(&url, from..to, threads),
    }
}

/// The child's side: tells the parent that it may continue.
pub(crate) fn answer(line: &str) -> Fallible<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}

/// The child's side: answers the parent's lines while other work runs, and ends this process when its parent ends.
pub(crate) fn obey_beside(mut work: impl FnMut() -> Fallible<Tally> + Send + 'static) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let done = line.map_err(Into::into).and_then(|_| work());
            if let Err(error) = done.and_then(|tally| answer(&serde_json::to_string(&tally)?)) {
                log::error!("{error}");
                break;
            }
        }
        std::process::exit(0);
    });
}

/// The child's side: ends this process when its parent ends.
pub(crate) fn end_with_parent() {
    obey_beside(|| Err("there is nothing to do".into()));
}

/// The parent's side. The process ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    hello: String,
}

/// What a yardstick without HTTP has done.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) done: u64,
    pub(crate) seconds: f64,
    /// Median time of one operation in microseconds, if each was timed.
    pub(crate) median_us: Option<f64>,
}

impl Child {
    /// Starts a child and waits until it is ready. Its log goes to a file in `folder`.
    pub(crate) fn start(role: &Role, cores: &[usize], folder: &Path) -> Fallible<Self> {
        let role = serde_json::to_value(role)?;
        let name = role.as_object().and_then(|fields| fields.keys().next()).ok_or("a role without a name")?;
        let log = File::options().create(true).append(true).open(folder.join(format!("{name}.log")))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("child");
        for core in cores {
            command.args(["--cores", &core.to_string()]);
        }
        command.arg("--").arg(role.to_string()).current_dir(folder);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (input, output) = pipes.ok_or("a child without pipes")?;
        let mut child = Self { process, input, output: BufReader::new(output), hello: String::new() };
        child.hello = child.read_line()?;
        Ok(child)
    }

    /// The address at which this child's server listens.
    pub(crate) fn address(&self) -> Fallible<SocketAddr> {
        Ok(self.hello.parse()?)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Runs a yardstick for this long.
    pub(crate) fn work(&mut self, seconds: f64) -> Fallible<Tally> {
        writeln!(self.input, "{seconds}")?;
        let line = self.read_line()?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Makes a Knoxide server sweep once, until nothing is left to sweep.
    pub(crate) fn sweep(&mut self) -> Fallible<Tally> {
        self.work(0.0)
    }

    fn read_line(&mut self) -> Fallible<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("a child ended; its log is in the folder of the run".into());
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
