//! Rows as values of the domain.

use std::sync::Arc;

use diesel::QueryResult;

use super::error::unreadable;
use crate::domain::session::{Session, SessionId, SessionKind, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenDigest, TokenKind};
use crate::domain::user::{Account, Epoch, PasswordHash, User, UserId};

/// A row of [`super::hot::TokenColumns`].
pub(super) type TokenRow = (
    Vec<u8>,
    String,
    i64,
    Option<i64>,
    Option<i64>,
    Vec<u8>,
    String,
    i64,
    i64,
    i64,
    Option<i64>,
    i64,
    String,
    String,
    bool,
    bool,
    bool,
    i64,
);

/// A row of [`super::hot::AccountColumns`].
pub(super) type AccountRow = (i64, String, String, bool, bool, bool, i64, String);

/// The record of a digest from its row.
pub(super) fn token_record(row: TokenRow) -> QueryResult<(TokenDigest, TokenRecord)> {
    let (digest, kind, made, expires, consumed, session, opened_as, created, last_seen, epoch, ended, user, ..) = row;
    let (.., username, email, is_active, is_staff, is_admin, user_epoch) = row;
    let opened_as = kind_named(&opened_as)?;
    let digest = <[u8; 64]>::try_from(digest).map_err(|_| unreadable("tokens.digest"))?;
    let record = TokenRecord {
        kind: opened_as.use_of(TokenKind::from_name(&kind).ok_or_else(|| unreadable("tokens.kind"))?),
        created: Timestamp::from_micros(made),
        expires: expires.map(Timestamp::from_micros),
        consumed: consumed.map(Timestamp::from_micros),
        session: Session {
            id: session_id(&session)?,
            kind: opened_as,
            created: Timestamp::from_micros(created),
            last_seen: Timestamp::from_micros(last_seen),
            epoch: Epoch(epoch),
            ended: ended.map(Timestamp::from_micros),
        },
        user: Arc::new(User {
            id: UserId(user),
            username,
            email,
            is_active,
            is_staff,
            is_admin,
            epoch: Epoch(user_epoch),
        }),
    };
    Ok((TokenDigest::from_bytes(digest), record))
}

/// An account from its row.
pub(super) fn account(row: AccountRow) -> Account {
    let (id, username, email, is_active, is_staff, is_admin, epoch, hash) = row;
    Account {
        user: User { id: UserId(id), username, email, is_active, is_staff, is_admin, epoch: Epoch(epoch) },
        password: PasswordHash::from_stored(hash),
    }
}

/// A stored session id.
pub(super) fn session_id(bytes: &[u8]) -> QueryResult<SessionId> {
    <[u8; 16]>::try_from(bytes).map(SessionId::from_bytes).map_err(|_| unreadable("sessions.id"))
}

/// The stored kind of a session.
pub(super) fn kind_named(name: &str) -> QueryResult<SessionKind> {
    SessionKind::from_name(name).ok_or_else(|| unreadable("sessions.kind"))
}

/// Descriptive text from outside: NUL, which Postgres cannot store, is replaced.
pub(super) fn storable(text: Option<&str>) -> Option<String> {
    text.map(|text| text.replace('\0', "\u{fffd}"))
}
