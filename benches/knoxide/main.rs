//! Benchmarks: Knoxide and yardsticks, each in a process of its own, measured in turns in the same minutes on the same
//! core, with the load on another core. `scripts/bench` runs them all; `docs/benchmarks/README.md` explains what they
//! mean.
//!
//! This one program is the load generator, every server, and every yardstick: it starts itself again as `child …` for
//! everything that needs a process of its own.

use std::io::Write as _;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Parser, ValueEnum};

mod child;
#[path = "../../tests/it/harness/postgres/cluster.rs"]
#[expect(dead_code, reason = "the tests use more of it than these benchmarks")]
mod cluster;
mod databases;
mod fill;
mod goals;
mod harness;
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
#[path = "../../tests/it/harness/wire.rs"]
#[expect(dead_code, clippy::indexing_slicing, reason = "shared with the tests, which use more of it and may index")]
mod wire;

/// Any error in a benchmark ends it, with a message.
type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What is measured, in the order of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Checks of live tokens, compared with a bare route, a cookie session and a plain SELECT.
    Check,
    /// One check at a time on an idle server.
    Lone,
    /// Checks as a proxy sends them.
    Forward,
    /// Introspection, and a hundred tokens at once.
    Services,
    /// Checks with an occasional login and logout.
    Mix,
    /// Checks while 64 clients log in at the default cost.
    Flood,
    /// Ending ten thousand sessions, compared with ending one.
    Logoutall,
    /// Checks while the sessions of all users end.
    Everybody,
    /// Logins and logouts, compared with one transaction each and plain bcrypt.
    Writes,
    /// Whether a revoked token is ever accepted.
    Strict,
    /// Memory, and a flood of random tokens.
    Memory,
    /// The start with ten million tokens.
    Start,
}

impl Scenario {
    /// Whether it runs by default: not if its database takes long to fill.
    const fn is_usual(self) -> bool {
        match self {
            Self::Check
            | Self::Lone
            | Self::Forward
            | Self::Services
            | Self::Mix
            | Self::Flood
            | Self::Logoutall
            | Self::Everybody
            | Self::Writes
            | Self::Strict
            | Self::Memory => true,
            Self::Start => false,
        }
    }
}

/// What the command line asks for.
#[derive(Debug, Clone, Copy)]
enum OnDisconnect {
    All,
    One(Scenario),
}

/// The names of all scenarios, and `all`.
fn wanted() -> impl TypedValueParser<Value = OnDisconnect> {
    let scenarios = Scenario::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let all = PossibleValue::new("all").help("Everything");
    PossibleValuesParser::new(scenarios.chain([all])).map(|name| match Scenario::from_str(&name, false) {
        Ok(scenario) => OnDisconnect::One(scenario),
        Err(_) => OnDisconnect::All,
    })
}

/// The kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backend {
    Sqlite,
    Postgres,
}

/// Measures Knoxide beside yardsticks.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench")]
struct Options {
    /// What to measure; everything but start if nothing is named
    #[arg(value_parser = wanted())]
    scenarios: Vec<OnDisconnect>,
    /// Tokens in the database
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    tokens: u64,
    /// Tokens in the database of start
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1000..))]
    largest: u64,
    /// Tokens to revoke and check again
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(100..))]
    revocations: u64,
    /// Connections of checking clients, and of clients that log in
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// How often everything is repeated, in turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 2.0)]
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
    /// Where filled databases are kept for the next run
    #[arg(long, default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/bench"))]
    cache: PathBuf,
    /// Where results.json, results.md and results.svg are written
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks"))]
    results: PathBuf,
    /// Write no results, only show them
    #[arg(long)]
    dry: bool,
    /// Cargo passes it; it has no effect
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Fallible<()> {
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|first| first == "child") {
        return child::run();
    }
    let options = Options::parse();
    let mut stage = stage::Stage::set(&options)?;
    say(&format!("{}\n", stage.machine));
    let measured = measure(&options, &mut stage);
    if measured.is_err() {
        say(&format!("What the servers logged is in {}", stage.keep_files().display()));
    }
    measured
}

/// Runs the scenarios that were asked for.
fn measure(options: &Options, stage: &mut stage::Stage) -> Fallible<()> {
    let mut sections = Vec::new();
    for scenario in options.chosen() {
        let section = scenario::run(scenario, stage)?;
        say(&report::markdown(&section));
        if !options.dry {
            report::save(&options.results, section.clone())?;
        }
        sections.push(section);
    }
    let mut goals = sections.iter().flat_map(|section| &section.goals).peekable();
    if goals.peek().is_some() {
        say(&format!("Goals in this run:\n\n{}", goals::table(&sections, goals::Lines::Measured)));
    }
    // Missing another goal may be the machine's fault; missing this one never is.
    if goals.any(|goal| goal.line == Some(goals::Line::Strictness) && !goal.met) {
        return Err("a revoked token was accepted, or a live one refused".into());
    }
    Ok(())
}

impl Options {
    /// The scenarios to run, in the order of the results, each once.
    fn chosen(&self) -> Vec<Scenario> {
        let is_chosen = |scenario: &Scenario| {
            let named = self.scenarios.iter().any(|wanted| match wanted {
                OnDisconnect::All => true,
                OnDisconnect::One(one) => one == scenario,
            });
            named || (self.scenarios.is_empty() && scenario.is_usual())
        };
        Scenario::value_variants().iter().copied().filter(is_chosen).collect()
    }
}

/// Prints progress for the person who runs this.
fn say(text: &str) {
    // A closed standard output does not stop the measurement.
    let _ = writeln!(std::io::stdout(), "{text}");
}
