//! The rows of an import, many in a statement: a million of them must not take more than minutes.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::super::any::{AnyConnection, on_each};
use super::super::rows::storable;
use super::super::schema::{audit_events, session_cutoff, sessions, tokens, users};
use super::super::users::move_identity;
use super::{Clash, Prepared};
use crate::domain::audit::AuditContext;
use crate::domain::dialect::Dialect;
use crate::domain::import::ImportData;
use crate::domain::time::Timestamp;
use crate::domain::token::TokenKind;

/// The number of rows in one statement. With up to 11 values each, they are fewer than the 32,766 that SQLite takes.
const CHUNK: usize = 2_000;

/// Adds rows in one statement. diesel has none with several rows for a connection to either database.
macro_rules! insert {
    ($any:expr, $table:expr, $rows:expr) => {{
        let insert = diesel::insert_into($table).values($rows.collect::<Vec<_>>());
        on_each!(&mut *$any, sqlite(c) => insert.execute(c)?, postgres(c) => insert.execute(c)?)
    }};
}

/// A large import may take longer than any request.
pub(super) fn lift_time_outs(any: &mut AnyConnection) -> QueryResult<()> {
    on_each!(any,
        sqlite(_c) => Ok(()),
        postgres(c) => {
            diesel::connection::SimpleConnection::batch_execute(
                c,
                "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0",
            )
        },
    )
}

/// The parts of the data that the database already has.
pub(super) fn clashes(any: &mut AnyConnection, data: &ImportData) -> QueryResult<Vec<Clash>> {
    let mut clashes = Vec::new();
    let (mut ids, mut names, mut digests) = (HashSet::new(), HashSet::new(), HashSet::new());
    for chunk in data.users.chunks(CHUNK) {
        let wanted = chunk.iter().map(|user| user.id.0);
        ids.extend(users::table.filter(users::id.eq_any(wanted)).select(users::id).load::<i64>(any)?);
        // Postgres refuses values with a NUL; such names were reported before.
        let wanted = chunk.iter().map(|user| user.username.as_str()).filter(|name| !name.contains('\0'));
        let found = users::table.filter(users::username.eq_any(wanted)).select(users::username);
        names.extend(found.load::<String>(any)?);
    }
    for chunk in data.tokens.chunks(CHUNK) {
        let wanted = chunk.iter().map(|token| token.digest.as_bytes().as_slice());
        let found = tokens::table.filter(tokens::digest.eq_any(wanted)).select(tokens::digest);
        digests.extend(found.load::<Vec<u8>>(any)?);
    }
    for user in &data.users {
        if ids.contains(&user.id.0) {
            clashes.push(Clash::Id(user.id));
        }
        if names.contains(&user.username) {
            clashes.push(Clash::Username(user.username.clone()));
        }
    }
    for (index, token) in data.tokens.iter().enumerate() {
        if digests.contains(token.digest.as_bytes().as_slice()) {
            clashes.push(Clash::Token { number: index + 1, user: token.user });
        }
    }
    Ok(clashes)
}

/// For each key of an imported name, one existing name with that key.
pub(super) fn names_by_key(any: &mut AnyConnection, prepared: &Prepared<'_>) -> QueryResult<HashMap<String, String>> {
    let mut names = HashMap::new();
    for chunk in prepared.users.chunks(CHUNK) {
        let found = users::table
            .filter(users::lookalike_key.eq_any(chunk.iter().map(|(_, key)| key)))
            .select((users::lookalike_key, users::username));
        names.extend(found.load::<(String, String)>(any)?);
    }
    Ok(names)
}

/// Adds the users, and an audit event for each; the next free number comes after theirs.
pub(super) fn insert_users(any: &mut AnyConnection, prepared: &Prepared<'_>, audit: &AuditContext) -> QueryResult<()> {
    let (event, actor, address) = (audit.event.as_str(), audit.actor.to_string(), audit.origin.address_text());
    let [user_agent, request_id] =
        [&audit.origin.user_agent, &audit.origin.request_id].map(|text| storable(text.as_deref()));
    let detail = audit.detail.as_ref().map(ToString::to_string);
    for chunk in prepared.users.chunks(CHUNK) {
        let rows = chunk.iter().map(|(user, key)| {
            (
                users::id.eq(user.id.0),
                users::username.eq(&user.username),
                users::lookalike_key.eq(key),
                users::email.eq(&user.email),
                users::password_hash.eq(user.password.expose()),
                users::is_active.eq(user.is_active),
                users::is_staff.eq(user.is_staff),
                users::is_admin.eq(user.is_admin),
                users::last_login.eq(user.last_login.map(Timestamp::as_micros)),
                users::created.eq(user.created.unwrap_or(audit.at).as_micros()),
            )
        });
        insert!(any, users::table, rows);
        let events = chunk.iter().map(|(user, _)| {
            (
                audit_events::at.eq(audit.at.as_micros()),
                audit_events::event.eq(event),
                audit_events::actor.eq(&actor),
                audit_events::user_id.eq(user.id.0),
                audit_events::address.eq(&address),
                audit_events::user_agent.eq(&user_agent),
                audit_events::request_id.eq(&request_id),
                audit_events::detail.eq(&detail),
            )
        });
        insert!(any, audit_events::table, events);
    }
    match prepared.users.iter().map(|(user, _)| user.id.0).max() {
        Some(greatest) if greatest > 0 => move_identity(any, greatest),
        Some(_) | None => Ok(()),
    }
}

/// Adds the tokens, each with its session, last used now, since the real time is unknown.
pub(super) fn insert_tokens(any: &mut AnyConnection, prepared: &Prepared<'_>, audit: &AuditContext) -> QueryResult<()> {
    // Read once: whatever ends all sessions meanwhile ends all of these.
    let epoch: i64 = session_cutoff::table.find(1).select(session_cutoff::epoch).first(any)?;
    let (at, reason, actor) = (audit.at.as_micros(), audit.event.as_str(), audit.actor.to_string());
    for chunk in prepared.tokens.chunks(CHUNK) {
        let rows = chunk.iter().map(|(token, session, is_active)| {
            let ended = !is_active;
            (
                sessions::id.eq(session.as_bytes().as_slice()),
                sessions::user_id.eq(token.user.0),
                sessions::kind.eq(Dialect::Knox.as_str()),
                sessions::created.eq(token.created.as_micros()),
                sessions::last_seen.eq(at),
                sessions::auth_epoch.eq(epoch),
                sessions::opened_reason.eq(reason),
                sessions::opened_by.eq(&actor),
                sessions::ended_at.eq(ended.then_some(at)),
                sessions::ended_reason.eq(ended.then_some(reason)),
                sessions::ended_by.eq(ended.then_some(&actor)),
            )
        });
        insert!(any, sessions::table, rows);
        let rows = chunk.iter().map(|(token, session, _)| {
            (
                tokens::digest.eq(token.digest.as_bytes().as_slice()),
                tokens::session_id.eq(session.as_bytes().as_slice()),
                tokens::kind.eq(TokenKind::Access.as_str()),
                tokens::created.eq(token.created.as_micros()),
                tokens::expires.eq(token.expires.map(Timestamp::as_micros)),
            )
        });
        insert!(any, tokens::table, rows);
    }
    Ok(())
}
