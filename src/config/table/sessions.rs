//! Settings of how much one session may have.

use super::{Setting, plain};

/// How many access tokens a session keeps.
pub static SESSION_ACCESS_TOKENS: Setting = plain(
    "KNOXIDE_SESSION_ACCESS_TOKENS",
    "50",
    "number, 1 to 10000, or none",
    "How many access tokens a session keeps when it is refreshed: of more, expired ones are deleted first, then the oldest. \
     Refresh tokens and tokens that were consumed are never deleted for that.",
);
/// How often a session may be refreshed at once.
pub static REFRESH_BURST: Setting = plain(
    "KNOXIDE_REFRESH_BURST",
    "60",
    "number, 1 to 1000000, or none",
    "How many times a session may be refreshed at once. Beyond that a refresh is answered with 429 and `Retry-After`, and \
     the session lives on. Each node counts for itself. With `none` there is no limit.",
);
/// How soon a session may be refreshed again.
pub static REFRESH_INTERVAL: Setting = plain(
    "KNOXIDE_REFRESH_INTERVAL",
    "10s",
    "duration, 1ms to 1h",
    "Once a session has used up `KNOXIDE_REFRESH_BURST`, it may be refreshed once more each time this has passed.",
);
