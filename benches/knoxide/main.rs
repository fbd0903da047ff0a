//! Benchmarks: Knoxide and yardsticks, each in a process of its own, measured in turns in the
//! same minutes on the same core, with the load on another core. `scripts/bench` runs them all;
//! `docs/benchmarks/README.md` tells what they mean.
//!
//! This one program is the load generator, every server, and every yardstick: it starts itself
//! again as `child …` for whatever has to be a process of its own.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

mod child;
#[path = "../../tests/it/support/postgres/cluster.rs"]
#[expect(dead_code, reason = "the tests do more to a server of Postgres than run it")]
mod cluster;
mod databases;
mod fill;
mod load;
mod machine;
mod measure;
mod meter;
mod picture;
mod population;
mod report;
mod scenario;
mod serve;
mod stage;
mod support;
#[path = "../../tests/it/support/wire.rs"]
#[expect(dead_code, clippy::indexing_slicing, reason = "shared with the tests, which use more of it and may index")]
mod wire;

/// What can go wrong in a benchmark ends it, in words.
type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Checks of live tokens, beside a bare route, a cookie session and a plain SELECT.
    Check,
    /// Checks while 64 clients log in at the default cost.
    Flood,
    /// Ending ten thousand sessions against ending one.
    Logoutall,
    /// Logins and logouts, against one transaction each and plain bcrypt.
    Writes,
}

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    Sqlite,
    Postgres,
}

/// Measures Knoxide beside yardsticks.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench")]
struct Options {
    /// What to measure; everything if nothing is named
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// Tokens in the database
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..))]
    tokens: u64,
    /// Connections of checking clients, and of clients that log in
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// How often everything is repeated, in turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds to wait, at most, before each measurement until nothing else keeps the machine busy
    #[arg(long, default_value_t = 5)]
    patience: u64,
    /// Databases to measure on
    #[arg(long, value_enum, value_delimiter = ',', default_value = "sqlite,postgres")]
    databases: Vec<Backend>,
    /// Where the databases are made; on a disk whose sync is real
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    directory: PathBuf,
    /// Where results.json, results.md and results.svg are written
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks"))]
    results: PathBuf,
    /// Write no results, only show them
    #[arg(long)]
    dry: bool,
    /// Cargo says so; nothing depends on it
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Fallible<()> {
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|first| first == "child") {
        return child::run();
    }
    let options = Options::parse();
    let wanted: &[Scenario] =
        if options.scenarios.is_empty() { Scenario::value_variants() } else { &options.scenarios };
    let mut stage = stage::Stage::set(&options)?;
    say(&format!("{}\n", stage.machine));
    for scenario in wanted {
        let section = scenario::run(*scenario, &mut stage)?;
        say(&report::markdown(&section));
        if !options.dry {
            report::save(&options.results, section)?;
        }
    }
    Ok(())
}

/// Tells the person who waits.
fn say(text: &str) {
    // Without a reader there is nobody to tell.
    let _ = writeln!(std::io::stdout(), "{text}");
}
