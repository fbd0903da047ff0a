//! Signing keys, stored in the database so that all nodes agree.

use diesel::prelude::*;

use super::DieselStore;
use super::any::{AnyConnection, on_each};
use super::audit::{About, record};
use super::error::unreadable;
#[cfg(feature = "postgres")]
use super::hot::statement;
use super::schema::signing_keys;
use crate::domain::audit::AuditContext;
use crate::domain::jwt::{Algorithm, BadKey, KeyPurpose, KeySecret, StoredKey};
use crate::domain::random::Random;
use crate::domain::time::Timestamp;
use crate::store::{KeyEntry, KeyError, Retiring};
use crate::threads::at_lowest_priority;

#[cfg(feature = "postgres")]
statement! {
    /// Ensures that only one node at a time looks for missing keys; the number is arbitrary, and used only here.
    LockKeys {} -> diesel::sql_types::Text,
    ["SELECT pg_advisory_xact_lock(7741547852117042185)::text"]
}

struct Row {
    entry: KeyEntry,
    secret: Option<KeySecret>,
    fingerprint: Vec<u8>,
}

/// See [`AdminStore::load_keys`](crate::store::AdminStore::load_keys).
pub(super) fn load(store: &DieselStore, given: Option<&KeySecret>) -> Result<Vec<StoredKey>, KeyError> {
    let rows = store.read(read)?;
    check_secret(&rows, given)?;
    let in_use = rows.iter().filter(|row| row.entry.retired.is_none());
    Ok(in_use.filter_map(|row| stored(row, given)).collect())
}

/// See [`AdminStore::ensure_keys`](crate::store::AdminStore::ensure_keys).
pub(super) fn ensure(
    store: &DieselStore,
    algorithm: Algorithm,
    given: Option<&KeySecret>,
    random: &dyn Random,
    now: Timestamp,
) -> Result<Vec<StoredKey>, KeyError> {
    let needed = [KeyPurpose::Successors, KeyPurpose::Sign(Algorithm::Hs256), KeyPurpose::Sign(algorithm)];
    for purpose in needed {
        let in_use = |row: &Row| row.entry.retired.is_none() && row.entry.purpose == purpose;
        let found = store.read(read)?.iter().any(in_use);
        if found {
            continue;
        }
        let new = new_key(purpose, given, random, now)?;
        store.write(|any| {
            lock(any)?;
            // Another node may have been faster.
            if read(any)?.iter().any(in_use) { Ok(()) } else { new.insert(any) }
        })?;
    }
    load(store, given)
}

/// See [`AdminStore::list_keys`](crate::store::AdminStore::list_keys).
pub(super) fn list(any: &mut AnyConnection) -> QueryResult<Vec<KeyEntry>> {
    Ok(read(any)?.into_iter().map(|row| row.entry).collect())
}

/// See [`AdminStore::rotate_key`](crate::store::AdminStore::rotate_key).
pub(super) fn rotate(
    store: &DieselStore,
    algorithm: Algorithm,
    given: Option<&KeySecret>,
    random: &dyn Random,
    audit: &AuditContext,
) -> Result<(), KeyError> {
    // An RSA key takes seconds of a processor.
    let new = at_lowest_priority(|| new_key(KeyPurpose::Sign(algorithm), given, random, audit.at))?;
    let insert = |any: &mut AnyConnection| {
        new.insert(any)?;
        record(any, audit, About::default())
    };
    Ok(store.write(insert)?)
}

/// See [`AdminStore::retire_key`](crate::store::AdminStore::retire_key).
pub(super) fn retire(any: &mut AnyConnection, id: i64, audit: &AuditContext) -> QueryResult<Retiring> {
    lock(any)?;
    let rows = read(any)?;
    let mut in_use = rows.iter().map(|row| &row.entry).filter(|entry| entry.retired.is_none());
    let Some(found) = in_use.clone().find(|entry| entry.id == id) else { return Ok(Retiring::Unknown) };
    if !in_use.any(|other| other.id != id && other.purpose == found.purpose) {
        return Ok(Retiring::StillNeeded);
    }
    diesel::update(signing_keys::table.find(id))
        .filter(signing_keys::retired.is_null())
        .set(signing_keys::retired.eq(audit.at.as_micros()))
        .execute(any)?;
    record(any, audit, About::default())?;
    Ok(Retiring::Done)
}

fn lock(connection: &mut AnyConnection) -> QueryResult<()> {
    on_each!(connection,
        // A writing transaction has no concurrent one on SQLite.
        sqlite(_c) => Ok(()),
        postgres(c) => LockKeys {}.execute(c).map(drop),
    )
}

#[derive(Queryable)]
struct KeyRow {
    id: i64,
    purpose: String,
    algorithm: String,
    secret: Option<Vec<u8>>,
    fingerprint: Vec<u8>,
    created: i64,
    retired: Option<i64>,
}

fn read(connection: &mut AnyConnection) -> QueryResult<Vec<Row>> {
    let rows: Vec<KeyRow> = signing_keys::table.order(signing_keys::id).load(connection)?;
    let read = |row: KeyRow| {
        let purpose = match (row.purpose.as_str(), Algorithm::from_name(&row.algorithm)) {
            ("successors", _) => KeyPurpose::Successors,
            ("sign", Some(algorithm)) => KeyPurpose::Sign(algorithm),
            _ => return Err(unreadable("signing_keys.algorithm")),
        };
        let entry = KeyEntry {
            id: row.id,
            purpose,
            in_settings: row.secret.is_none(),
            created: Timestamp::from_micros(row.created),
            retired: row.retired.map(Timestamp::from_micros),
        };
        Ok(Row { entry, secret: row.secret.map(KeySecret::new), fingerprint: row.fingerprint })
    };
    rows.into_iter().map(read).collect()
}

/// Whether the newest HS256 key in use is the one that was given to this node, or none was given.
fn check_secret(rows: &[Row], given: Option<&KeySecret>) -> Result<(), KeyError> {
    let hs256 = |row: &&Row| row.entry.purpose == KeyPurpose::Sign(Algorithm::Hs256) && row.entry.retired.is_none();
    let Some(newest) = rows.iter().rev().find(hs256) else { return Ok(()) };
    match given {
        Some(given) if newest.fingerprint != given.fingerprint() => Err(KeyError::OtherSecret),
        None if newest.secret.is_none() => Err(KeyError::SecretNotGiven),
        Some(_) | None => Ok(()),
    }
}

/// `None` for an older key whose secret was in the settings and is not known any more.
fn stored(row: &Row, given: Option<&KeySecret>) -> Option<StoredKey> {
    let of_settings = || given.filter(|given| given.fingerprint().as_slice() == row.fingerprint).cloned();
    let KeyEntry { id, purpose, created, retired, .. } = row.entry;
    Some(StoredKey { id, purpose, secret: row.secret.clone().or_else(of_settings)?, created, retired })
}

struct NewKey {
    purpose: KeyPurpose,
    secret: KeySecret,
    in_settings: bool,
    created: Timestamp,
}

fn new_key(
    purpose: KeyPurpose,
    given: Option<&KeySecret>,
    random: &dyn Random,
    created: Timestamp,
) -> Result<NewKey, BadKey> {
    match given {
        Some(given) if purpose == KeyPurpose::Sign(Algorithm::Hs256) => {
            Ok(NewKey { purpose, secret: given.clone(), in_settings: true, created })
        }
        Some(_) | None => Ok(NewKey { purpose, secret: purpose.make_secret(random)?, in_settings: false, created }),
    }
}

impl NewKey {
    fn insert(&self, connection: &mut AnyConnection) -> QueryResult<()> {
        let (purpose, algorithm) = match self.purpose {
            KeyPurpose::Sign(algorithm) => ("sign", algorithm.as_str()),
            KeyPurpose::Successors => ("successors", "HS256"),
        };
        diesel::insert_into(signing_keys::table)
            .values((
                signing_keys::purpose.eq(purpose),
                signing_keys::algorithm.eq(algorithm),
                signing_keys::secret.eq((!self.in_settings).then(|| self.secret.expose())),
                signing_keys::fingerprint.eq(self.secret.fingerprint().as_slice()),
                signing_keys::created.eq(self.created.as_micros()),
            ))
            .execute(connection)
            .map(drop)
    }
}
