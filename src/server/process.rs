//! What the process may do: how many files it may open, and that nobody gets its memory.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// With fewer descriptors than this there is no room for the databases and a few clients.
pub const FEWEST_FILES: u64 = 64;

/// So many descriptors are kept for databases and logs, if there are twice as many.
const KEPT_FILES: usize = 128;

/// The most connections that one worker holds.
const MOST_CONNECTIONS: usize = 25_000;

/// The process may not open enough files.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "only {0} files may be opened, and the server needs at least {FEWEST_FILES}: raise the limit (`ulimit -n`, \
         LimitNOFILE= of systemd)"
)]
pub struct TooFewFiles(pub u64);

/// How many files this process may open; `None`: any number.
pub fn files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many files this process may open after [`raise_files`]; `None`: any number.
pub fn most_files() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// Lets this process open as many files as it may give itself.
///
/// # Errors
/// When that is fewer than [`FEWEST_FILES`].
pub fn raise_files() -> Result<(), TooFewFiles> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        log::debug!("the number of files that may be open stays: {}", io::Error::from(error));
    }
    files().filter(|files| *files < FEWEST_FILES).map_or(Ok(()), |files| Err(TooFewFiles(files)))
}

/// Sees to it that no copy of this process's memory is written when it crashes: tokens and passwords may be in it.
///
/// # Errors
/// When the system refuses.
pub fn forbid_core_dumps() -> io::Result<()> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)?;
    // A program that is handed core dumps gets them whatever the limit is.
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// How many connections each of `workers` may hold when so many `files` may be open, so that they
/// last for its databases too: whoever comes later waits in the system's queue.
pub fn connections_each(workers: usize, files: Option<u64>) -> usize {
    let limit = files.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let kept = (limit / 2).min(KEPT_FILES);
    ((limit - kept) / workers.max(1)).clamp(1, MOST_CONNECTIONS)
}
