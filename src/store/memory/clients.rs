//! Registered clients in memory.

use crate::domain::client::{ClientEntry, ClientRecord};
use crate::domain::time::Timestamp;

pub(super) struct ClientRow {
    pub(super) record: ClientRecord,
    pub(super) created: Timestamp,
    pub(super) rotated: Option<Timestamp>,
    pub(super) last_used: Option<Timestamp>,
}

impl ClientRow {
    pub(super) fn entry(&self) -> ClientEntry {
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
