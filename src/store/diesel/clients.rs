//! Registered clients. Triggers write the revocation log when one is changed, deleted or replaced.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::any::{AnyConnection, on_each};
use super::audit::{self, About};
use super::error::unreadable;
use super::hot::statement;
use super::schema::clients;
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

#[derive(Queryable)]
struct ClientRow {
    name: String,
    secret: Vec<u8>,
    old_secret: Option<Vec<u8>>,
    old_secret_until: Option<i64>,
    rights: String,
    request_limit: Option<i64>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = clients)]
struct EntryRow {
    id: Vec<u8>,
    name: String,
    rights: String,
    request_limit: Option<i64>,
    created: i64,
    rotated: Option<i64>,
    old_secret_until: Option<i64>,
    last_used: Option<i64>,
}

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
        // No trigger writes the log for that.
        let at = at.as_micros();
        diesel::update(clients::table.find(id.as_bytes().as_slice()))
            .filter(clients::last_used.is_null().or(clients::last_used.lt(at)))
            .set(clients::last_used.eq(at))
            .execute(any)?;
    }
    Ok(())
}

/// See [`crate::store::AdminStore::add_client`].
pub(super) fn add(any: &mut AnyConnection, new: &NewClient, audit: &AuditContext) -> QueryResult<ClientCreation> {
    let insert = diesel::insert_into(clients::table)
        .values((
            clients::id.eq(new.id.as_bytes().as_slice()),
            clients::name.eq(&new.name),
            clients::secret.eq(new.secret.as_bytes().as_slice()),
            clients::rights.eq(new.rights.to_string()),
            clients::request_limit.eq(new.limit.map(i64::from)),
            clients::created.eq(audit.at.as_micros()),
        ))
        .on_conflict(clients::name)
        .do_nothing();
    let inserted = on_each!(&mut *any, sqlite(c) => insert.execute(c)?, postgres(c) => insert.execute(c)?);
    if inserted == 0 {
        return Ok(ClientCreation::NameTaken);
    }
    audit::record(any, audit, About::default())?;
    Ok(ClientCreation::Created)
}

/// See [`crate::store::AdminStore::list_clients`].
pub(super) fn list(any: &mut AnyConnection, after: Option<ClientId>, limit: u32) -> QueryResult<Vec<ClientEntry>> {
    // No id has this one's version, so none is left out.
    let after = after.map_or([0; 16], |id| *id.as_bytes());
    let page = clients::table.filter(clients::id.gt(after.as_slice())).order(clients::id).limit(i64::from(limit));
    page.select(EntryRow::as_select()).load(any)?.into_iter().map(entry).collect()
}

/// See [`crate::store::AdminStore::rotate_client`].
pub(super) fn rotate(any: &mut AnyConnection, rotation: &ClientRotation, audit: &AuditContext) -> QueryResult<bool> {
    let client = diesel::update(clients::table.find(rotation.client.as_bytes().as_slice()));
    let secret = clients::secret.eq(rotation.secret.as_bytes().as_slice());
    let rotated = clients::rotated.eq(audit.at.as_micros());
    let changed = match rotation.keep_old_until {
        Some(until) => {
            let until = clients::old_secret_until.eq(until.as_micros());
            client.set((secret, rotated, clients::old_secret.eq(clients::secret.nullable()), until)).execute(any)?
        }
        None => {
            let none = (clients::old_secret.eq(None::<&[u8]>), clients::old_secret_until.eq(None::<i64>));
            client.set((secret, rotated, none)).execute(any)?
        }
    };
    acknowledge(any, changed, audit)
}

/// See [`crate::store::AdminStore::delete_client`].
pub(super) fn delete(any: &mut AnyConnection, client: ClientId, audit: &AuditContext) -> QueryResult<bool> {
    let deleted = diesel::delete(clients::table.find(client.as_bytes().as_slice())).execute(any)?;
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
    let old_secret = match (row.old_secret, row.old_secret_until) {
        (Some(old), Some(until)) => {
            Some(OldSecret { digest: digest(&old, "clients.old_secret")?, until: Timestamp::from_micros(until) })
        }
        (Some(_) | None, _) => None,
    };
    Ok(ClientRecord {
        id,
        name: row.name,
        secret: digest(&row.secret, "clients.secret")?,
        old_secret,
        rights: Rights::from_stored(&row.rights),
        limit: row.request_limit.map(to_limit),
    })
}

fn entry(row: EntryRow) -> QueryResult<ClientEntry> {
    Ok(ClientEntry {
        id: <[u8; 16]>::try_from(row.id).map(ClientId::from_bytes).map_err(|_| unreadable("clients.id"))?,
        name: row.name,
        rights: Rights::from_stored(&row.rights),
        limit: row.request_limit.map(to_limit),
        created: Timestamp::from_micros(row.created),
        rotated: row.rotated.map(Timestamp::from_micros),
        old_secret_until: row.old_secret_until.map(Timestamp::from_micros),
        last_used: row.last_used.map(Timestamp::from_micros),
    })
}

/// A number that was put there by hand and is out of range allows as little or as much as a limit can.
fn to_limit(stored: i64) -> u32 {
    u32::try_from(stored.max(0)).unwrap_or(u32::MAX)
}

fn digest(bytes: &[u8], column: &'static str) -> QueryResult<SecretDigest> {
    <[u8; 64]>::try_from(bytes).map(SecretDigest::from_bytes).map_err(|_| unreadable(column))
}
