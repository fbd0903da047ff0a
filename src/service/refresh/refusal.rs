//! Why a token was not verified or refreshed.

use std::time::Duration;

use crate::domain::session::Refusal;
use crate::service::Unavailable;

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusal {
    /// It was issued here, and has expired.
    Expired,
    /// Its user is not active.
    InactiveUser,
    /// An access token where a refresh token is required, or the reverse.
    WrongKind,
    /// The login was too long ago for another refresh.
    WindowOver,
    /// It is not good. Clients do not get the reason, which is for the log.
    Bad(BadToken),
}

/// Why a token is not good, where all reasons are answered alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadToken {
    /// As a check would refuse it.
    Refused(Refusal),
    /// Its session belongs to another dialect.
    OtherDialect,
    /// The dialect's tokens cannot be refreshed.
    NotRefreshable,
    /// It was used again after the grace time, and its session is ended.
    Reused,
}

impl BadToken {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.as_str(),
            Self::OtherDialect => "other_dialect",
            Self::NotRefreshable => "not_refreshable",
            Self::Reused => "refresh_reused",
        }
    }
}

impl TokenRefusal {
    /// A short name for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::InactiveUser => "inactive_user",
            Self::WrongKind => "wrong_kind",
            Self::WindowOver => "window_over",
            Self::Bad(reason) => reason.as_str(),
        }
    }
}

/// Why a token was not verified or refreshed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenError {
    /// The token is refused.
    Refused(TokenRefusal),
    /// The session was refreshed too often; try again after this time.
    Throttled(Duration),
    /// Unknown at the moment. This is not a refusal.
    Unavailable(Unavailable),
}

impl From<Unavailable> for TokenError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

pub(super) const fn refused(reason: BadToken) -> TokenError {
    TokenError::Refused(TokenRefusal::Bad(reason))
}

pub(in crate::service) const fn bad(refusal: Refusal) -> TokenError {
    refused(BadToken::Refused(refusal))
}

pub(super) const fn token_error(refusal: Refusal) -> TokenError {
    TokenError::Refused(match refusal {
        Refusal::Expired => TokenRefusal::Expired,
        Refusal::InactiveUser => TokenRefusal::InactiveUser,
        Refusal::WrongKind => TokenRefusal::WrongKind,
        Refusal::Malformed
        | Refusal::Unknown
        | Refusal::SessionEnded
        | Refusal::OldEpoch
        | Refusal::Idle
        | Refusal::Consumed => TokenRefusal::Bad(BadToken::Refused(refusal)),
    })
}
