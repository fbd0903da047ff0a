//! What a view remembers: live access tokens, found by a keyed hash of their text.
//!
//! It says yes or nothing, never no: whatever is not live is not kept, and is asked for again.
//! Its memory is bounded by the number of tokens; when it is full, one that was not asked for
//! lately makes room.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;
use siphasher::sip128::SipHasher24;

use crate::dialect::Dialect;
use crate::random::{Random, RandomError};
use crate::session::{Session, SessionId, TokenRecord};
use crate::store::{News, Revoked};
use crate::time::Timestamp;
use crate::token::{Token, TokenKind};
use crate::user::{Epoch, User, UserId};

/// Makes [`Key`]s. Its own key is random, so nobody can choose tokens that share one, nor have
/// one token taken for another.
pub(super) struct KeyMaker(SipHasher24);

/// A keyed 128-bit hash of a token's text: a tenth of the cost of SHA-512, and of no use to
/// anybody who sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::service) struct Key([u64; 2]);

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

/// After passing over so many that were asked for lately, the next one makes room all the same:
/// nobody is to wait for a walk through all of them.
const PATIENCE: usize = 64;

/// See the [module](self).
pub(super) struct Cache {
    capacity: usize,
    /// Grows up to the capacity; an entry that makes room is replaced where it stands.
    entries: Vec<Entry>,
    /// Where the entry of a key is.
    by_key: HashTable<u32>,
    sessions: HashTable<Arc<HeldSession>>,
    users: HashMap<UserId, Arc<HeldUser>>,
    /// Whose turn it is to make room.
    hand: usize,
    /// Entries of older generations are dead.
    generation: u64,
}

struct Entry {
    key: Key,
    created: Timestamp,
    expires: Option<Timestamp>,
    session: Arc<HeldSession>,
    /// Asked for since the hand last came by.
    recent: AtomicBool,
}

/// One for all tokens of a session.
struct HeldSession {
    id: SessionId,
    dialect: Dialect,
    created: Timestamp,
    last_seen: AtomicI64,
    epoch: Epoch,
    user: Arc<HeldUser>,
    generation: u64,
    dropped: AtomicBool,
}

/// One for all sessions of a user.
struct HeldUser {
    user: Arc<User>,
    generation: u64,
    dropped: AtomicBool,
}

impl Cache {
    /// An empty one, for so many tokens.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.min(u32::MAX as usize),
            entries: Vec::new(),
            by_key: HashTable::new(),
            sessions: HashTable::new(),
            users: HashMap::new(),
            hand: 0,
            generation: 0,
        }
    }

    /// The record of a token that was live when it was last looked at, and of which no news came
    /// since. It may have expired.
    pub(super) fn get(&self, key: Key) -> Option<TokenRecord> {
        let entry = self.entry(key)?;
        let session = &entry.session;
        if !session.stands(self.generation) {
            return None;
        }
        if !entry.recent.load(Ordering::Relaxed) {
            entry.recent.store(true, Ordering::Relaxed);
        }
        Some(TokenRecord {
            kind: TokenKind::Access,
            created: entry.created,
            expires: entry.expires,
            consumed: None,
            session: session.session(),
            user: Arc::clone(&session.user.user),
        })
    }

    /// Brings what is remembered of many tokens near the processor. Looked up one at a time, each
    /// would wait for memory a dozen times over; here all wait together, step by step.
    pub(super) fn fetch(&self, keys: &[Key]) {
        if keys.len() < 2 {
            return;
        }
        let entries: Vec<&Entry> = keys.iter().filter_map(|key| self.entry(*key)).collect();
        let sessions = entries.iter().map(|entry| &entry.session).fold(0, |sum, session| sum ^ session.generation);
        let users = || entries.iter().map(|entry| &entry.session.user);
        let held = users().fold(0, |sum, held| sum ^ held.generation);
        let known = users().fold(0, |sum, held| sum ^ held.user.id.0);
        let first = |text: &str| text.as_bytes().first().copied().unwrap_or_default();
        let texts = users().fold(0, |sum, held| sum ^ first(&held.user.username) ^ first(&held.user.email));
        std::hint::black_box((sessions, held, known, texts));
    }

    /// Whether [`Cache::get`] would find something.
    pub(super) fn has(&self, key: Key) -> bool {
        self.entry(key).is_some_and(|entry| entry.session.stands(self.generation))
    }

    /// Notes a use of the token's session.
    pub(super) fn note_use(&self, key: Key, at: Timestamp) {
        if let Some(entry) = self.entry(key) {
            entry.session.last_seen.fetch_max(at.as_micros(), Ordering::Relaxed);
        }
    }

    /// Keeps what was found, if it is a live access token.
    pub(super) fn keep(&mut self, key: Key, record: &TokenRecord) {
        let TokenRecord { kind, session, user, consumed, .. } = record;
        let live = user.is_active && session.ended.is_none() && session.epoch == user.epoch && consumed.is_none();
        if !live || *kind != TokenKind::Access || self.capacity == 0 {
            return;
        }
        let session = self.session(record);
        let entry =
            Entry { key, created: record.created, expires: record.expires, session, recent: AtomicBool::new(true) };
        if let Some(index) = self.by_key.find(key.hash(), |index| is_at(&self.entries, *index, key)).copied() {
            self.replace(index, entry);
        } else if self.entries.len() < self.capacity {
            let index = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
            self.entries.push(entry);
            self.point(key, index);
        } else {
            let index = self.make_room();
            self.replace(index, entry);
            self.point(key, index);
        }
    }

    /// Forgets what the news speak of.
    pub(super) fn forget(&mut self, news: &News) {
        match news {
            News::Everything => self.generation += 1,
            News::Revoked(revoked) => revoked.iter().for_each(|one| self.forget_one(*one)),
        }
    }

    /// Forgets all, at once; memory is given back as others take the places.
    pub(super) fn clear(&mut self) {
        self.forget(&News::Everything);
    }

    fn forget_one(&mut self, revoked: Revoked) {
        match revoked {
            Revoked::User(id) => {
                if let Some(user) = self.users.remove(&id) {
                    user.dropped.store(true, Ordering::Relaxed);
                }
            }
            Revoked::Session(id) => {
                if let Ok(place) = self.sessions.find_entry(hash_of(id), |known| known.id == id) {
                    let (session, _) = place.remove();
                    session.dropped.store(true, Ordering::Relaxed);
                    self.release_user(&session.user, 2);
                }
            }
        }
    }

    fn entry(&self, key: Key) -> Option<&Entry> {
        let index = self.by_key.find(key.hash(), |index| is_at(&self.entries, *index, key))?;
        self.entries.get(*index as usize)
    }

    /// The one session that all its tokens share, as it is in this record.
    fn session(&mut self, record: &TokenRecord) -> Arc<HeldSession> {
        let user = self.user(&record.user);
        let Session { id, dialect, created, last_seen, epoch, .. } = record.session;
        let place = self.sessions.entry(hash_of(id), |known| known.id == id, |known| hash_of(known.id));
        if let Place::Occupied(known) = &place
            && known.get().stands(self.generation)
            && known.get().epoch == epoch
            && Arc::ptr_eq(&known.get().user, &user)
        {
            known.get().last_seen.fetch_max(last_seen.as_micros(), Ordering::Relaxed);
            return Arc::clone(known.get());
        }
        let fresh = Arc::new(HeldSession {
            id,
            dialect,
            created,
            last_seen: AtomicI64::new(last_seen.as_micros()),
            epoch,
            user,
            generation: self.generation,
            dropped: AtomicBool::new(false),
        });
        match place {
            Place::Occupied(mut known) => {
                known.get().dropped.store(true, Ordering::Relaxed);
                *known.get_mut() = Arc::clone(&fresh);
            }
            Place::Vacant(place) => drop(place.insert(Arc::clone(&fresh))),
        }
        fresh
    }

    /// The one record of a user that all sessions share, as it was read.
    fn user(&mut self, user: &Arc<User>) -> Arc<HeldUser> {
        if let Some(known) = self.users.get(&user.id) {
            if known.generation == self.generation && known.user == *user {
                return Arc::clone(known);
            }
            // It changed after the last news; the next ones will tell.
            known.dropped.store(true, Ordering::Relaxed);
        }
        let fresh = HeldUser { user: Arc::clone(user), generation: self.generation, dropped: AtomicBool::new(false) };
        let fresh = Arc::new(fresh);
        self.users.insert(user.id, Arc::clone(&fresh));
        fresh
    }

    /// The place of an entry that is dead or was not asked for lately; nothing points there any
    /// more.
    fn make_room(&mut self) -> u32 {
        let mut passed = 0;
        loop {
            let at = self.hand;
            self.hand = (self.hand + 1) % self.entries.len().max(1);
            let Some(entry) = self.entries.get(at) else { continue };
            let is_wanted = entry.session.stands(self.generation) && entry.recent.swap(false, Ordering::Relaxed);
            if is_wanted && passed < PATIENCE {
                passed += 1;
                continue;
            }
            let (key, index) = (entry.key, u32::try_from(at).unwrap_or(u32::MAX));
            if let Ok(place) = self.by_key.find_entry(key.hash(), |known| *known == index) {
                place.remove();
            }
            return index;
        }
    }

    fn replace(&mut self, index: u32, entry: Entry) {
        let Some(place) = self.entries.get_mut(index as usize) else { return };
        let old = std::mem::replace(place, entry);
        self.release_session(&old.session);
    }

    fn point(&mut self, key: Key, index: u32) {
        let entries = &self.entries;
        let hash = |index: &u32| entries.get(*index as usize).map_or(0, |entry| entry.key.hash());
        self.by_key.insert_unique(key.hash(), index, hash);
    }

    /// Forgets a session whose last token is going: held by that token, and by the table unless
    /// news of it came.
    fn release_session(&mut self, session: &Arc<HeldSession>) {
        let place = self.sessions.find_entry(hash_of(session.id), |known| Arc::ptr_eq(known, session));
        if Arc::strong_count(session) > 1 + usize::from(place.is_ok()) {
            return;
        }
        if let Ok(place) = place {
            place.remove();
        }
        self.release_user(&session.user, 2);
    }

    /// Forgets a user whose last session is going: held by `last` others and not more.
    fn release_user(&mut self, user: &Arc<HeldUser>, last: usize) {
        if Arc::strong_count(user) <= last
            && self.users.get(&user.user.id).is_some_and(|known| Arc::ptr_eq(known, user))
        {
            self.users.remove(&user.user.id);
        }
    }
}

impl Key {
    const fn hash(self) -> u64 {
        let Self([low, _]) = self;
        low
    }
}

impl HeldSession {
    /// Whether nothing was heard of it, its user, or everything.
    fn stands(&self, generation: u64) -> bool {
        self.generation == generation
            && !self.dropped.load(Ordering::Relaxed)
            && !self.user.dropped.load(Ordering::Relaxed)
    }

    fn session(&self) -> Session {
        Session {
            id: self.id,
            dialect: self.dialect,
            created: self.created,
            last_seen: Timestamp::from_micros(self.last_seen.load(Ordering::Relaxed)),
            epoch: self.epoch,
            ended: None,
        }
    }
}

fn is_at(entries: &[Entry], index: u32, key: Key) -> bool {
    entries.get(index as usize).is_some_and(|entry| entry.key == key)
}

/// Ids end in random bytes of ours, which are mixed for those that were not made here.
fn hash_of(id: SessionId) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = *id.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h]).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

#[cfg(test)]
mod tests;
