//! Imports of users and knox tokens: all of them, or nothing.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha512};

use super::any::{AnyConnection, Ending};
use super::{DieselStore, lists};
use crate::domain::audit::AuditContext;
use crate::domain::import::{ImportData, ImportToken, ImportUser};
use crate::domain::session::SessionId;
use crate::domain::user::{UserId, email_key, lookalike_key};
use crate::store::{Clash, ImportError, ImportReport, StoreResult};

mod rows;

/// Data without contradictions, ready to be written.
pub(super) struct Prepared<'a> {
    pub(super) users: Vec<(&'a ImportUser, String)>,
    pub(super) tokens: Vec<(&'a ImportToken, SessionId, bool)>,
}

impl DieselStore {
    /// See [`AdminStore::import`](crate::store::AdminStore::import).
    pub(super) fn import_all(&self, data: &ImportData, audit: &AuditContext) -> Result<ImportReport, ImportError> {
        let clashes = contradictions(data);
        let prepared = prepare(data);
        let outcome: StoreResult<Result<ImportReport, Vec<Clash>>> = self.admin(|connection| {
            connection.write_or_undo(|any| {
                rows::lift_time_outs(any)?;
                let mut found = clashes.clone();
                found.extend(rows::clashes(any, data)?);
                if !found.is_empty() {
                    return Ok(Ending::Undo(Err(found)));
                }
                write(any, &prepared, audit).map(|report| Ending::Keep(Ok(report)))
            })
        });
        outcome?.map_err(|mut found| {
            // A conflict that is in the data and in the database is reported once.
            let mut told = HashSet::new();
            found.retain(|clash| told.insert(clash.clone()));
            ImportError::Clashes(found)
        })
    }
}

fn write(any: &mut AnyConnection, prepared: &Prepared<'_>, audit: &AuditContext) -> diesel::QueryResult<ImportReport> {
    let lookalikes = lookalikes(rows::names_by_key(any, prepared)?, prepared);
    rows::insert_users(any, prepared, audit)?;
    rows::insert_tokens(any, prepared, audit)?;
    let emails: HashSet<String> = prepared.users.iter().map(|(user, _)| email_key(&user.email)).collect();
    let mut shared_emails = lists::shared_addresses(any)?;
    shared_emails.retain(|shared| emails.contains(&shared.email));
    Ok(ImportReport {
        users: prepared.users.len(),
        tokens: prepared.tokens.len(),
        ended: prepared.tokens.iter().filter(|(.., is_active)| !is_active).count(),
        lookalikes,
        shared_emails,
    })
}

/// Pairs every imported name with the first other one that has its look-alike key.
fn lookalikes(mut known: HashMap<String, String>, prepared: &Prepared<'_>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (user, key) in &prepared.users {
        match known.get(key) {
            Some(other) => pairs.push((user.username.clone(), other.clone())),
            None => {
                known.insert(key.clone(), user.username.clone());
            }
        }
    }
    pairs
}

/// The contradictions within the data.
fn contradictions(data: &ImportData) -> Vec<Clash> {
    let mut clashes = Vec::new();
    let (mut ids, mut names, mut digests) = (HashSet::new(), HashSet::new(), HashSet::new());
    for user in &data.users {
        if !ids.insert(user.id) {
            clashes.push(Clash::Id(user.id));
        }
        if !names.insert(user.username.as_str()) {
            clashes.push(Clash::Username(user.username.clone()));
        }
        if user.id.0 > Clash::GREATEST_ID {
            clashes.push(Clash::IdTooGreat(user.id));
        }
        if [&user.username, &user.email].iter().any(|text| text.chars().nth(Clash::LONGEST_TEXT).is_some()) {
            clashes.push(Clash::TooLong { user: user.id });
        }
        if [&user.username, &user.email].iter().any(|text| text.contains('\0')) || user.password.expose().contains('\0')
        {
            clashes.push(Clash::Nul(user.id));
        }
    }
    for (index, token) in data.tokens.iter().enumerate() {
        let (number, user) = (index + 1, token.user);
        if !ids.contains(&user) {
            clashes.push(Clash::Orphan { number, user });
        }
        if !digests.insert(token.digest) {
            clashes.push(Clash::Token { number, user });
        }
    }
    clashes
}

fn prepare(data: &ImportData) -> Prepared<'_> {
    let active: HashMap<UserId, bool> = data.users.iter().map(|user| (user.id, user.is_active)).collect();
    let tokens = data.tokens.iter().map(|token| {
        let is_active = active.get(&token.user).copied().unwrap_or(false);
        (token, session_of(token), is_active)
    });
    Prepared {
        users: data.users.iter().map(|user| (user, lookalike_key(&user.username))).collect(),
        tokens: tokens.collect(),
    }
}

/// A session id must be new, but not secret. It is shown, so it must reveal nothing about the
/// digest.
fn session_of(token: &ImportToken) -> SessionId {
    let hash =
        Sha512::new().chain_update(b"knoxide imported session ").chain_update(token.digest.as_bytes()).finalize();
    let mut unique = [0; 10];
    unique.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    SessionId::new(token.created, &unique)
}
