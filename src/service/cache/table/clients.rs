//! Registered clients in a cache. They are few, so all of them are forgotten together, with everything else.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Cache, Generation};
use crate::domain::client::{ClientId, ClientRecord};

/// No more than this many are remembered.
const MAX_CLIENTS: usize = 10_000;

/// What is remembered of clients.
#[derive(Default)]
pub(super) struct Clients {
    known: HashMap<ClientId, Arc<ClientRecord>>,
    /// Those of earlier generations are forgotten.
    generation: u64,
    /// Whether later polls report all changes since the last one.
    is_followed: bool,
}

impl Clients {
    /// Forgets all of them, and ends the generation: a client that was read in it can no longer be kept.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.generation += 1;
    }
}

impl Cache {
    /// Notes whether later polls will report all changes since the last one.
    pub(in crate::service::cache) fn follow(&mut self, is_followed: bool) {
        self.clients.is_followed = is_followed;
        if !is_followed {
            self.clients.clear();
        }
    }

    /// The current generation, if its end will be noticed.
    pub(in crate::service::cache) fn generation(&self) -> Option<Generation> {
        self.clients.is_followed.then_some(Generation(self.clients.generation))
    }

    /// A client that was kept in this generation, if that is still the current one.
    pub(in crate::service::cache) fn client(&self, at: Generation, id: ClientId) -> Option<Arc<ClientRecord>> {
        if self.generation() != Some(at) {
            return None;
        }
        self.clients.known.get(&id).cloned()
    }

    /// Keeps a client that was read after this generation had begun, if that is still the current one.
    pub(in crate::service::cache) fn keep_client(&mut self, at: Generation, record: Arc<ClientRecord>) {
        let has_room = self.clients.known.len() < MAX_CLIENTS || self.clients.known.contains_key(&record.id);
        if self.generation() == Some(at) && has_room {
            self.clients.known.insert(record.id, record);
        }
    }
}
