//! How a sweep is asked for, and what it did.

use std::time::Duration;

use serde::Serialize;

use crate::time::Timestamp;

/// How long what is dead stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepPolicy {
    /// How long after its expiry a token goes: longer than any two clocks may differ.
    pub token_grace: Duration,
    /// How long after its end a session can still be listed and explained.
    pub session_retention: Duration,
    /// For how long after a login its network is remembered.
    pub network_retention: Duration,
    /// How long the record of who did what is kept; `None`: for ever.
    pub audit_retention: Option<Duration>,
}

impl Default for SweepPolicy {
    /// A day, thirty days, thirty days, for ever.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let month = DAY.saturating_mul(30);
        Self { token_grace: DAY, session_retention: month, network_retention: month, audit_retention: None }
    }
}

/// What one sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SweepReport {
    /// Tokens deleted because they had expired.
    pub expired_tokens: usize,
    /// Tokens deleted because their session was over.
    pub dead_tokens: usize,
    /// Sessions deleted because they were over for long enough.
    pub sessions: usize,
    /// Rows deleted from the revocation log.
    pub log_rows: usize,
    /// Networks of logins forgotten.
    pub login_networks: usize,
    /// Audit events deleted.
    pub audit_events: usize,
}

/// Whether the clock of whoever sweeps can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockTrust {
    /// Nothing speaks for it: a step of more than a day is not believed.
    Unproved,
    /// It has run evenly for long enough: any step is believed, from the next sweep on.
    Proved,
    /// A person vouches for it: it is believed at once.
    Vouched,
}

/// By which moment a sweep deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepMoment {
    /// What was over before this may go; `None`: nothing may go for its age.
    pub until: Option<Timestamp>,
    /// The clock shows a moment that is not believed yet.
    pub is_held: bool,
}
