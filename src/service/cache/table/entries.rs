//! Entries by their place.
//!
//! They stand in pieces of fixed size, so that growing moves none of them; each begins where a pair
//! of cache lines does, with what says whether it still holds in the first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::Key;
use super::users::Slot;
use crate::domain::dialect::Dialect;
use crate::domain::session::{Session, SessionId, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenKind;
use crate::domain::user::User;

/// How many stand in one piece.
const PIECE: usize = 4_096;

/// A live access token, with its session and user.
#[repr(C, align(128))]
pub(super) struct Entry {
    pub(super) key: Key,
    /// What was remembered in older generations than the present one is dead.
    pub(super) generation: u64,
    pub(super) created: Timestamp,
    pub(super) expires: Option<Timestamp>,
    pub(super) user: Arc<User>,
    pub(super) slot: Slot,
    /// Its session was revoked.
    pub(super) dropped: bool,
    /// Asked for since the hand last came by.
    pub(super) recent: AtomicBool,
    pub(super) dialect: Dialect,
    pub(super) session: SessionId,
    pub(super) session_created: Timestamp,
    pub(super) last_seen: AtomicI64,
    /// Its neighbours among the tokens of its session.
    pub(super) previous: Option<u32>,
    pub(super) next: Option<u32>,
}

impl Entry {
    /// An entry that stands alone.
    pub(super) fn new(key: Key, record: &TokenRecord, user: Arc<User>, slot: Slot, generation: u64) -> Self {
        let Session { id, dialect, created, last_seen, .. } = record.session;
        Self {
            key,
            generation,
            created: record.created,
            expires: record.expires,
            user,
            slot,
            dropped: false,
            recent: AtomicBool::new(true),
            dialect,
            session: id,
            session_created: created,
            last_seen: AtomicI64::new(last_seen.as_micros()),
            previous: None,
            next: None,
        }
    }

    /// What was kept.
    pub(super) fn record(&self) -> TokenRecord {
        TokenRecord {
            kind: TokenKind::Access,
            created: self.created,
            expires: self.expires,
            consumed: None,
            session: Session {
                id: self.session,
                dialect: self.dialect,
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
    pieces: Vec<Vec<Entry>>,
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE + last.len())
    }

    pub(super) fn get(&self, index: u32) -> Option<&Entry> {
        let index = index as usize;
        self.pieces.get(index / PIECE)?.get(index % PIECE)
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Entry> {
        let index = index as usize;
        self.pieces.get_mut(index / PIECE)?.get_mut(index % PIECE)
    }

    /// Adds one behind all others; says where.
    pub(super) fn push(&mut self, entry: Entry) -> u32 {
        let index = u32::try_from(self.len()).unwrap_or(u32::MAX);
        match self.pieces.last_mut().filter(|last| last.len() < PIECE) {
            Some(last) => last.push(entry),
            None => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(entry);
                self.pieces.push(piece);
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
