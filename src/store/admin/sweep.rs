//! The options and the report of a sweep.

use std::time::Duration;

use serde::Serialize;

use crate::domain::time::Timestamp;

/// How long rows are kept after they have expired or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepPolicy {
    /// How long after its expiry a token is deleted: longer than any two clocks may differ.
    pub token_grace: Duration,
    /// How long after its end a session stays listed, with the reason of its end.
    pub session_retention: Duration,
    /// For how long after a login its network is remembered.
    pub network_retention: Duration,
    /// How long audit events are kept; `None`: permanently.
    pub audit_retention: Option<Duration>,
    /// How many audit events are kept at most, the newest; 0: any number.
    pub audit_max_rows: u64,
    /// How long audit events keep the address and the device; `None`: as long as the event.
    pub audit_address_retention: Option<Duration>,
}

impl Default for SweepPolicy {
    /// A day, thirty days, thirty days; audit events permanently, with addresses.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let month = DAY.saturating_mul(30);
        Self {
            token_grace: DAY,
            session_retention: month,
            network_retention: month,
            audit_retention: None,
            audit_max_rows: 0,
            audit_address_retention: None,
        }
    }
}

/// The results of a sweep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SweepReport {
    /// Tokens deleted because they had expired.
    pub expired_tokens: usize,
    /// Tokens deleted because their session had ended.
    pub dead_tokens: usize,
    /// Sessions deleted because they had ended long enough ago.
    pub sessions: usize,
    /// Rows deleted from the revocation log.
    pub log_rows: usize,
    /// Networks of logins deleted.
    pub login_networks: usize,
    /// Audit events deleted.
    pub audit_events: usize,
    /// Audit events whose address and device were removed.
    pub audit_addresses: usize,
    /// Traces of deleted tokens deleted.
    pub traces: usize,
}

/// Whether the sweeper's clock can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockTrust {
    /// Unknown: a step of more than a day is not trusted.
    Unproved,
    /// It has run evenly for long enough: any step is trusted from the next sweep on.
    Proved,
    /// An administrator vouches for it: it is trusted at once.
    Vouched,
}

/// The moment by which a sweep deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepMoment {
    /// What ended before this may be deleted; `None`: nothing may be deleted because of its age.
    pub until: Option<Timestamp>,
    /// The clock shows a time that is not trusted yet.
    pub is_held: bool,
}
