//! Sessions, and the one function that decides whether a token is good.

mod kind;
mod schema;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

pub use self::kind::SessionKind;
use crate::domain::audit::Event;
use crate::domain::time::Timestamp;
use crate::domain::token::TokenKind;
use crate::domain::user::{Epoch, User, UserId};

/// A session's identifier: a UUID v7, so that ids sort by the time of login. Not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(inline, extend("format" = "uuid"))]
pub struct SessionId(#[schemars(with = "String")] Uuid);

impl SessionId {
    /// A new id from the time of login and ten random bytes.
    pub fn new(at: Timestamp, random: &[u8; 10]) -> Self {
        let millis = u64::try_from(at.as_micros() / 1000).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid())
    }

    /// The least of all ids that [`Self::new`] makes at this moment or later: the time of login bounds the id.
    pub const fn first_at(at: Timestamp) -> Self {
        let millis = at.as_micros().div_euclid(1000);
        let [_, _, a, b, c, d, e, f] = (if millis < 0 { 0 } else { millis }).to_be_bytes();
        Self(Uuid::from_bytes([a, b, c, d, e, f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
    }

    /// The time of login that the id begins with, to the millisecond.
    pub const fn opened(self) -> Timestamp {
        let [a, b, c, d, e, f, ..] = *self.as_bytes();
        Timestamp::from_micros(i64::from_be_bytes([0, 0, a, b, c, d, e, f]) * 1000)
    }

    /// The id with these 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes under which the id is stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// A buffer for the hyphenated form.
    pub(crate) const fn space() -> [u8; 36] {
        [0; 36]
    }

    /// Writes the hyphenated form, which is also that of `Display`.
    pub(crate) fn write(self, into: &mut [u8; 36]) -> &str {
        self.0.hyphenated().encode_lower(into)
    }

    /// Reads the hyphenated form.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// One login on one device: the fields that a check needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Session {
    /// The session's id.
    pub id: SessionId,
    /// What it was opened for: a dialect, administration, or pages.
    #[serde(rename = "dialect")]
    pub kind: SessionKind,
    /// When it was opened.
    pub created: Timestamp,
    /// When it was last used. Uses of the last touch interval may be missing.
    pub last_seen: Timestamp,
    /// The user's epoch when the session was opened, or when it was kept at a password change.
    #[serde(skip)]
    pub epoch: Epoch,
    /// When the session ended; `None` also if it is over only because its user is inactive.
    pub ended: Option<Timestamp>,
}

impl Session {
    /// Whether it was live until its user was deactivated, which raises the epoch by one.
    fn ended_with(&self, user: &User) -> bool {
        !user.is_active && self.epoch.0.checked_add(1) == Some(user.epoch.0)
    }
}

/// What the store knows about a token, whatever its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// What the token can be used for.
    pub kind: TokenKind,
    /// When it was issued.
    pub created: Timestamp,
    /// When it expires; `None`: never.
    pub expires: Option<Timestamp>,
    /// When it was consumed: a successor has replaced it.
    pub consumed: Option<Timestamp>,
    /// The session it belongs to.
    pub session: Session,
    /// The session's user, as of the same read.
    pub user: Arc<User>,
}

/// Why a token is not good. The reply to the client depends on the dialect; the exact reason
/// goes to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It cannot be a token.
    Malformed,
    /// No such token: never issued, logged out, or its user was deleted.
    Unknown,
    /// It has expired.
    Expired,
    /// Its user is not active.
    InactiveUser,
    /// Its session was ended.
    SessionEnded,
    /// All sessions of its user were ended.
    OldEpoch,
    /// Its session was not used for too long.
    Idle,
    /// A refresh token where an access token is required, or the reverse.
    WrongKind,
    /// A successor has replaced it.
    Consumed,
}

impl Refusal {
    /// A short name for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::InactiveUser => "inactive_user",
            Self::SessionEnded => "session_ended",
            Self::OldEpoch => "old_epoch",
            Self::Idle => "idle",
            Self::WrongKind => "wrong_kind",
            Self::Consumed => "consumed",
        }
    }
}

/// Proof that a token was found good: by [`judge`], or, at a refresh or a logout, by having been consumed
/// within the grace time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The user.
    pub user: Arc<User>,
    /// The session.
    pub session: Session,
    /// When the token was issued.
    pub issued: Timestamp,
    /// When the token expires; `None`: never.
    pub expires: Option<Timestamp>,
}

impl Verified {
    /// For a token whose record was checked without [`judge`].
    pub(crate) fn of(record: &TokenRecord) -> Self {
        let TokenRecord { created, expires, session, user, .. } = record;
        Self { user: Arc::clone(user), session: session.clone(), issued: *created, expires: *expires }
    }
}

/// Decides whether a presented token is good, in this order: unknown, ended session, old epoch, expired,
/// wrong kind, inactive user, idle, consumed. `wanted` is `None` where both kinds are accepted.
///
/// Ended sessions and old epochs come first: their tokens are deleted sooner or later, so those that still exist are
/// refused as if they were deleted already. The exception is a session that was live until its user was deactivated:
/// its client learns that the user is inactive.
///
/// A token has expired from the exact microsecond of its expiry on, and is idle once its session has been unused for
/// longer than `idle_limit`.
///
/// # Errors
/// The first reason that applies.
pub fn judge(
    record: Option<&TokenRecord>,
    wanted: Option<TokenKind>,
    now: Timestamp,
    idle_limit: Option<Duration>,
) -> Result<Verified, Refusal> {
    let Some(record) = record else { return Err(Refusal::Unknown) };
    let TokenRecord { kind, expires, consumed, session, user, .. } = record;
    if session.ended.is_some() {
        Err(Refusal::SessionEnded)
    } else if session.epoch != user.epoch && !session.ended_with(user) {
        Err(Refusal::OldEpoch)
    } else if expires.is_some_and(|end| end <= now) {
        Err(Refusal::Expired)
    } else if wanted.is_some_and(|wanted| *kind != wanted) {
        Err(Refusal::WrongKind)
    } else if !user.is_active {
        Err(Refusal::InactiveUser)
    } else if idle_limit.is_some_and(|limit| now.since(session.last_seen) > limit) {
        Err(Refusal::Idle)
    } else if consumed.is_some() {
        Err(Refusal::Consumed)
    } else {
        Ok(Verified::of(record))
    }
}

/// A session as it is listed, for its owner or an administrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SessionEntry {
    /// The session's state.
    #[serde(flatten)]
    pub session: Session,
    /// Its user.
    pub user_id: UserId,
    /// The user's name.
    pub username: String,
    /// Its name, for example that of a script's token.
    pub name: Option<String>,
    /// The latest expiry of its tokens; `None` if one of them never expires.
    pub expires: Option<Timestamp>,
    /// The address it was opened from.
    pub address: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// Why it ended.
    pub end_reason: Option<Event>,
    /// Who ended it.
    pub ended_by: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dialect::Dialect;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    fn record() -> TokenRecord {
        TokenRecord {
            kind: TokenKind::Access,
            created: Timestamp::EPOCH,
            expires: None,
            consumed: None,
            session: Session {
                id: SessionId::new(Timestamp::EPOCH, &[7; 10]),
                kind: Dialect::Knox.into(),
                created: Timestamp::EPOCH,
                last_seen: Timestamp::EPOCH,
                epoch: Epoch(3),
                ended: None,
            },
            user: Arc::new(User {
                id: UserId(1),
                username: "alice".to_owned(),
                email: String::new(),
                is_active: true,
                is_staff: false,
                is_admin: false,
                epoch: Epoch(3),
            }),
        }
    }

    fn verdict(change: impl FnOnce(&mut TokenRecord)) -> Result<Verified, Refusal> {
        let mut record = record();
        change(&mut record);
        judge(Some(&record), Some(TokenKind::Access), NOW, Some(Duration::from_secs(1000)))
    }

    #[test]
    fn a_live_token_is_good() {
        assert_eq!(verdict(|_| {}).map(|v| v.user.username.clone()), Ok("alice".to_owned()));
    }

    #[test]
    fn each_reason_refuses() {
        assert_eq!(judge(None, Some(TokenKind::Access), NOW, None), Err(Refusal::Unknown));
        assert_eq!(verdict(|r| r.expires = Some(NOW)), Err(Refusal::Expired));
        assert_eq!(verdict(|r| Arc::make_mut(&mut r.user).is_active = false), Err(Refusal::InactiveUser));
        assert_eq!(verdict(|r| r.session.ended = Some(NOW)), Err(Refusal::SessionEnded));
        assert_eq!(verdict(|r| Arc::make_mut(&mut r.user).epoch = Epoch(4)), Err(Refusal::OldEpoch));
        assert_eq!(verdict(|r| Arc::make_mut(&mut r.user).epoch = Epoch(2)), Err(Refusal::OldEpoch));
        assert_eq!(verdict(|r| r.session.last_seen = Timestamp::from_micros(-1)), Err(Refusal::Idle));
        assert_eq!(verdict(|r| r.kind = TokenKind::Refresh), Err(Refusal::WrongKind));
        assert_eq!(verdict(|r| r.consumed = Some(NOW)), Err(Refusal::Consumed));
    }

    #[test]
    fn boundaries_are_exact() {
        let later = Timestamp::from_micros(NOW.as_micros() + 1);
        assert!(verdict(|r| r.expires = Some(later)).is_ok());
        // Unused for exactly the limit is not yet too long.
        assert!(verdict(|r| r.session.last_seen = Timestamp::EPOCH).is_ok());
    }

    #[test]
    fn an_expired_token_of_an_inactive_user_is_expired() {
        let both = verdict(|r| {
            r.expires = Some(NOW);
            Arc::make_mut(&mut r.user).is_active = false;
        });
        assert_eq!(both, Err(Refusal::Expired));
    }

    #[test]
    fn what_was_over_before_answers_as_if_it_were_gone() {
        let over = |change: fn(&mut TokenRecord)| {
            verdict(|r| {
                r.expires = Some(NOW);
                r.kind = TokenKind::Refresh;
                Arc::make_mut(&mut r.user).is_active = false;
                change(r);
            })
        };
        assert_eq!(over(|r| r.session.ended = Some(NOW)), Err(Refusal::SessionEnded));
        assert_eq!(over(|r| r.session.epoch = Epoch(1)), Err(Refusal::OldEpoch));
        // Deactivated while the session was live, by us or by SQL that did not raise the epoch.
        for epoch in [2, 3] {
            let deactivated = verdict(|r| {
                r.session.epoch = Epoch(epoch);
                Arc::make_mut(&mut r.user).is_active = false;
            });
            assert_eq!(deactivated, Err(Refusal::InactiveUser), "{epoch}");
        }
    }
}
