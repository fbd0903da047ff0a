//! Counters of failures in a fixed amount of memory.
//!
//! A bucket is stored as the time when all its failures will be forgiven. Buckets are in sets of eight. A bucket that
//! is not empty is never given to another key. Keys that find their set full share an additional bucket. So a flood of
//! other keys can fill buckets, which slows unknown clients down, but it never empties one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::key::Key;
use crate::domain::policy::{Allowance, Network};
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;

/// The number of sets, a power of two; with [`WAYS`] buckets each, 65,536 buckets. A bucket with one failure
/// is free again after one interval, so there is room even for a thousand failures a second.
const SETS: usize = 1 << 13;
/// The number of buckets in a set.
const WAYS: usize = 8;
/// A full bucket is logged once per this time.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Whether a bucket has room for one more attempt.
pub(super) enum Room {
    /// It has room.
    Free,
    /// Attempts in flight have reserved the room: this is notified when one of them ends.
    Awaited(Arc<Notify>),
    /// It is full, and has room for one more after this time.
    Full(Duration),
}

/// What a bucket notes of a failed attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure {
    /// The user, if one was found.
    pub(super) user: Option<UserId>,
    /// The keyed hash of the name.
    pub(super) name: u64,
    /// Where it came from.
    pub(super) network: Network,
}

/// A bucket that is not empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filled {
    /// Its latest failure.
    pub(super) latest: Failure,
    /// How many failures it counts, rounded up.
    pub(super) failures: u32,
    /// Whether it takes no further attempt now.
    pub(super) is_full: bool,
    /// When it will be empty.
    pub(super) clear_at: Timestamp,
}

/// The buckets of one kind.
pub(super) struct Buckets {
    /// The time after which one failure is forgiven, in microseconds.
    interval: i64,
    /// How long a full bucket takes to empty, in microseconds.
    full: i64,
    tags: Vec<u64>,
    /// When each bucket will be empty, in microseconds: [`SETS`] times [`WAYS`] buckets, then the shared ones.
    clear_at: Vec<i64>,
    /// The user of the failures, if one was found; 0: none.
    users: Vec<i64>,
    /// The keyed hash of the name of the latest failure.
    names: Vec<u64>,
    /// The number of the network of the latest failure.
    networks: Vec<u128>,
    /// When it was last logged that the bucket is full, in microseconds; 0: never.
    logged_at: Vec<i64>,
    /// Attempts that were admitted and have not ended. Exact, and bounded by the number of waiting
    /// requests.
    in_flight: HashMap<Key, (u32, Arc<Notify>)>,
}

impl Buckets {
    pub(super) fn new(allowance: Allowance) -> Self {
        let interval = i64::try_from(allowance.interval.as_micros()).unwrap_or(i64::MAX).max(1);
        // Zeroed memory is allocated when it is first used.
        Self {
            interval,
            full: interval.saturating_mul(i64::from(allowance.burst.max(1))),
            tags: vec![0; SETS * WAYS],
            clear_at: vec![0; SETS * WAYS + SETS],
            users: vec![0; SETS * WAYS + SETS],
            names: vec![0; SETS * WAYS + SETS],
            networks: vec![0; SETS * WAYS + SETS],
            logged_at: vec![0; SETS * WAYS + SETS],
            in_flight: HashMap::new(),
        }
    }

    /// Whether one more attempt is allowed.
    pub(super) fn room(&mut self, key: Key, now: Timestamp) -> Room {
        let index = self.index_of(key, now);
        // If the clock was set back, the bucket empties like one that has just been filled.
        let latest = now.as_micros().saturating_add(self.full);
        if get(&self.clear_at, index) > latest {
            set(&mut self.clear_at, index, latest);
        }
        let after_one_more = self.debt(index, now).saturating_add(self.interval);
        if after_one_more > self.full {
            return Room::Full(Duration::from_micros((after_one_more - self.full).unsigned_abs()));
        }
        match self.in_flight.get(&key) {
            Some((attempts, ended))
                if self.interval.saturating_mul(i64::from(*attempts)).saturating_add(after_one_more) > self.full =>
            {
                Room::Awaited(Arc::clone(ended))
            }
            Some(_) | None => Room::Free,
        }
    }

    /// Admits an attempt, which [`Buckets::release`] ends.
    pub(super) fn reserve(&mut self, key: Key) {
        self.in_flight.entry(key).or_default().0 += 1;
    }

    /// Ends an attempt, whatever its result.
    pub(super) fn release(&mut self, key: Key) {
        let Entry::Occupied(mut entry) = self.in_flight.entry(key) else { return };
        let (attempts, ended) = entry.get_mut();
        *attempts = attempts.saturating_sub(1);
        ended.notify_waiters();
        if *attempts == 0 {
            entry.remove();
        }
    }

    /// Counts a failure.
    pub(super) fn count(&mut self, key: Key, failure: Failure, now: Timestamp) {
        let index = self.index_of(key, now);
        let debt = self.debt(index, now).saturating_add(self.interval).min(self.full);
        let index = self.claim(key, now).unwrap_or(index);
        set(&mut self.clear_at, index, now.as_micros().saturating_add(debt));
        if let Some(user) = failure.user {
            set(&mut self.users, index, user.0);
        }
        set(&mut self.names, index, failure.name);
        set(&mut self.networks, index, failure.network.to_bits());
    }

    /// Forgets the failures of a key, unless it shares a bucket.
    pub(super) fn clear(&mut self, key: Key, now: Timestamp) {
        let index = self.index_of(key, now);
        if index < SETS * WAYS {
            set(&mut self.clear_at, index, 0);
        }
    }

    /// All buckets that are not empty, except those that several keys share.
    pub(super) fn filled(&self, now: Timestamp) -> impl Iterator<Item = Filled> {
        self.own_filled(now).filter_map(move |index| self.describe(index, now))
    }

    /// Empties the buckets whose latest failure is `wanted`; returns how many there were. Buckets that several keys
    /// share are left.
    pub(super) fn clear_where(&mut self, now: Timestamp, wanted: impl Fn(&Failure) -> bool) -> usize {
        let of_them = |index: &usize| self.describe(*index, now).is_some_and(|filled| wanted(&filled.latest));
        let chosen: Vec<usize> = self.own_filled(now).filter(of_them).collect();
        chosen.iter().for_each(|index| set(&mut self.clear_at, *index, 0));
        chosen.len()
    }

    /// Empties all buckets.
    pub(super) fn clear_all(&mut self, now: Timestamp) -> usize {
        let filled = self.own_filled(now).count();
        self.clear_at.fill(0);
        filled
    }

    fn own_filled(&self, now: Timestamp) -> impl Iterator<Item = usize> {
        let is_filled = move |(index, at): (usize, &i64)| (*at > now.as_micros()).then_some(index);
        self.clear_at.iter().take(SETS * WAYS).enumerate().filter_map(is_filled)
    }

    fn describe(&self, index: usize, now: Timestamp) -> Option<Filled> {
        let debt = self.debt(index, now);
        let user = get(&self.users, index);
        (debt > 0).then(|| Filled {
            latest: Failure {
                user: (user != 0).then_some(UserId(user)),
                name: get(&self.names, index),
                network: Network::from_bits(get(&self.networks, index)),
            },
            failures: u32::try_from((debt - 1) / self.interval + 1).unwrap_or(u32::MAX),
            is_full: debt.saturating_add(self.interval) > self.full,
            clear_at: now.saturating_add(Duration::from_micros(debt.unsigned_abs())),
        })
    }

    /// The user whose failures the key's own bucket counts.
    pub(super) fn user(&self, key: Key, now: Timestamp) -> Option<UserId> {
        let index = self.index_of(key, now);
        let user = self.users.get(index).copied().filter(|user| index < SETS * WAYS && *user != 0);
        user.map(UserId)
    }

    /// Whether it is time to log again that the bucket is full.
    pub(super) fn may_log(&mut self, key: Key, now: Timestamp) -> bool {
        let index = self.index_of(key, now);
        let logged = Timestamp::from_micros(get(&self.logged_at, index));
        // If the clock was set back, that must not silence the log.
        let may = logged > now || logged == Timestamp::EPOCH || now.since(logged) >= LOG_INTERVAL;
        if may {
            set(&mut self.logged_at, index, now.as_micros());
        }
        may
    }

    /// The bucket that counts failures of this key: its own, or else the shared one.
    fn index_of(&self, key: Key, now: Timestamp) -> usize {
        let own = self
            .ways(key)
            .find(|way| self.tags.get(*way) == Some(&key.tag) && get(&self.clear_at, *way) > now.as_micros());
        own.unwrap_or_else(|| SETS * WAYS + set_of(key))
    }

    /// The key's own bucket, if it has one or one is free.
    fn claim(&mut self, key: Key, now: Timestamp) -> Option<usize> {
        let own = self.index_of(key, now);
        if own < SETS * WAYS {
            return Some(own);
        }
        let free = self.ways(key).find(|way| get(&self.clear_at, *way) <= now.as_micros())?;
        if let Some(tag) = self.tags.get_mut(free) {
            *tag = key.tag;
        }
        set(&mut self.users, free, 0);
        set(&mut self.logged_at, free, 0);
        Some(free)
    }

    fn ways(&self, key: Key) -> std::ops::Range<usize> {
        let first = set_of(key) * WAYS;
        first..first + WAYS
    }

    /// How long the bucket takes to empty, in microseconds. At most that of a full bucket, even if the
    /// clock was set back.
    fn debt(&self, index: usize, now: Timestamp) -> i64 {
        get(&self.clear_at, index).saturating_sub(now.as_micros()).clamp(0, self.full)
    }
}

fn set_of(key: Key) -> usize {
    usize::try_from(key.set % SETS as u64).unwrap_or_default()
}

fn get<T: Copy + Default>(values: &[T], index: usize) -> T {
    values.get(index).copied().unwrap_or_default()
}

fn set<T>(values: &mut [T], index: usize, to: T) {
    if let Some(value) = values.get_mut(index) {
        *value = to;
    }
}
