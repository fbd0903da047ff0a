//! The log: `env_logger`'s filter, two forms of lines, and a queue between them, so that a
//! blocked reader blocks only the log's own thread.
//!
//! Code logs through the macros of the `log` crate, with variable parts as key-values:
//! `log::info!(user = id.0; "logged in")`. Both forms escape control characters, so that
//! a name that a client sends cannot begin a new line. Tokens, digests, passwords and
//! URLs with credentials are not logged at all.

mod line;
mod queue;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use log::{Level, Log, Metadata, Record};

use crate::config::LogSettings;
use crate::domain::time::Clock;

use self::queue::Queue;

/// The maximum total size of waiting lines, in bytes: about ten thousand lines.
const QUEUE_BYTES: usize = 4 * 1024 * 1024;

/// How long a stopping process waits for its log to be written.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The writer's thread could not be started.
    #[error("the log's thread could not be started: {0}")]
    Thread(#[from] io::Error),
    /// Another logger is installed in this process.
    #[error("another logger is already installed: {0}")]
    Taken(#[from] log::SetLoggerError),
}

/// Keeps the log running. When it is dropped, waiting lines are written, for at most two seconds.
#[must_use = "the log ends when this is dropped"]
pub struct LogGuard {
    queue: Queue,
    limit: Duration,
}

impl LogGuard {
    /// Waits until everything logged so far has been written; `false` if that takes longer than
    /// `limit`.
    pub fn flush(&self, limit: Duration) -> bool {
        self.queue.wait_until_written(limit)
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.queue.close();
        self.queue.wait_until_written(self.limit);
    }
}

/// Sends the log of this process to standard error.
///
/// # Errors
/// When another logger is already installed, or no thread can be started.
pub fn start(settings: &LogSettings, clock: Arc<dyn Clock>) -> Result<LogGuard, LogError> {
    let (logger, guard) = build(settings, clock, Box::new(io::stderr()), QUEUE_BYTES)?;
    log::set_max_level(logger.0.filter());
    log::set_boxed_logger(Box::new(logger))?;
    Ok(guard)
}

/// Modules of other crates that log an error when a client sends a malformed request, without the client's
/// address. `server::connections` logs the same errors with the address.
const ABOUT_CLIENTS: [&str; 2] = ["actix_http::h1::dispatcher", "actix_http::h1::decoder"];

/// Accepts records of other crates only from level `info`, whatever the filter is:
/// below that, such code logs what clients sent, including headers with tokens.
struct Discreet(env_logger::Logger);

impl Discreet {
    fn hears(metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        let is_ours = target.split("::").next() == Some(env!("CARGO_CRATE_NAME"));
        is_ours || metadata.level() <= Level::Info && !ABOUT_CLIENTS.contains(&target)
    }
}

impl Log for Discreet {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Self::hears(metadata) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if Self::hears(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// A log that goes to `sink`, with room for `capacity` waiting bytes.
fn build(
    settings: &LogSettings,
    clock: Arc<dyn Clock>,
    sink: Box<dyn Write + Send>,
    capacity: usize,
) -> Result<(Discreet, LogGuard), LogError> {
    let format = settings.format;
    let writers_clock = Arc::clone(&clock);
    let notice = Box::new(move |dropped| line::of_dropped(format, writers_clock.now(), dropped));
    let queue = Queue::start(capacity, sink, notice)?;
    let logger = env_logger::Builder::new()
        .parse_filters(&settings.filter)
        .format(move |buffer, record| buffer.write_all(line::of_record(format, clock.now(), record).as_bytes()))
        .target(env_logger::Target::Pipe(Box::new(Entrance(queue.clone()))))
        .write_style(env_logger::WriteStyle::Never)
        .build();
    Ok((Discreet(logger), LogGuard { queue, limit: FLUSH_LIMIT }))
}

/// The entrance of the queue: `env_logger` writes each record in one piece.
struct Entrance(Queue);

impl Write for Entrance {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    /// This does not wait for the reader.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
