//! The real cache, and ways to use it wrongly.

use std::sync::Arc;

use super::super::super::table as shipped;
use crate::domain::client::{ClientId, ClientRecord};
use crate::domain::session::TokenRecord;
use crate::domain::time::Timestamp;
use crate::service::tests::{Mistake, is_planted};
use crate::store::Invalidation;

pub(in crate::service::cache) use shipped::{Generation, Key, KeyMaker};

pub(in crate::service::cache) struct Cache {
    shipped: shipped::Cache,
    /// Invalidations that are applied late, if that mistake is planted.
    late: Option<Invalidation>,
}

impl Cache {
    pub(in crate::service::cache) fn new(capacity: usize) -> Self {
        Self { shipped: shipped::Cache::new(capacity), late: None }
    }

    pub(in crate::service::cache) fn get(&self, key: Key) -> Option<TokenRecord> {
        self.shipped.get(key)
    }

    pub(in crate::service::cache) fn fetch(&self, keys: &[Key]) {
        self.shipped.fetch(keys);
    }

    pub(in crate::service::cache) fn has(&self, key: Key) -> bool {
        self.shipped.has(key)
    }

    pub(in crate::service::cache) fn note_use(&self, key: Key, at: Timestamp) {
        self.shipped.note_use(key, at);
    }

    pub(in crate::service::cache) fn keep(&mut self, key: Key, record: &TokenRecord) {
        self.shipped.keep(key, record);
    }

    pub(in crate::service::cache) fn forget(&mut self, invalidation: &Invalidation) {
        if is_planted(Mistake::NewsHeededLate) {
            if let Some(late) = self.late.replace(invalidation.clone()) {
                self.shipped.forget(&late);
            }
        } else if !is_planted(Mistake::NewsUnheeded) {
            self.shipped.forget(invalidation);
        }
    }

    pub(in crate::service::cache) fn restart(&mut self) {
        self.shipped.restart();
    }

    pub(in crate::service::cache) fn follow(&mut self, is_followed: bool) {
        self.shipped.follow(is_followed);
    }

    pub(in crate::service::cache) fn generation(&self) -> Option<Generation> {
        self.shipped.generation()
    }

    pub(in crate::service::cache) fn client(&self, at: Generation, id: ClientId) -> Option<Arc<ClientRecord>> {
        self.shipped.client(at, id)
    }

    pub(in crate::service::cache) fn keep_client(&mut self, at: Generation, record: Arc<ClientRecord>) {
        self.shipped.keep_client(at, record);
    }

    pub(in crate::service::cache) fn clear(&mut self) {
        if !is_planted(Mistake::MemoryOutlivesFeed) {
            self.shipped.clear();
        }
    }
}
