//! Limits of the process: how many files it may open, and no core dumps.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// Fewer descriptors than this are not enough for the databases and a few clients.
pub const MIN_FILES: u64 = 64;

/// This many descriptors are reserved for databases and logs, if there are at least twice as many.
const RESERVED_FILES: usize = 128;

/// The most connections of one worker.
const MAX_CONNECTIONS: usize = 25_000;

/// The process may not open enough files.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "only {0} files may be opened, and the server needs at least {MIN_FILES}: raise the limit (`ulimit -n`, \
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

/// Raises the limit of open files to the hard limit.
///
/// # Errors
/// When that is fewer than [`MIN_FILES`].
pub fn raise_files() -> Result<(), TooFewFiles> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        log::debug!("the limit of open files was not raised: {}", io::Error::from(error));
    }
    files().filter(|files| *files < MIN_FILES).map_or(Ok(()), |files| Err(TooFewFiles(files)))
}

/// Disables core dumps of this process: its memory may contain tokens and passwords.
///
/// # Errors
/// When the system refuses.
pub fn forbid_core_dumps() -> io::Result<()> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)?;
    // If core dumps are piped to a program, the limit does not apply.
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// How many connections each of `workers` may have if `files` may be open, so that descriptors are left
/// for the databases. Further clients wait in the system's queue.
pub fn connections_each(workers: usize, files: Option<u64>) -> usize {
    let limit = files.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let kept = (limit / 2).min(RESERVED_FILES);
    ((limit - kept) / workers.max(1)).clamp(1, MAX_CONNECTIONS)
}
