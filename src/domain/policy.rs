//! The operator's policy for tokens: plain data that the service is built with.

use std::time::Duration;

use crate::domain::dialect::{Dialect, PerDialect};
use crate::domain::session::SessionKind;

mod network;
mod throttle;

pub use network::Network;
pub use throttle::{Allowance, ExemptNetworks, ThrottlePolicy};

/// How long a session of a person at a screen may be unused.
const ATTENDED_IDLE: Duration = Duration::from_secs(15 * 60);

/// Lifetimes and limits. The defaults are those of the packages as their users deploy them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The policy of each dialect.
    pub dialects: PerDialect<DialectPolicy>,
    /// How long a session may be unused; `None`: without limit. Accurate to two touch intervals.
    pub idle_limit: Option<Duration>,
    /// Whether letter case in the domain of an e-mail address may differ at a login.
    pub email_domain_any_case: bool,
    /// Whether `GET /auth/user/` counts as use of the session.
    pub user_counts_as_use: bool,
    /// How often the times of last use are written to the database.
    pub touch_interval: Duration,
    /// How many live sessions a user may have; `None`: any number.
    pub token_limit: Option<u32>,
    /// What happens when a login exceeds that number.
    pub limit_policy: LimitPolicy,
    /// The prefix of new opaque tokens, at most 10 visible ASCII characters.
    pub token_prefix: String,
    /// How long after a rotation the old refresh token can still be exchanged for the same successor.
    pub refresh_grace: Duration,
    /// How many access tokens a session may have after a refresh; `None`: any number.
    pub access_tokens: Option<u32>,
    /// How often a session may be refreshed at one node.
    pub refresh_rate: RefreshRate,
}

/// How often a session may be refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshRate {
    /// How many refreshes at once, at least 1; `None`: without a limit.
    pub burst: Option<u32>,
    /// The time after which one more is allowed.
    pub interval: Duration,
}

impl Default for RefreshRate {
    /// 60 times at once, then once in 10 s: far above what any client needs, and at most 8,700
    /// tokens a day.
    fn default() -> Self {
        Self { burst: Some(60), interval: seconds(10) }
    }
}

/// The form and the lifetimes of one dialect's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialectPolicy {
    /// What tokens look like.
    pub form: TokenForm,
    /// The lifetime of an access token; `None`: until it is revoked.
    pub access_ttl: Option<Duration>,
    /// What can be refreshed, and whether a login issues a refresh token.
    pub refresh: RefreshPolicy,
    /// Whether a refresh consumes the token that was presented.
    pub rotate: bool,
}

/// What a token looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenForm {
    /// 40 random hex digits.
    Opaque,
    /// A signed JWT with claims for clients.
    Jwt,
}

/// Which tokens can be refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshPolicy {
    /// Nothing.
    None,
    /// The access token itself, while it is live and for this time after the login.
    Access {
        /// Counted in whole seconds from the login.
        window: Duration,
    },
    /// A separate refresh token.
    Pair {
        /// The lifetime of a refresh token.
        ttl: Duration,
        /// How long after the login a refresh is possible; `None`: without a limit.
        window: Option<Duration>,
    },
}

impl RefreshPolicy {
    /// The lifetime of refresh tokens; `None`: there are none.
    pub const fn token_ttl(self) -> Option<Duration> {
        match self {
            Self::Pair { ttl, .. } => Some(ttl),
            Self::None | Self::Access { .. } => None,
        }
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const DAY: u64 = 24 * 3600;

impl DialectPolicy {
    /// As the package of this dialect is usually deployed (see `docs/dialects`).
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
            email_domain_any_case: true,
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
    /// How long a session must have been unused, as far as this node knows, before it is idle: longer than the limit,
    /// since another node may have noted a use that it has not written yet.
    pub fn idle_verdict_after(&self) -> Option<Duration> {
        self.idle_limit.map(|limit| limit.saturating_add(self.touch_interval))
    }

    /// The same for each kind of session.
    pub fn idle_verdicts(&self) -> IdleLimits {
        let later = |limit: Duration| limit.saturating_add(self.touch_interval);
        let IdleLimits { attended, others } = self.idle_limits();
        IdleLimits { attended: attended.map(later), others: others.map(later) }
    }

    /// How long sessions of each kind may be unused.
    pub const fn idle_limits(&self) -> IdleLimits {
        IdleLimits { attended: Some(ATTENDED_IDLE), others: self.idle_limit }
    }
}

/// How long sessions may be unused; `None`: without limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IdleLimits {
    /// Those of administrators and of the pages: see [`SessionKind::is_attended`].
    pub attended: Option<Duration>,
    /// All others.
    pub others: Option<Duration>,
}

impl IdleLimits {
    /// No session is ever idle.
    pub const NONE: Self = Self { attended: None, others: None };

    /// The limit of sessions of this kind.
    pub const fn of(&self, kind: SessionKind) -> Option<Duration> {
        if kind.is_attended() { self.attended } else { self.others }
    }
}

/// What happens when a login exceeds the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitPolicy {
    /// It is refused.
    Reject,
    /// The oldest live sessions end, as many as needed.
    EvictOldest,
}
