//! One prepared statement for each kind of row.

use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};

use super::super::super::audit::{About, insert};
use super::super::super::hot::{CUTOFF_EPOCH, InsertToken, statement};
use super::super::Prepared;
use crate::domain::audit::AuditContext;
use crate::domain::dialect::Dialect;
use crate::domain::time::Timestamp;
use crate::domain::token::TokenKind;

statement! {
    /// Whether the number is taken.
    FindId { id: i64 as BigInt } -> BigInt,
    ["SELECT id FROM users WHERE id = ", id]
}

statement! {
    /// Whether the name is taken.
    FindName { username: String as Text } -> Text,
    ["SELECT username FROM users WHERE username = ", username]
}

statement! {
    /// Whether the token exists.
    FindDigest { digest: [u8; 64] as Binary } -> Binary,
    ["SELECT digest FROM tokens WHERE digest = ", digest]
}

statement! {
    /// A user with this look-alike key.
    FindKey { key: String as Text } -> (Text, Text),
    ["SELECT lookalike_key, username FROM users WHERE lookalike_key = ", key]
}

statement! {
    /// An imported user.
    InsertUser {
        id: i64 as BigInt, username: String as Text, key: String as Text, email: String as Text,
        hash: String as Text, is_active: bool as Bool, is_staff: bool as Bool, is_admin: bool as Bool,
        last_login: Option<i64> as Nullable<BigInt>, created: i64 as BigInt,
    },
    [
        "INSERT INTO users (id, username, lookalike_key, email, password_hash, is_active, is_staff, is_admin, \
         last_login, created) VALUES (",
        id, ", ", username, ", ", key, ", ", email, ", ", hash, ", ", is_active, ", ", is_staff, ", ", is_admin, ", ", last_login,
        ", ", created, ")",
    ]
}

statement! {
    /// A session for an imported token, last used now, since the real time is unknown.
    InsertSession {
        id: [u8; 16] as Binary, user: i64 as BigInt, dialect: String as Text, created: i64 as BigInt,
        seen: i64 as BigInt, reason: String as Text, actor: String as Text,
        ended_at: Option<i64> as Nullable<BigInt>, ended_reason: Option<String> as Nullable<Text>,
        ended_by: Option<String> as Nullable<Text>,
    },
    [
        "INSERT INTO sessions (id, user_id, kind, created, last_seen, auth_epoch, opened_reason, opened_by, \
         ended_at, ended_reason, ended_by) VALUES (",
        id, ", ", user, ", ", dialect, ", ", created, ", ", seen, ", ", (CUTOFF_EPOCH), ", ", reason, ", ", actor, ", ", ended_at,
        ", ", ended_reason, ", ", ended_by, ")",
    ]
}

pub(super) fn insert_users(c: &mut SqliteConnection, prepared: &Prepared<'_>, audit: &AuditContext) -> QueryResult<()> {
    for (user, key) in &prepared.users {
        InsertUser {
            id: user.id.0,
            username: user.username.clone(),
            key: key.clone(),
            email: user.email.clone(),
            hash: user.password.expose().to_owned(),
            is_active: user.is_active,
            is_staff: user.is_staff,
            is_admin: user.is_admin,
            last_login: user.last_login.map(Timestamp::as_micros),
            created: user.created.unwrap_or(audit.at).as_micros(),
        }
        .execute(c)?;
        insert(audit.event, audit, About::user(user.id, None), 1).execute(c)?;
    }
    Ok(())
}

pub(super) fn insert_tokens(
    c: &mut SqliteConnection,
    prepared: &Prepared<'_>,
    audit: &AuditContext,
) -> QueryResult<()> {
    let (reason, actor) = (audit.event.as_str(), audit.actor.to_string());
    for (token, session, is_active) in &prepared.tokens {
        let ended = !is_active;
        InsertSession {
            id: *session.as_bytes(),
            user: token.user.0,
            dialect: Dialect::Knox.as_str().to_owned(),
            created: token.created.as_micros(),
            seen: audit.at.as_micros(),
            reason: reason.to_owned(),
            actor: actor.clone(),
            ended_at: ended.then(|| audit.at.as_micros()),
            ended_reason: ended.then(|| reason.to_owned()),
            ended_by: ended.then(|| actor.clone()),
        }
        .execute(c)?;
        InsertToken {
            digest: *token.digest.as_bytes(),
            session: *session.as_bytes(),
            kind: TokenKind::Access.as_str().to_owned(),
            created: token.created.as_micros(),
            expires: token.expires.map(Timestamp::as_micros),
            key: None,
        }
        .execute(c)?;
    }
    Ok(())
}
