//! The contents of a cache: live access tokens, found by a keyed hash of their text.
//!
//! It can confirm that a token is good, but not that it is bad: tokens that are not live are not kept, and are read
//! again. The number of tokens is bounded; when the cache is full, one that was not used lately is replaced.

mod clients;
mod entries;
#[cfg(test)]
mod tests;
mod users;

use std::sync::atomic::Ordering;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as TableEntry;
use siphasher::sip128::SipHasher24;

use crate::domain::random::{Random, RandomError};
use crate::domain::session::{SessionId, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::{Token, TokenKind};
use crate::store::{Invalidation, Revoked};

use self::clients::Clients;
use self::entries::{Entries, Entry};
use self::users::Users;

/// Makes [`Key`]s. Its own key is random, so no client can choose tokens that share a key, or
/// pass one token off as another.
pub(super) struct KeyMaker(SipHasher24);

/// A keyed 128-bit hash of a token's text: a tenth of the cost of SHA-512, and useless to
/// an attacker who sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::service) struct Key([u64; 2]);

/// A period in which polls reported all changes, and none that invalidates clients. Each has a number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) struct Generation(u64);

impl KeyMaker {
    pub(super) fn new(random: &dyn Random) -> Result<Self, RandomError> {
        let mut key = [0; 16];
        random.fill(&mut key)?;
        Ok(Self(SipHasher24::new_with_key(&key)))
    }

    pub(super) fn key(&self, token: &Token) -> Key {
        let hash = self.0.hash(token.expose().as_bytes());
        Key([hash.h1, hash.h2])
    }
}

/// After this many entries that were used lately, the next one is replaced anyway:
/// no check waits for a search through all of them.
const MAX_ENTRIES_SPARED: usize = 64;

/// See the [module](self).
pub(super) struct Cache {
    capacity: usize,
    /// Grows up to the capacity; then entries are replaced in their slots.
    entries: Entries,
    /// The slot of the entry of each key.
    by_key: HashTable<u32>,
    /// The slot of the first entry of each session; it links to the others.
    by_session: HashTable<u32>,
    users: Users,
    /// The slot where the search for an entry to replace continues.
    hand: u32,
    /// Entries of older generations are dead.
    generation: u64,
    /// Registered clients.
    clients: Clients,
}

impl Cache {
    /// An empty cache with room for `capacity` tokens.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.min(u32::MAX as usize),
            entries: Entries::default(),
            by_key: HashTable::new(),
            by_session: HashTable::new(),
            users: Users::default(),
            hand: 0,
            generation: 0,
            clients: Clients::default(),
        }
    }

    /// Replaces this cache, in which a change may be incomplete, with an empty one.
    pub(super) fn restart(&mut self) {
        let clients = std::mem::take(&mut self.clients);
        *self = Self { clients, ..Self::new(self.capacity) };
        self.clear();
    }

    /// The record of a token that was live when it was last read, and has not been invalidated
    /// since. It may have expired.
    pub(super) fn get(&self, key: Key) -> Option<TokenRecord> {
        let entry = self.entry(key).filter(|entry| self.stands(entry))?;
        if !entry.recent.load(Ordering::Relaxed) {
            entry.recent.store(true, Ordering::Relaxed);
        }
        Some(entry.record())
    }

    /// Loads the entries of many tokens into the processor's caches. Looked up one by one, each
    /// would wait for memory several times; here all wait together, step by step.
    pub(super) fn fetch(&self, keys: &[Key]) {
        if keys.len() < 2 {
            return;
        }
        let entries: Vec<&Entry> = keys.iter().filter_map(|key| self.entry(*key)).collect();
        let sessions = entries.iter().fold(0, |sum, entry| sum ^ entry.last_seen.load(Ordering::Relaxed));
        let users = entries.iter().fold(0, |sum, entry| sum ^ entry.user.id.0);
        let first = |text: &str| text.as_bytes().first().copied().unwrap_or_default();
        let texts = entries.iter().fold(0, |sum, Entry { user, .. }| sum ^ first(&user.username) ^ first(&user.email));
        std::hint::black_box((sessions, users, texts));
    }

    /// Whether [`Cache::get`] would find something.
    pub(super) fn has(&self, key: Key) -> bool {
        self.entry(key).is_some_and(|entry| self.stands(entry))
    }

    /// Notes a use of the token's session.
    pub(super) fn note_use(&self, key: Key, at: Timestamp) {
        if let Some(entry) = self.entry(key) {
            entry.last_seen.fetch_max(at.as_micros(), Ordering::Relaxed);
        }
    }

    /// Caches a record, if it is a live access token.
    pub(super) fn keep(&mut self, key: Key, record: &TokenRecord) {
        let TokenRecord { kind, session, user, consumed, .. } = record;
        let live = user.is_active && session.ended.is_none() && session.epoch == user.epoch && consumed.is_none();
        if !live || *kind != TokenKind::Access || self.capacity == 0 {
            return;
        }
        let (slot, user) = self.users.enter(user);
        let entry = Entry::new(key, record, user, slot, self.generation);
        let known = self.by_key.find(key.hash(), |index| self.is_at(*index, key)).copied();
        let index = if let Some(index) = known {
            self.replace(index, entry);
            index
        } else if self.entries.len() < self.capacity {
            let index = self.entries.push(entry);
            self.point(key, index);
            index
        } else {
            let index = self.make_room();
            self.replace(index, entry);
            self.point(key, index);
            index
        };
        self.link(index);
    }

    /// Applies invalidations.
    pub(super) fn forget(&mut self, invalidation: &Invalidation) {
        match invalidation {
            Invalidation::Everything => {
                self.generation += 1;
                self.clients.clear();
            }
            Invalidation::Revoked(revoked) => revoked.iter().for_each(|one| self.forget_one(*one)),
        }
    }

    /// Forgets everything, at once; memory is freed when other entries take the slots.
    pub(super) fn clear(&mut self) {
        self.forget(&Invalidation::Everything);
        self.follow(false);
    }

    fn forget_one(&mut self, revoked: Revoked) {
        match revoked {
            Revoked::User(id) => self.users.forget(id),
            Revoked::Session(id) => {
                let entries = &self.entries;
                let place = self.by_session.find_entry(hash_of(id), |index| is_of(entries, *index, id));
                let mut next = place.ok().map(|place| place.remove().0);
                while let Some(entry) = next.and_then(|index| self.entries.get_mut(index)) {
                    entry.dropped = true;
                    next = entry.next;
                }
            }
        }
    }

    fn entry(&self, key: Key) -> Option<&Entry> {
        let index = self.by_key.find(key.hash(), |index| self.is_at(*index, key))?;
        self.entries.get(*index)
    }

    fn is_at(&self, index: u32, key: Key) -> bool {
        self.entries.get(index).is_some_and(|entry| entry.key == key)
    }

    /// Whether the entry is valid: neither its session, nor its user, nor everything was invalidated.
    fn stands(&self, entry: &Entry) -> bool {
        entry.generation == self.generation && !entry.dropped && self.users.stands(entry.slot)
    }

    /// The slot of an entry that is dead or was not used lately, with all links to it removed.
    fn make_room(&mut self) -> u32 {
        let mut passed = 0;
        loop {
            let index = self.hand;
            self.hand = if index as usize + 1 < self.entries.len() { index + 1 } else { 0 };
            let Some(entry) = self.entries.get(index) else { continue };
            let is_wanted = self.stands(entry) && entry.recent.swap(false, Ordering::Relaxed);
            if is_wanted && passed < MAX_ENTRIES_SPARED {
                passed += 1;
                continue;
            }
            if let Ok(place) = self.by_key.find_entry(entry.key.hash(), |known| *known == index) {
                place.remove();
            }
            return index;
        }
    }

    fn replace(&mut self, index: u32, entry: Entry) {
        self.unlink(index);
        let Some(place) = self.entries.get_mut(index) else { return };
        let old = std::mem::replace(place, entry);
        self.users.leave(old.slot, old.user.id);
    }

    fn point(&mut self, key: Key, index: u32) {
        let entries = &self.entries;
        let hash = |index: &u32| entries.get(*index).map_or(0, |entry| entry.key.hash());
        self.by_key.insert_unique(key.hash(), index, hash);
    }

    /// Links an entry before all others of its session.
    fn link(&mut self, index: u32) {
        let entries = &self.entries;
        let Some(id) = entries.get(index).map(|entry| entry.session) else { return };
        let hash = |index: &u32| entries.get(*index).map_or(0, |entry| hash_of(entry.session));
        let next = match self.by_session.entry(hash_of(id), |first| is_of(entries, *first, id), hash) {
            TableEntry::Occupied(mut first) => Some(std::mem::replace(first.get_mut(), index)),
            TableEntry::Vacant(place) => {
                place.insert(index);
                None
            }
        };
        if let Some(entry) = self.entries.get_mut(index) {
            entry.next = next;
        }
        if let Some(entry) = next.and_then(|next| self.entries.get_mut(next)) {
            entry.previous = Some(index);
        }
    }

    /// Unlinks an entry from those of its session, unless they were forgotten together.
    fn unlink(&mut self, index: u32) {
        let Some(Entry { session, previous, next, dropped: false, .. }) = self.entries.get(index) else { return };
        let (id, previous, next) = (*session, *previous, *next);
        if let Some(entry) = next.and_then(|next| self.entries.get_mut(next)) {
            entry.previous = previous;
        }
        if let Some(entry) = previous.and_then(|previous| self.entries.get_mut(previous)) {
            entry.next = next;
        } else if let Ok(mut first) = self.by_session.find_entry(hash_of(id), |first| *first == index) {
            match next {
                Some(next) => *first.get_mut() = next,
                None => drop(first.remove()),
            }
        }
    }
}

impl Key {
    /// The key of a poll for which no token is looked up.
    pub(super) const NO_TOKEN: Self = Self([0; 2]);

    const fn hash(self) -> u64 {
        let Self([low, _]) = self;
        low
    }
}

fn is_of(entries: &Entries, index: u32, session: SessionId) -> bool {
    entries.get(index).is_some_and(|entry| entry.session == session)
}

/// Ids end in random bytes. They are hashed, because sessions may have been created elsewhere.
fn hash_of(id: SessionId) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = *id.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h]).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}
