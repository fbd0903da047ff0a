//! What an operator decides about tokens: plain data, handed to the service.

use std::time::Duration;

use crate::dialect::{Dialect, PerDialect};
use crate::store::LimitPolicy;

mod network;
mod throttle;

pub use network::Network;
pub use throttle::{Allowance, ExemptNetworks, ThrottlePolicy};

/// Lifetimes and limits. The defaults are those of the packages as their users deploy them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What is particular to each dialect.
    pub dialects: PerDialect<DialectPolicy>,
    /// How long a session may go unused; `None`: for ever. Exact to two touch intervals.
    pub idle_limit: Option<Duration>,
    /// Whether asking who one is, `GET /auth/user/`, counts as use of the session.
    pub user_counts_as_use: bool,
    /// How often the times of last use are written down.
    pub touch_interval: Duration,
    /// How many live sessions a user may have; `None`: any number.
    pub token_limit: Option<u32>,
    /// What happens to a login beyond that number.
    pub limit_policy: LimitPolicy,
    /// What new opaque tokens begin with, at most 10 visible ASCII characters.
    pub token_prefix: String,
    /// For how long after a rotation the old refresh token still gets the same successor.
    pub refresh_grace: Duration,
    /// How many access tokens a session keeps when it is refreshed; `None`: any number.
    pub access_tokens: Option<u32>,
    /// How often a session may be refreshed at one node.
    pub refresh_rate: RefreshRate,
}

/// How often a session may be refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshRate {
    /// How many times at once, at least 1; `None`: there is no limit.
    pub burst: Option<u32>,
    /// How long it takes until once more is allowed.
    pub interval: Duration,
}

impl Default for RefreshRate {
    /// 60 times at once, then once in 10 s: far above what any client needs, and no more than 8,700
    /// tokens a day.
    fn default() -> Self {
        Self { burst: Some(60), interval: seconds(10) }
    }
}

/// What tokens of one dialect are, and how long they live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialectPolicy {
    /// What tokens look like.
    pub form: TokenForm,
    /// How long an access token is good; `None`: until it is revoked.
    pub access_ttl: Option<Duration>,
    /// What else a login gives, and what may be refreshed.
    pub refresh: RefreshPolicy,
    /// Whether refreshing puts an end to the token that was refreshed.
    pub rotate: bool,
}

/// What a token looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenForm {
    /// 40 hex digits that say nothing.
    Opaque,
    /// A signed JWT, whose claims clients read.
    Jwt,
}

/// What may be exchanged for new tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshPolicy {
    /// Nothing.
    None,
    /// The access token itself, while it lives and for so long after the login.
    Access {
        /// Counted in whole seconds from the login.
        window: Duration,
    },
    /// A refresh token of its own.
    Pair {
        /// How long a refresh token is good.
        ttl: Duration,
        /// The end of all refreshing, counted from the login; `None`: there is none.
        window: Option<Duration>,
    },
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const DAY: u64 = 24 * 3600;

impl DialectPolicy {
    /// As the package of this dialect is deployed (the pages of docs/dialects).
    pub fn default_of(dialect: Dialect) -> Self {
        let (form, access_ttl, refresh) = match dialect {
            Dialect::Knox => (TokenForm::Opaque, None, RefreshPolicy::None),
            Dialect::DrfJwt => {
                (TokenForm::Jwt, Some(seconds(8_000_000)), RefreshPolicy::Access { window: seconds(7 * DAY) })
            }
            Dialect::AccessToken => {
                (TokenForm::Jwt, Some(seconds(5 * DAY)), RefreshPolicy::Access { window: seconds(10 * DAY) })
            }
            Dialect::Simplejwt | Dialect::Djoser => {
                let refresh = RefreshPolicy::Pair { ttl: seconds(DAY), window: None };
                (TokenForm::Jwt, Some(seconds(300)), refresh)
            }
        };
        Self { form, access_ttl, refresh, rotate: false }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            dialects: PerDialect::from_fn(DialectPolicy::default_of),
            idle_limit: None,
            user_counts_as_use: false,
            touch_interval: seconds(60),
            token_limit: None,
            limit_policy: LimitPolicy::Reject,
            token_prefix: String::new(),
            refresh_grace: seconds(30),
            access_tokens: Some(50),
            refresh_rate: RefreshRate::default(),
        }
    }
}

impl Policy {
    /// For how long a session must have been unused, as far as this node knows, before it is
    /// dead: another node may have a use of it still to write down.
    pub fn idle_verdict_after(&self) -> Option<Duration> {
        self.idle_limit.map(|limit| limit.saturating_add(self.touch_interval))
    }
}
