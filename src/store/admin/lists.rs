//! Which sessions a list has, and how far lists look for what they are about.

use std::time::Duration;

use super::SessionMatch;
use crate::domain::policy::IdleLimits;
use crate::domain::session::{SessionEntry, SessionId};
use crate::domain::time::Timestamp;

/// Which sessions to list, newest first.
#[derive(Debug, Clone)]
pub struct SessionFilter {
    /// Which sessions.
    pub matching: SessionMatch,
    /// Also sessions that are over.
    pub with_ended: bool,
    /// The present moment, which decides whether a token has expired.
    pub now: Timestamp,
    /// Sessions unused for longer than this are over.
    pub idle_limits: IdleLimits,
    /// Only sessions opened before this one: the last of the previous page, or where its search stopped.
    pub before: Option<SessionId>,
    /// The maximum number of sessions.
    pub limit: u32,
    /// How far to look for them.
    pub effort: Effort,
}

impl SessionFilter {
    /// The live sessions among those that match: all of them, however far the search has to go.
    pub const fn live(matching: SessionMatch, now: Timestamp) -> Self {
        let (idle_limits, effort) = (IdleLimits::NONE, Effort::UNBOUNDED);
        Self { matching, with_ended: false, now, idle_limits, before: None, limit: u32::MAX, effort }
    }
}

/// How far a list of sessions or events looks for those that match, while it has not found enough. Both numbers have to be reached
/// before it stops, and then it stops soon: a store looks at its rows in portions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// It looks at this many rows in any case, in the order of the list.
    pub rows: u32,
    /// It looks at more of them until this time is over.
    pub time: Duration,
}

impl Effort {
    /// All rows, however many there are.
    pub const UNBOUNDED: Self = Self { rows: u32::MAX, time: Duration::MAX };
}

/// [`Effort::UNBOUNDED`].
impl Default for Effort {
    fn default() -> Self {
        Self::UNBOUNDED
    }
}

/// A list of sessions, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionList {
    /// Those that were found.
    pub sessions: Vec<SessionEntry>,
    /// The search stopped here before it had found enough: older sessions have not been looked at. A list of those
    /// before this one goes on. `None`: it found enough, or there are no more.
    pub unsearched: Option<SessionId>,
}

impl From<Vec<SessionEntry>> for SessionList {
    /// All that a search could find.
    fn from(sessions: Vec<SessionEntry>) -> Self {
        Self { sessions, unsearched: None }
    }
}
