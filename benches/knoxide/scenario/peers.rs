//! django-rest-knox itself, in Python, asked for as many tokens as Knoxide beside it.

use std::io::{BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::contest::{Asks, Contestant, bare};
use super::{closed, few, insist, measure, note};
use crate::child::{Child, Role};
use crate::databases::Database;
use crate::meter::Meter;
use crate::population::{Block, token_text, user_name};
use crate::report::{Metric, Section, Table};
use crate::serve::PATH;
use crate::stage::{Stage, free_address};
use crate::wire::{Request, Wire};
use crate::{Backend, Fallible, Scenario};

/// Where the site is.
const SITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers");

/// Tokens: its database is filled in Python, and does not become slower with more.
const MOST_TOKENS: u64 = 100_000;

/// What has to be there.
const IMPORTS: &str = "import django, gunicorn, knox, psycopg, rest_framework";

/// A server of a peer: a parent, and the one process that answers.
struct Peer {
    name: String,
    server: Child,
    worker: u32,
    database: Database,
}

pub(super) fn run(stage: &mut Stage) -> Fallible<Section> {
    let python = python(&stage.cache)?;
    let block = Block::tens(stage.tokens.min(MOST_TOKENS));
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for backend in stage.backends.clone() {
        let database = Database::kept(stage, backend, &[block])?;
        ours.push(Contestant::knoxide(stage, database, block.tokens())?);
        peers.push(peer(stage, backend, block, &python)?);
    }
    ours.iter().try_for_each(|contestant| contestant.touch(stage).map(drop))?;
    let bare = bare(stage, &ours.first().ok_or("no database to measure on")?.server)?;
    let contestants: Vec<&Contestant> = std::iter::once(&bare).chain(&ours).collect();
    let asks = Asks::first(block.tokens());
    let mut table = Table::default();
    for round in 0..few(stage.rounds) {
        crate::say(&format!("peers: round {} of {}", round + 1, few(stage.rounds)));
        for contestant in &contestants {
            contestant.measure(stage, &contestant.name, stage.connections, &mut table)?;
        }
        for peer in &peers {
            let meter = Meter::new(peer.worker, peer.database.cluster.as_deref());
            let groups = vec![closed(&peer.server, stage.connections, asks.source())?];
            let (outcomes, usage) = measure(groups, stage.span(), &meter)?;
            for outcome in outcomes {
                insist(&outcome, &peer.name)?;
                note(&mut table, &peer.name, &outcome, &usage);
            }
        }
    }
    for row in ours.iter().map(|one| &one.name).chain(peers.iter().map(|peer| &peer.name)) {
        table.compare(row, &bare.name, Metric::Rate, Metric::RateRatio);
        table.compare(row, &bare.name, Metric::Cpu, Metric::CpuRatio);
    }
    let title = "Peers: django-rest-knox";
    let note = "The package itself under gunicorn, one process with four threads on the core that the others have, \
                with connections to the database that stay open. Ratios are to the bare route.";
    Ok(table.section(Scenario::Peers, title, note, stage))
}

/// A Python that has the packages; they are installed if it lacks them.
///
/// # Errors
/// What is missing, in words.
fn python(cache: &Path) -> Fallible<PathBuf> {
    let home = cache.join("peers");
    let python = home.join("bin/python");
    let has_all = || succeeds(Command::new(&python).args(["-c", IMPORTS]));
    if has_all().is_ok() {
        return Ok(python);
    }
    crate::say("peers: installing the packages of benches/peers/requirements.txt");
    succeeds(Command::new("python3").args(["-m", "venv"]).arg(&home))
        .map_err(|error| format!("missing for the peers: python3 with its module venv ({error})"))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    succeeds(pip.arg(format!("{SITE}/requirements.txt")))
        .map_err(|error| format!("missing for the peers: the packages of {SITE}/requirements.txt ({error})"))?;
    has_all().map_err(|error| format!("missing for the peers: {error}"))?;
    Ok(python)
}

/// Runs a program; what it complained about, if it did not succeed.
fn succeeds(command: &mut Command) -> Result<(), String> {
    let done = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let complaint = String::from_utf8_lossy(&done.stderr);
    if done.status.success() { Ok(()) } else { Err(complaint.trim().to_owned()) }
}

fn peer(stage: &mut Stage, backend: Backend, block: Block, python: &Path) -> Fallible<Peer> {
    let (url, cluster) = stage.new_url(backend)?;
    let place = match &cluster {
        None => url.replace("sqlite://", "sqlite:"),
        Some(cluster) => {
            let name = url.strip_prefix("postgres:///").and_then(|url| url.split_once('?'));
            let (name, _) = name.ok_or("another URL than was thought")?;
            format!("postgres:{}:{name}", cluster.address().port())
        }
    };
    let database = Database { backend, url, cluster };
    crate::say(&format!("peers: filling {} tokens into {}", block.tokens(), database.name()));
    fill(python, &place, block)?;
    let listen = free_address()?;
    let command = ["-m", "gunicorn", "--workers=1", "--threads=4", "--worker-class=gthread", "--keep-alive=75"];
    let mut command: Vec<String> = command.map(str::to_owned).into();
    command.insert(0, python.display().to_string());
    command.extend([format!("--bind={listen}"), "site_of_knox:application".to_owned()]);
    let server = stage.start(&Role::Peer { command, folder: SITE.into(), database: place, listen })?;
    let worker = wait_for_worker(&server, listen)?;
    let name = format!("django-rest-knox on {}", database.name());
    Ok(Peer { name, server, worker, database })
}

fn fill(python: &Path, place: &str, block: Block) -> Fallible<()> {
    let mut command = Command::new(python);
    command.args(["site_of_knox.py"]).current_dir(SITE).env("DATABASE", place).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut process = command.stdin(Stdio::piped()).spawn()?;
    let mut lines = BufWriter::new(process.stdin.take().ok_or("a child without pipes")?);
    for token in 0..block.tokens() {
        let text = token_text(token);
        write!(lines, "{} ", user_name(token / block.tokens_each + 1))?;
        lines.write_all(&text)?;
        lines.write_all(b"\n")?;
    }
    lines.flush()?;
    drop(lines);
    if process.wait()?.success() { Ok(()) } else { Err("the database of a peer was not filled".into()) }
}

/// Waits until a good token is taken, and finds the process that took it.
fn wait_for_worker(server: &Child, listen: SocketAddr) -> Fallible<u32> {
    let token = String::from_utf8(token_text(0).to_vec())?;
    let check = Request::new("GET", PATH).header("Authorization", format!("Token {token}"));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        let reply = Wire::connect(listen).and_then(|mut wire| wire.ask(&check));
        if reply.is_ok_and(|reply| reply.status == 200) {
            let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.id()))?;
            let worker = children.split_whitespace().next().and_then(|id| id.parse().ok());
            return worker.ok_or_else(|| "gunicorn has no worker".into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err("django-rest-knox does not answer".into())
}
