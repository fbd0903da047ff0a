//! When clients were last used: noted in memory, and written at intervals. A request itself never writes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::client::ClientId;
use crate::domain::time::Timestamp;

/// The uses that are not written yet.
#[derive(Default)]
pub(in crate::service) struct ClientUses(Mutex<HashMap<ClientId, Timestamp>>);

impl ClientUses {
    /// Notes a use of a client that has proved who it is.
    pub(super) fn note(&self, client: ClientId, at: Timestamp) {
        self.put_back(&[(client, at)]);
    }

    /// Takes the uses, to be written.
    pub(in crate::service) fn take(&self) -> Vec<(ClientId, Timestamp)> {
        self.lock().drain().collect()
    }

    /// Puts back what could not be written.
    pub(in crate::service) fn put_back(&self, uses: &[(ClientId, Timestamp)]) {
        let mut noted = self.lock();
        for (client, at) in uses {
            let last = noted.entry(*client).or_insert(*at);
            *last = (*last).max(*at);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
