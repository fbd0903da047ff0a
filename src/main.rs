//! The `knoxide` program.

use std::process::ExitCode;
use std::sync::Arc;

use knoxide::cli::{self, Process, ProcessTerminal};
use knoxide::domain::random::SystemRandom;
use knoxide::domain::time::SystemClock;

fn main() -> ExitCode {
    ExitCode::from(cli::run(Process {
        arguments: std::env::args_os().collect(),
        environment: knoxide::config::process_environment(),
        terminal: &mut ProcessTerminal,
        out: &mut std::io::stdout(),
        err: &mut std::io::stderr(),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    }))
}
