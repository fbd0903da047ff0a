//! The rows of an import: a million of them must not take more than seconds, so each database
//! has its own fastest way.

use std::collections::HashMap;

use diesel::{QueryResult, RunQueryDsl};

use super::super::any::{AnyConnection, on_each};
use super::super::users::move_identity;
use super::{Clash, Prepared};
use crate::domain::audit::AuditContext;
use crate::domain::import::ImportData;

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

/// The number of rows in one statement on Postgres.
#[cfg(feature = "postgres")]
const CHUNK: usize = 5_000;

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
    let known = known_users(any, data)?;
    for user in &data.users {
        if known.ids.contains(&user.id.0) {
            clashes.push(Clash::Id(user.id));
        }
        if known.names.contains(&user.username) {
            clashes.push(Clash::Username(user.username.clone()));
        }
    }
    let digests = known_digests(any, data)?;
    for (index, token) in data.tokens.iter().enumerate() {
        if digests.contains(token.digest.as_bytes().as_slice()) {
            clashes.push(Clash::Token { number: index + 1, user: token.user });
        }
    }
    Ok(clashes)
}

#[derive(Default)]
struct KnownUsers {
    ids: std::collections::HashSet<i64>,
    names: std::collections::HashSet<String>,
}

fn known_users(any: &mut AnyConnection, data: &ImportData) -> QueryResult<KnownUsers> {
    // Postgres refuses values with a NUL; such names were reported before.
    let askable = |name: &String| !name.contains('\0');
    on_each!(any,
        sqlite(c) => {
            let mut known = KnownUsers::default();
            for user in &data.users {
                known.ids.extend(sqlite::FindId { id: user.id.0 }.load::<i64>(c)?);
                if askable(&user.username) {
                    known.names.extend(sqlite::FindName { username: user.username.clone() }.load::<String>(c)?);
                }
            }
            Ok(known)
        },
        postgres(c) => {
            let mut known = KnownUsers::default();
            for users in data.users.chunks(CHUNK) {
                let ids = users.iter().map(|user| user.id.0).collect();
                known.ids.extend(postgres::FindIds { ids }.load::<i64>(c)?);
                let names = users.iter().map(|user| user.username.clone()).filter(askable).collect();
                known.names.extend(postgres::FindNames { names }.load::<String>(c)?);
            }
            Ok(known)
        },
    )
}

fn known_digests(any: &mut AnyConnection, data: &ImportData) -> QueryResult<std::collections::HashSet<Vec<u8>>> {
    let mut known = std::collections::HashSet::new();
    on_each!(any,
        sqlite(c) => {
            for token in &data.tokens {
                known.extend(sqlite::FindDigest { digest: *token.digest.as_bytes() }.load::<Vec<u8>>(c)?);
            }
        },
        postgres(c) => {
            for tokens in data.tokens.chunks(CHUNK) {
                let digests = tokens.iter().map(|token| *token.digest.as_bytes()).collect();
                known.extend(postgres::FindDigests { digests }.load::<Vec<u8>>(c)?);
            }
        },
    );
    Ok(known)
}

/// For each key of an imported name, one existing name with that key.
pub(super) fn names_by_key(any: &mut AnyConnection, prepared: &Prepared<'_>) -> QueryResult<HashMap<String, String>> {
    let mut names = HashMap::new();
    on_each!(any,
        sqlite(c) => {
            for (_, key) in &prepared.users {
                names.extend(sqlite::FindKey { key: key.clone() }.load::<(String, String)>(c)?);
            }
        },
        postgres(c) => {
            for users in prepared.users.chunks(CHUNK) {
                let keys = users.iter().map(|(_, key)| key.clone()).collect();
                names.extend(postgres::FindKeys { keys }.load::<(String, String)>(c)?);
            }
        },
    );
    Ok(names)
}

/// Adds the users, and an audit event for each; the next free number comes after theirs.
pub(super) fn insert_users(any: &mut AnyConnection, prepared: &Prepared<'_>, audit: &AuditContext) -> QueryResult<()> {
    on_each!(&mut *any,
        sqlite(c) => sqlite::insert_users(c, prepared, audit)?,
        postgres(c) => postgres::insert_users(c, prepared, audit)?,
    );
    match prepared.users.iter().map(|(user, _)| user.id.0).max() {
        Some(greatest) if greatest > 0 => move_identity(any, greatest),
        Some(_) | None => Ok(()),
    }
}

/// Adds the tokens, each with its session.
pub(super) fn insert_tokens(any: &mut AnyConnection, prepared: &Prepared<'_>, audit: &AuditContext) -> QueryResult<()> {
    on_each!(any,
        sqlite(c) => sqlite::insert_tokens(c, prepared, audit),
        postgres(c) => postgres::insert_tokens(c, prepared, audit),
    )
}
