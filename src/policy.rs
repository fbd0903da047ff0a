//! What an operator decides about tokens: plain data, handed to the service.

use std::time::Duration;

use crate::store::LimitPolicy;

/// Lifetimes and limits. The defaults are django-rest-knox's as its users deploy it: tokens
/// without end or limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long a new token is good; `None`: until it is revoked.
    pub token_ttl: Option<Duration>,
    /// How long a session may go unused; `None`: for ever. Exact to two touch intervals.
    pub idle_limit: Option<Duration>,
    /// How often the times of last use are written down.
    pub touch_interval: Duration,
    /// How many live sessions a user may have; `None`: any number.
    pub token_limit: Option<u32>,
    /// What happens to a login beyond that number.
    pub limit_policy: LimitPolicy,
    /// What new tokens begin with, at most 10 visible ASCII characters.
    pub token_prefix: String,
    /// How long ended sessions stay listed.
    pub session_retention: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            token_ttl: None,
            idle_limit: None,
            touch_interval: Duration::from_secs(60),
            token_limit: None,
            limit_policy: LimitPolicy::Reject,
            token_prefix: String::new(),
            session_retention: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

impl Policy {
    /// For how long a session must have been unused, as far as this node knows, before it is
    /// dead: another node may have a use of it still to write down.
    pub fn idle_verdict_after(&self) -> Option<Duration> {
        self.idle_limit.map(|limit| limit + self.touch_interval)
    }
}
