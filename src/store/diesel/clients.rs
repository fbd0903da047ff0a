//! Registered clients. Triggers write the revocation log when one is changed, deleted or replaced.

use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::{OptionalExtension, QueryResult, RunQueryDsl};

use super::any::AnyConnection;
use super::audit::{self, About};
use super::error::unreadable;
use super::hot::statement;
use super::standby;
use crate::domain::audit::AuditContext;
use crate::domain::client::{ClientEntry, ClientId, ClientRecord, OldSecret, Rights, SecretDigest};
use crate::domain::time::Timestamp;
use crate::store::{ClientCreation, ClientRotation, NewClient};

statement! {
    /// A client, as it is judged: a look-up by the primary key.
    FindClient { id: [u8; 16] as Binary } ->
        (Text, Binary, Nullable<Binary>, Nullable<BigInt>, Text, Nullable<BigInt>),
    [
        "SELECT name, secret, old_secret, old_secret_until, rights, request_limit FROM clients WHERE id = ", id,
    ]
}

statement! {
    /// A new client. No row is returned if its name is taken.
    InsertClient {
        id: [u8; 16] as Binary,
        name: String as Text,
        secret: [u8; 64] as Binary,
        rights: String as Text,
        limit: Option<i64> as Nullable<BigInt>,
        created: i64 as BigInt,
    } -> Binary,
    [
        "INSERT INTO clients (id, name, secret, rights, request_limit, created) VALUES (",
        id, ", ", name, ", ", secret, ", ", rights, ", ", limit, ", ", created,
        ") ON CONFLICT (name) DO NOTHING RETURNING id",
    ]
}

statement! {
    /// A page of all clients.
    ListClients { after: [u8; 16] as Binary, limit: i64 as BigInt } ->
        (Binary, Text, Text, Nullable<BigInt>, BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>),
    [
        "SELECT id, name, rights, request_limit, created, rotated, old_secret_until, last_used FROM clients WHERE id > ",
        after, " ORDER BY id LIMIT ", limit,
    ]
}

statement! {
    /// A new secret, after which the one before is refused.
    ReplaceSecret { secret: [u8; 64] as Binary, at: i64 as BigInt, id: [u8; 16] as Binary },
    [
        "UPDATE clients SET secret = ", secret, ", rotated = ", at, ", old_secret = NULL, old_secret_until = NULL \
         WHERE id = ", id,
    ]
}

statement! {
    /// A new secret, after which the one before is good until a moment.
    AddSecret { secret: [u8; 64] as Binary, at: i64 as BigInt, until: i64 as BigInt, id: [u8; 16] as Binary },
    [
        "UPDATE clients SET secret = ", secret, ", rotated = ", at, ", old_secret = secret, old_secret_until = ", until,
        " WHERE id = ", id,
    ]
}

statement! {
    /// Deletes a client.
    DeleteClient { id: [u8; 16] as Binary },
    ["DELETE FROM clients WHERE id = ", id]
}

statement! {
    /// Records when a client was last used. No trigger writes the log for that.
    TouchClient { at: i64 as BigInt, id: [u8; 16] as Binary },
    [
        "UPDATE clients SET last_used = ", at, " WHERE id = ", id, " AND (last_used IS NULL OR last_used < ", at, ")",
    ]
}

type ClientRow = (String, Vec<u8>, Option<Vec<u8>>, Option<i64>, String, Option<i64>);
type EntryRow = (Vec<u8>, String, String, Option<i64>, i64, Option<i64>, Option<i64>, Option<i64>);

/// See [`crate::store::Connection::find_client`].
pub(super) fn find(any: &mut AnyConnection, id: ClientId) -> QueryResult<Option<ClientRecord>> {
    let row: Option<ClientRow> = FindClient { id: *id.as_bytes() }.get_result(any).optional()?;
    row.map(|row| record(id, row)).transpose()
}

/// See [`crate::store::Connection::touch_clients`].
pub(super) fn touch(any: &mut AnyConnection, used: &[(ClientId, Timestamp)]) -> QueryResult<()> {
    // In one order, so that two nodes cannot deadlock.
    let mut used = used.to_vec();
    used.sort_unstable();
    for (id, at) in used {
        TouchClient { at: at.as_micros(), id: *id.as_bytes() }.execute(any)?;
    }
    Ok(())
}

/// See [`crate::store::AdminStore::add_client`].
pub(super) fn add(any: &mut AnyConnection, new: &NewClient, audit: &AuditContext) -> QueryResult<ClientCreation> {
    let statement = InsertClient {
        id: *new.id.as_bytes(),
        name: new.name.clone(),
        secret: *new.secret.as_bytes(),
        rights: new.rights.to_string(),
        limit: new.limit.map(i64::from),
        created: audit.at.as_micros(),
    };
    let inserted: Option<Vec<u8>> = statement.get_result(any).optional()?;
    if inserted.is_none() {
        return Ok(ClientCreation::NameTaken);
    }
    audit::record(any, audit, About::default())?;
    Ok(ClientCreation::Created)
}

/// See [`crate::store::AdminStore::list_clients`].
pub(super) fn list(any: &mut AnyConnection, after: Option<ClientId>, limit: u32) -> QueryResult<Vec<ClientEntry>> {
    // No id has this one's version, so none is left out.
    let after = after.map_or([0; 16], |id| *id.as_bytes());
    let rows: Vec<EntryRow> = ListClients { after, limit: i64::from(limit) }.load(any)?;
    rows.into_iter().map(entry).collect()
}

/// See [`crate::store::AdminStore::rotate_client`].
pub(super) fn rotate(any: &mut AnyConnection, rotation: &ClientRotation, audit: &AuditContext) -> QueryResult<bool> {
    let (secret, at, id) = (*rotation.secret.as_bytes(), audit.at.as_micros(), *rotation.client.as_bytes());
    let changed = match rotation.keep_old_until {
        Some(until) => AddSecret { secret, at, until: until.as_micros(), id }.execute(any)?,
        None => ReplaceSecret { secret, at, id }.execute(any)?,
    };
    acknowledge(any, changed, audit)
}

/// See [`crate::store::AdminStore::delete_client`].
pub(super) fn delete(any: &mut AnyConnection, client: ClientId, audit: &AuditContext) -> QueryResult<bool> {
    let deleted = DeleteClient { id: *client.as_bytes() }.execute(any)?;
    acknowledge(any, deleted, audit)
}

fn acknowledge(any: &mut AnyConnection, rows: usize, audit: &AuditContext) -> QueryResult<bool> {
    if rows == 0 {
        // The caller may take this for the end of the client, so no failover may undo what another one did.
        standby::confirm(any)?;
        return Ok(false);
    }
    audit::record(any, audit, About::default())?;
    Ok(true)
}

fn record(id: ClientId, row: ClientRow) -> QueryResult<ClientRecord> {
    let (name, secret, old, until, rights, limit) = row;
    let old_secret = match (old, until) {
        (Some(old), Some(until)) => {
            Some(OldSecret { digest: digest(&old, "clients.old_secret")?, until: Timestamp::from_micros(until) })
        }
        (Some(_) | None, _) => None,
    };
    Ok(ClientRecord {
        id,
        name,
        secret: digest(&secret, "clients.secret")?,
        old_secret,
        rights: Rights::from_stored(&rights),
        limit: limit.map(to_limit),
    })
}

fn entry(row: EntryRow) -> QueryResult<ClientEntry> {
    let (id, name, rights, limit, created, rotated, old_secret_until, last_used) = row;
    Ok(ClientEntry {
        id: <[u8; 16]>::try_from(id).map(ClientId::from_bytes).map_err(|_| unreadable("clients.id"))?,
        name,
        rights: Rights::from_stored(&rights),
        limit: limit.map(to_limit),
        created: Timestamp::from_micros(created),
        rotated: rotated.map(Timestamp::from_micros),
        old_secret_until: old_secret_until.map(Timestamp::from_micros),
        last_used: last_used.map(Timestamp::from_micros),
    })
}

/// A number that was put there by hand and is out of range allows as little or as much as a limit can.
fn to_limit(stored: i64) -> u32 {
    u32::try_from(stored.max(0)).unwrap_or(u32::MAX)
}

fn digest(bytes: &[u8], column: &'static str) -> QueryResult<SecretDigest> {
    <[u8; 64]>::try_from(bytes).map(SecretDigest::from_bytes).map_err(|_| unreadable(column))
}
