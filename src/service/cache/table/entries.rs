//! Entries by their index.
//!
//! They are in chunks of fixed size, so that growing moves none of them; each starts at a pair
//! of cache lines, and the first line says whether it is still valid.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::Key;
use super::users::Slot;
use crate::domain::session::{Session, SessionId, SessionKind, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenKind;
use crate::domain::user::User;

/// The number of entries in one chunk.
const CHUNK: usize = 4_096;

/// A live access token, with its session and user.
#[repr(C, align(128))]
pub(super) struct Entry {
    pub(super) key: Key,
    /// Entries of generations older than the current one are dead.
    pub(super) generation: u64,
    pub(super) created: Timestamp,
    pub(super) expires: Option<Timestamp>,
    pub(super) user: Arc<User>,
    pub(super) slot: Slot,
    /// Its session was revoked.
    pub(super) dropped: bool,
    /// Used since the search for a replacement last passed it.
    pub(super) recent: AtomicBool,
    pub(super) opened_as: SessionKind,
    pub(super) session: SessionId,
    pub(super) session_created: Timestamp,
    pub(super) last_seen: AtomicI64,
    /// The links to its neighbours among the tokens of its session.
    pub(super) previous: Option<u32>,
    pub(super) next: Option<u32>,
}

impl Entry {
    /// An entry without neighbours.
    pub(super) fn new(key: Key, record: &TokenRecord, user: Arc<User>, slot: Slot, generation: u64) -> Self {
        let Session { id, kind: opened_as, created, last_seen, .. } = record.session;
        Self {
            key,
            generation,
            created: record.created,
            expires: record.expires,
            user,
            slot,
            dropped: false,
            recent: AtomicBool::new(true),
            opened_as,
            session: id,
            session_created: created,
            last_seen: AtomicI64::new(last_seen.as_micros()),
            previous: None,
            next: None,
        }
    }

    /// The record.
    pub(super) fn record(&self) -> TokenRecord {
        TokenRecord {
            kind: TokenKind::Access,
            created: self.created,
            expires: self.expires,
            consumed: None,
            session: Session {
                id: self.session,
                kind: self.opened_as,
                created: self.session_created,
                last_seen: Timestamp::from_micros(self.last_seen.load(Ordering::Relaxed)),
                // Otherwise it would not be live.
                epoch: self.user.epoch,
                ended: None,
            },
            user: Arc::clone(&self.user),
        }
    }
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct Entries {
    chunks: Vec<Vec<Entry>>,
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    pub(super) fn get(&self, index: u32) -> Option<&Entry> {
        let index = index as usize;
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Entry> {
        let index = index as usize;
        self.chunks.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    /// Adds an entry at the end; returns its index.
    pub(super) fn push(&mut self, entry: Entry) -> u32 {
        let index = u32::try_from(self.len()).unwrap_or(u32::MAX);
        match self.chunks.last_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => last.push(entry),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(entry);
                self.chunks.push(chunk);
            }
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_two_cache_lines_and_the_first_says_whether_it_holds() {
        assert_eq!(size_of::<Entry>(), 128);
        assert!(std::mem::offset_of!(Entry, recent) < 64);
    }
}
