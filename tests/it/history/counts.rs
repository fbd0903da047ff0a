//! How much happened in a history.

use std::sync::atomic::{AtomicU64, Ordering};

/// How much happened.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) logins: AtomicU64,
    pub(super) yes: AtomicU64,
    pub(super) no: AtomicU64,
    pub(super) unavailable: AtomicU64,
    pub(super) silent: AtomicU64,
    /// Requests and commands that revoke: acknowledged and not.
    pub(super) revocations: AtomicU64,
    pub(super) unanswered: AtomicU64,
    /// Tokens revoked by the acknowledged ones.
    pub(super) revoked: AtomicU64,
    /// Acknowledged ends of all of a user's sessions.
    pub(super) all: AtomicU64,
    /// Acknowledged ends of all sessions from a device.
    pub(super) mass: AtomicU64,
    /// Acknowledged ends of everybody's sessions, or of those from before a moment.
    pub(super) everybody: AtomicU64,
    /// Revocations by the command line.
    pub(super) commands: AtomicU64,
    pub(super) strange: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

pub(super) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
