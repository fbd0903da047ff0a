//! Counters of failures in fixed memory.
//!
//! A bucket is a moment: when everything that it counted will be forgiven. Buckets stand in sets of
//! eight. One that still counts something is never given to another key; a key that finds its set
//! full shares one more bucket with all others like it. So a flood of other keys can fill buckets,
//! which slows strangers down, but it never empties one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::key::Key;
use crate::policy::Allowance;
use crate::time::Timestamp;
use crate::user::UserId;

/// Sets, a power of two; with [`WAYS`] each, 65,536 buckets. A bucket with one failure is free again
/// after one interval, so that even failures at a thousand a second find room.
const SETS: usize = 1 << 13;
/// Buckets in a set.
const WAYS: usize = 8;
/// A full bucket is told of in the log once in this time.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// Whether a bucket takes one more try.
pub(super) enum Room {
    /// It does.
    Free,
    /// As many tries as it could take are on their way: this tells when one of them is over.
    Awaited(Arc<Notify>),
    /// It is full, and takes one more after this time.
    Full(Duration),
}

/// The counters of one kind.
pub(super) struct Buckets {
    /// In microseconds.
    interval: i64,
    /// What a full bucket has left to forgive, in microseconds.
    full: i64,
    tags: Vec<u64>,
    /// When all is forgiven, in microseconds; [`SETS`] times [`WAYS`], and then the shared ones.
    clear_at: Vec<i64>,
    /// The user whose failures are counted, if one was found; 0: none.
    users: Vec<i64>,
    /// When the log was last told that the bucket is full, in microseconds; 0: never.
    told_at: Vec<i64>,
    /// Tries that were admitted and have come to nothing yet. Exact, and no more than there are
    /// requests waiting.
    on_their_way: HashMap<Key, (u32, Arc<Notify>)>,
}

impl Buckets {
    pub(super) fn new(allowance: Allowance) -> Self {
        let interval = i64::try_from(allowance.interval.as_micros()).unwrap_or(i64::MAX).max(1);
        // Zeroed memory costs nothing until it is used.
        Self {
            interval,
            full: interval.saturating_mul(i64::from(allowance.burst.max(1))),
            tags: vec![0; SETS * WAYS],
            clear_at: vec![0; SETS * WAYS + SETS],
            users: vec![0; SETS * WAYS + SETS],
            told_at: vec![0; SETS * WAYS + SETS],
            on_their_way: HashMap::new(),
        }
    }

    /// Whether one more try may be made.
    pub(super) fn room(&mut self, key: Key, now: Timestamp) -> Room {
        let place = self.place(key, now);
        // The clock was set back: from now on the bucket empties as one that has just been filled.
        let latest = now.as_micros().saturating_add(self.full);
        if get(&self.clear_at, place) > latest {
            set(&mut self.clear_at, place, latest);
        }
        let after_one_more = self.debt(place, now).saturating_add(self.interval);
        if after_one_more > self.full {
            return Room::Full(Duration::from_micros((after_one_more - self.full).unsigned_abs()));
        }
        match self.on_their_way.get(&key) {
            Some((tries, over))
                if self.interval.saturating_mul(i64::from(*tries)).saturating_add(after_one_more) > self.full =>
            {
                Room::Awaited(Arc::clone(over))
            }
            Some(_) | None => Room::Free,
        }
    }

    /// Admits a try, which [`Buckets::release`] ends.
    pub(super) fn reserve(&mut self, key: Key) {
        self.on_their_way.entry(key).or_default().0 += 1;
    }

    /// Ends a try, whatever came of it.
    pub(super) fn release(&mut self, key: Key) {
        let Entry::Occupied(mut entry) = self.on_their_way.entry(key) else { return };
        let (tries, over) = entry.get_mut();
        *tries = tries.saturating_sub(1);
        over.notify_waiters();
        if *tries == 0 {
            entry.remove();
        }
    }

    /// Counts a failure, at this user's account if it is one's.
    pub(super) fn count(&mut self, key: Key, user: Option<UserId>, now: Timestamp) {
        let place = self.place(key, now);
        let debt = self.debt(place, now).saturating_add(self.interval).min(self.full);
        let place = self.claim(key, now).unwrap_or(place);
        set(&mut self.clear_at, place, now.as_micros().saturating_add(debt));
        if let Some(user) = user {
            set(&mut self.users, place, user.0);
        }
    }

    /// Forgets the failures of a key, as far as they are known to be its own.
    pub(super) fn clear(&mut self, key: Key, now: Timestamp) {
        let place = self.place(key, now);
        if place < SETS * WAYS {
            set(&mut self.clear_at, place, 0);
        }
    }

    /// The user whose failures a bucket of this key's own counts.
    pub(super) fn user(&self, key: Key, now: Timestamp) -> Option<UserId> {
        let place = self.place(key, now);
        let user = self.users.get(place).copied().filter(|user| place < SETS * WAYS && *user != 0);
        user.map(UserId)
    }

    /// Whether it is time to tell the log again that the bucket is full.
    pub(super) fn may_tell(&mut self, key: Key, now: Timestamp) -> bool {
        let place = self.place(key, now);
        let told = Timestamp::from_micros(get(&self.told_at, place));
        // A clock that was set back must not silence the log.
        let may = told > now || told == Timestamp::EPOCH || now.since(told) >= LOG_PAUSE;
        if may {
            set(&mut self.told_at, place, now.as_micros());
        }
        may
    }

    /// Where failures of this key are counted: in a bucket of its own, else in the shared one.
    fn place(&self, key: Key, now: Timestamp) -> usize {
        let own = self
            .ways(key)
            .find(|way| self.tags.get(*way) == Some(&key.tag) && get(&self.clear_at, *way) > now.as_micros());
        own.unwrap_or_else(|| SETS * WAYS + set_of(key))
    }

    /// The bucket of the key's own, if it has one or one is free.
    fn claim(&mut self, key: Key, now: Timestamp) -> Option<usize> {
        let own = self.place(key, now);
        if own < SETS * WAYS {
            return Some(own);
        }
        let free = self.ways(key).find(|way| get(&self.clear_at, *way) <= now.as_micros())?;
        if let Some(tag) = self.tags.get_mut(free) {
            *tag = key.tag;
        }
        set(&mut self.users, free, 0);
        set(&mut self.told_at, free, 0);
        Some(free)
    }

    fn ways(&self, key: Key) -> std::ops::Range<usize> {
        let first = set_of(key) * WAYS;
        first..first + WAYS
    }

    /// What is not forgiven yet, in microseconds. Never more than a full bucket's, also when the clock
    /// was set back.
    fn debt(&self, place: usize, now: Timestamp) -> i64 {
        get(&self.clear_at, place).saturating_sub(now.as_micros()).clamp(0, self.full)
    }
}

fn set_of(key: Key) -> usize {
    usize::try_from(key.place % SETS as u64).unwrap_or_default()
}

fn get(values: &[i64], place: usize) -> i64 {
    values.get(place).copied().unwrap_or_default()
}

fn set(values: &mut [i64], place: usize, to: i64) {
    if let Some(value) = values.get_mut(place) {
        *value = to;
    }
}
