//! Thousands of rows in one round trip, as arrays.

use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};
use diesel::{PgConnection, QueryResult, RunQueryDsl};

use super::super::super::hot::{CUTOFF_EPOCH, statement};
use super::super::super::rows::storable;
use super::super::Prepared;
use super::CHUNK;
use crate::domain::audit::AuditContext;
use crate::domain::dialect::Dialect;
use crate::domain::time::Timestamp;
use crate::domain::token::TokenKind;

statement! {
    /// Which numbers are taken.
    FindIds { ids: Vec<i64> as Array<BigInt> } -> BigInt,
    ["SELECT id FROM users WHERE id = ANY(", ids, ")"]
}

statement! {
    /// Which names are taken.
    FindNames { names: Vec<String> as Array<Text> } -> Text,
    ["SELECT username FROM users WHERE username = ANY(", names, ")"]
}

statement! {
    /// Which tokens exist.
    FindDigests { digests: Vec<[u8; 64]> as Array<Binary> } -> Binary,
    ["SELECT digest FROM tokens WHERE digest = ANY(", digests, ")"]
}

statement! {
    /// The users with these look-alike keys.
    FindKeys { keys: Vec<String> as Array<Text> } -> (Text, Text),
    ["SELECT lookalike_key, username FROM users WHERE lookalike_key = ANY(", keys, ")"]
}

statement! {
    /// Imported users.
    InsertUsers {
        ids: Vec<i64> as Array<BigInt>, usernames: Vec<String> as Array<Text>, keys: Vec<String> as Array<Text>,
        emails: Vec<String> as Array<Text>, hashes: Vec<String> as Array<Text>, actives: Vec<bool> as Array<Bool>,
        staffs: Vec<bool> as Array<Bool>, admins: Vec<bool> as Array<Bool>,
        logins: Vec<Option<i64>> as Array<Nullable<BigInt>>,
        created: Vec<i64> as Array<BigInt>,
    },
    [
        "INSERT INTO users (id, username, lookalike_key, email, password_hash, is_active, is_staff, is_admin, \
         last_login, created) SELECT * FROM unnest(",
        ids, ", ", usernames, ", ", keys, ", ", emails, ", ", hashes, ", ", actives, ", ", staffs, ", ", admins, ", ", logins, ", ",
        created, ")",
    ]
}

statement! {
    /// An audit event for each of many users.
    InsertAudits {
        at: i64 as BigInt, event: String as Text, actor: String as Text, address: Option<String> as Nullable<Text>,
        request_id: Option<String> as Nullable<Text>, users: Vec<i64> as Array<BigInt>,
    },
    [
        "INSERT INTO audit_events (at, event, actor, address, request_id, user_id) SELECT ",
        at, ", ", event, ", ", actor, ", ", address, ", ", request_id, ", v.id FROM unnest(", users, ") AS v(id)",
    ]
}

statement! {
    /// Sessions for imported tokens, last used now, since the real time is unknown.
    InsertSessions {
        dialect: String as Text, seen: i64 as BigInt, reason: String as Text, actor: String as Text,
        ids: Vec<[u8; 16]> as Array<Binary>, users: Vec<i64> as Array<BigInt>, created: Vec<i64> as Array<BigInt>,
        ended: Vec<bool> as Array<Bool>,
    },
    [
        "INSERT INTO sessions (id, user_id, kind, created, last_seen, auth_epoch, opened_reason, opened_by, \
         ended_at, ended_reason, ended_by) SELECT v.id, v.user_id, c.dialect, v.created, c.seen, ", (CUTOFF_EPOCH), ", c.reason, \
         c.actor, CASE WHEN v.ended THEN c.seen END, CASE WHEN v.ended THEN c.reason END, \
         CASE WHEN v.ended THEN c.actor END FROM (SELECT ",
        dialect, " AS dialect, ", seen, " AS seen, ", reason, " AS reason, ", actor, " AS actor) AS c, unnest(",
        ids, ", ", users, ", ", created, ", ", ended, ") AS v(id, user_id, created, ended)",
    ]
}

statement! {
    /// Imported tokens.
    InsertTokens {
        kind: String as Text, digests: Vec<[u8; 64]> as Array<Binary>, sessions: Vec<[u8; 16]> as Array<Binary>,
        created: Vec<i64> as Array<BigInt>, expires: Vec<Option<i64>> as Array<Nullable<BigInt>>,
    },
    [
        "INSERT INTO tokens (kind, digest, session_id, created, expires) SELECT ", kind, ", v.* FROM unnest(",
        digests, ", ", sessions, ", ", created, ", ", expires, ") AS v",
    ]
}

pub(super) fn insert_users(c: &mut PgConnection, prepared: &Prepared<'_>, audit: &AuditContext) -> QueryResult<()> {
    for users in prepared.users.chunks(CHUNK) {
        let ids: Vec<i64> = users.iter().map(|(user, _)| user.id.0).collect();
        InsertUsers {
            ids: ids.clone(),
            usernames: users.iter().map(|(user, _)| user.username.clone()).collect(),
            keys: users.iter().map(|(_, key)| key.clone()).collect(),
            emails: users.iter().map(|(user, _)| user.email.clone()).collect(),
            hashes: users.iter().map(|(user, _)| user.password.expose().to_owned()).collect(),
            actives: users.iter().map(|(user, _)| user.is_active).collect(),
            staffs: users.iter().map(|(user, _)| user.is_staff).collect(),
            admins: users.iter().map(|(user, _)| user.is_admin).collect(),
            logins: users.iter().map(|(user, _)| user.last_login.map(Timestamp::as_micros)).collect(),
            created: users.iter().map(|(user, _)| user.created.unwrap_or(audit.at).as_micros()).collect(),
        }
        .execute(c)?;
        InsertAudits {
            at: audit.at.as_micros(),
            event: audit.event.as_str().to_owned(),
            actor: audit.actor.to_string(),
            address: audit.origin.address_text(),
            request_id: storable(audit.origin.request_id.as_deref()),
            users: ids,
        }
        .execute(c)?;
    }
    Ok(())
}

pub(super) fn insert_tokens(c: &mut PgConnection, prepared: &Prepared<'_>, audit: &AuditContext) -> QueryResult<()> {
    for tokens in prepared.tokens.chunks(CHUNK) {
        let sessions: Vec<[u8; 16]> = tokens.iter().map(|(_, session, _)| *session.as_bytes()).collect();
        let created: Vec<i64> = tokens.iter().map(|(token, ..)| token.created.as_micros()).collect();
        InsertSessions {
            dialect: Dialect::Knox.as_str().to_owned(),
            seen: audit.at.as_micros(),
            reason: audit.event.as_str().to_owned(),
            actor: audit.actor.to_string(),
            ids: sessions.clone(),
            users: tokens.iter().map(|(token, ..)| token.user.0).collect(),
            created: created.clone(),
            ended: tokens.iter().map(|(.., is_active)| !is_active).collect(),
        }
        .execute(c)?;
        InsertTokens {
            kind: TokenKind::Access.as_str().to_owned(),
            digests: tokens.iter().map(|(token, ..)| *token.digest.as_bytes()).collect(),
            sessions,
            created,
            expires: tokens.iter().map(|(token, ..)| token.expires.map(Timestamp::as_micros)).collect(),
        }
        .execute(c)?;
    }
    Ok(())
}
