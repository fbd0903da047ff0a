//! Rows as values of the domain.

use std::sync::Arc;

use diesel::{QueryResult, Queryable};

use super::error::unreadable;
use crate::domain::session::{Session, SessionId, SessionKind, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenDigest, TokenKind};
use crate::domain::user::{Account, Epoch, PasswordHash, User, UserId};

/// A row of [`super::hot::UserColumns`].
#[derive(Queryable)]
pub(super) struct UserRow {
    id: i64,
    username: String,
    email: String,
    is_active: bool,
    is_staff: bool,
    is_admin: bool,
    epoch: i64,
}

/// A row of [`super::hot::AccountColumns`].
#[derive(Queryable)]
pub(super) struct AccountRow {
    user: UserRow,
    password_hash: String,
}

/// A row of [`super::hot::TokenColumns`].
#[derive(Queryable)]
pub(super) struct TokenRow {
    digest: Vec<u8>,
    kind: String,
    created: i64,
    expires: Option<i64>,
    consumed: Option<i64>,
    session: SessionRow,
    user: UserRow,
}

/// The session of a row of [`super::hot::TokenColumns`].
#[derive(Queryable)]
pub(super) struct SessionRow {
    id: Vec<u8>,
    kind: String,
    created: i64,
    last_seen: i64,
    epoch: i64,
    ended: Option<i64>,
}

/// The record of a digest from its row.
pub(super) fn token_record(row: TokenRow) -> QueryResult<(TokenDigest, TokenRecord)> {
    let TokenRow { session, user, .. } = row;
    let opened_as = kind_named(&session.kind)?;
    let digest = <[u8; 64]>::try_from(row.digest).map_err(|_| unreadable("tokens.digest"))?;
    let record = TokenRecord {
        kind: opened_as.use_of(TokenKind::from_name(&row.kind).ok_or_else(|| unreadable("tokens.kind"))?),
        created: Timestamp::from_micros(row.created),
        expires: row.expires.map(Timestamp::from_micros),
        consumed: row.consumed.map(Timestamp::from_micros),
        session: Session {
            id: session_id(&session.id)?,
            kind: opened_as,
            created: Timestamp::from_micros(session.created),
            last_seen: Timestamp::from_micros(session.last_seen),
            epoch: Epoch(session.epoch),
            ended: session.ended.map(Timestamp::from_micros),
        },
        user: Arc::new(user.into()),
    };
    Ok((TokenDigest::from_bytes(digest), record))
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        let UserRow { id, username, email, is_active, is_staff, is_admin, epoch } = row;
        Self { id: UserId(id), username, email, is_active, is_staff, is_admin, epoch: Epoch(epoch) }
    }
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        Self { user: row.user.into(), password: PasswordHash::from_stored(row.password_hash) }
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
