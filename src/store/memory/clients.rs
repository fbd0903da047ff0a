//! Registered clients in memory.

use super::Tables;
use crate::domain::audit::AuditContext;
use crate::domain::client::{ClientEntry, ClientId, ClientRecord, OldSecret};
use crate::domain::time::Timestamp;
use crate::store::{ClientCreation, ClientRotation, NewClient, StoreError, StoreResult};

pub(super) struct ClientRow {
    pub(super) record: ClientRecord,
    created: Timestamp,
    rotated: Option<Timestamp>,
    last_used: Option<Timestamp>,
}

impl ClientRow {
    fn entry(&self) -> ClientEntry {
        let ClientRecord { id, name, old_secret, rights, limit, .. } = &self.record;
        ClientEntry {
            id: *id,
            name: name.clone(),
            rights: *rights,
            limit: *limit,
            created: self.created,
            rotated: self.rotated,
            old_secret_until: old_secret.map(|old| old.until),
            last_used: self.last_used,
        }
    }
}

impl Tables {
    pub(super) fn add_client(&mut self, new: &NewClient, audit: &AuditContext) -> StoreResult<ClientCreation> {
        if self.clients.values().any(|row| row.record.name == new.name) {
            return Ok(ClientCreation::NameTaken);
        }
        if self.clients.contains_key(&new.id) {
            return Err(StoreError::Failed("a client's id exists already".to_owned()));
        }
        let NewClient { id, name, secret, rights, limit } = new.clone();
        let record = ClientRecord { id, name, secret, old_secret: None, rights, limit };
        self.clients.insert(id, ClientRow { record, created: audit.at, rotated: None, last_used: None });
        self.tell_of_all(audit);
        Ok(ClientCreation::Created)
    }

    pub(super) fn list_clients(&self, after: Option<ClientId>, limit: u32) -> Vec<ClientEntry> {
        let later = self.clients.iter().filter(|(id, _)| after.is_none_or(|after| **id > after));
        later.map(|(_, row)| row.entry()).take(usize::try_from(limit).unwrap_or(usize::MAX)).collect()
    }

    pub(super) fn rotate_client(&mut self, rotation: &ClientRotation, audit: &AuditContext) -> bool {
        let Some(row) = self.clients.get_mut(&rotation.client) else { return false };
        let replaced = std::mem::replace(&mut row.record.secret, rotation.secret);
        row.record.old_secret = rotation.keep_old_until.map(|until| OldSecret { digest: replaced, until });
        row.rotated = Some(audit.at);
        self.tell_of_all(audit);
        true
    }

    pub(super) fn delete_client(&mut self, client: ClientId, audit: &AuditContext) -> bool {
        let is_known = self.clients.remove(&client).is_some();
        if is_known {
            self.tell_of_all(audit);
        }
        is_known
    }

    pub(super) fn touch_clients(&mut self, used: &[(ClientId, Timestamp)]) {
        for (id, at) in used {
            if let Some(row) = self.clients.get_mut(id) {
                row.last_used = row.last_used.max(Some(*at));
            }
        }
    }
}
