//! The memory that ships, and ways to use it wrongly.

use super::super::super::cache as shipped;
use crate::service::tests::{Mistake, is_planted};
use crate::session::TokenRecord;
use crate::store::News;
use crate::time::Timestamp;

pub(in crate::service::view) use shipped::{Key, KeyMaker};

pub(in crate::service::view) struct Cache {
    shipped: shipped::Cache,
    /// News that wait, if that mistake is planted.
    late: Option<News>,
}

impl Cache {
    pub(in crate::service::view) fn new(capacity: usize) -> Self {
        Self { shipped: shipped::Cache::new(capacity), late: None }
    }

    pub(in crate::service::view) fn get(&self, key: Key) -> Option<TokenRecord> {
        self.shipped.get(key)
    }

    pub(in crate::service::view) fn fetch(&self, keys: &[Key]) {
        self.shipped.fetch(keys);
    }

    pub(in crate::service::view) fn has(&self, key: Key) -> bool {
        self.shipped.has(key)
    }

    pub(in crate::service::view) fn note_use(&self, key: Key, at: Timestamp) {
        self.shipped.note_use(key, at);
    }

    pub(in crate::service::view) fn keep(&mut self, key: Key, record: &TokenRecord) {
        self.shipped.keep(key, record);
    }

    pub(in crate::service::view) fn forget(&mut self, news: &News) {
        if is_planted(Mistake::NewsHeededLate) {
            if let Some(late) = self.late.replace(news.clone()) {
                self.shipped.forget(&late);
            }
        } else if !is_planted(Mistake::NewsUnheeded) {
            self.shipped.forget(news);
        }
    }

    pub(in crate::service::view) fn clear(&mut self) {
        if !is_planted(Mistake::MemoryOutlivesFollower) {
            self.shipped.clear();
        }
    }
}
