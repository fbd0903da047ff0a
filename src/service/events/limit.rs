//! Bounds the audit events of logins, in a bounded amount of memory. Each user and each network has a number of rows an
//! hour. What exceeds it is counted, and a count is written as one row now and then.

use std::collections::hash_map::Entry as Place;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::domain::audit::{Actor, AuditContext, Event, Origin};
use crate::domain::client::ClientId;
use crate::domain::policy::Network;
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;
use crate::store::NewEvent;

/// How many rows of one event a user or a network has in an hour.
const ROWS: u32 = 60;

/// How many rows all refusals of one event have in an hour: guesses at many names from many networks are bounded, too.
/// A flood of one event takes no row of another, so that a public one hides no guess at an administrator's password.
const ROWS_OF_REFUSALS: u32 = 6_000;

/// The hour.
const WINDOW: Duration = Duration::from_secs(3600);

/// How many counts are written at once: those of users and clients first, as only they can be chosen as targets, and the greatest.
/// The others become one row for each event.
const COUNTS_AT_ONCE: usize = 100;

/// The number of sets, and of entries in a set. A new entry takes the place of one without a count of a user, and of
/// these of the one with the fewest rows.
const SETS: u64 = 2048;
const WAYS: usize = 8;

/// Whose rows are bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::service) enum Subject {
    /// A user.
    User(UserId),
    /// A keyed hash of a name that no user has.
    Name(u64),
    /// A registered client that has proved who it is.
    Client(ClientId),
    /// The network of somebody who has not.
    Network(Network),
}

type Key = (Event, Subject);

/// Events that were counted and are not written yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Count {
    event: Event,
    /// `None`: of several.
    subject: Option<Subject>,
    since: Timestamp,
    reasons: BTreeMap<&'static str, u64>,
}

/// Rows within an hour.
#[derive(Debug, Clone, Copy)]
struct Window {
    begun: Timestamp,
    rows: u32,
}

struct Entry {
    window: Window,
    count: Option<Count>,
}

/// The bounds of one service.
#[derive(Default)]
pub(in crate::service) struct EventLimiter {
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sets: HashMap<u64, HashMap<Key, Entry>>,
    /// Of all refusals of an event.
    refusals: HashMap<Event, Window>,
    /// Counts without an entry.
    rest: HashMap<Event, Count>,
}

impl Window {
    const fn new(begun: Timestamp) -> Self {
        Self { begun, rows: 0 }
    }

    /// Whether the hour is over, or the clock was set back.
    fn is_over(&self, now: Timestamp) -> bool {
        now < self.begun || now.since(self.begun) >= WINDOW
    }

    fn renew(&mut self, now: Timestamp) {
        if self.is_over(now) {
            *self = Self::new(now);
        }
    }
}

impl Count {
    fn total(&self) -> u64 {
        self.reasons.values().fold(0, |total, count| total.saturating_add(*count))
    }

    /// Whether it is about somebody who is registered here.
    const fn is_of_known(&self) -> bool {
        match self.subject {
            Some(Subject::User(_) | Subject::Client(_)) => true,
            Some(Subject::Name(_) | Subject::Network(_)) | None => false,
        }
    }

    fn add(&mut self, other: &Self) {
        self.since = self.since.min(other.since);
        for (&reason, count) in &other.reasons {
            let sum = self.reasons.entry(reason).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// The row for it.
    pub(super) fn row(&self, now: Timestamp) -> NewEvent {
        let mut detail = Map::new();
        detail.insert("since".to_owned(), json!(self.since));
        let reasons = self.reasons.iter().filter(|(reason, _)| !reason.is_empty());
        let reasons: Map<_, _> = reasons.map(|(reason, count)| ((*reason).to_owned(), json!(count))).collect();
        if !reasons.is_empty() {
            detail.insert("reasons".to_owned(), Value::Object(reasons));
        }
        let (user, address) = match self.subject {
            Some(Subject::User(user)) => (Some(user), None),
            Some(Subject::Network(network)) => (None, network.address()),
            Some(Subject::Client(_) | Subject::Name(_)) | None => (None, None),
        };
        let actor = match self.subject {
            Some(Subject::User(user)) if matches!(self.event, Event::Login | Event::ClientCalled) => Actor::User(user),
            Some(Subject::Client(client)) => Actor::Client(client),
            Some(Subject::User(_) | Subject::Name(_) | Subject::Network(_)) | None => Actor::Anonymous,
        };
        let origin = Origin { address, ..Origin::default() };
        let audit = AuditContext { event: self.event, actor, origin, at: now, detail: Some(Value::Object(detail)) };
        NewEvent { audit, user, session: None, count: self.total() }
    }
}

impl EventLimiter {
    /// Whether the event may be a row of its own, which is then spent. If not, the caller counts it. All of its
    /// subjects need to have a row left, so that the decision does not depend on whether a user exists.
    pub(in crate::service) fn admits(&self, event: Event, subjects: &[Subject], now: Timestamp) -> bool {
        let keys: Vec<_> = subjects.iter().map(|subject| self.place((event, *subject))).collect();
        let mut state = self.lock();
        let is_refusal = event != Event::Login;
        let of_all = state.refusals.entry(event).or_insert(Window::new(now));
        of_all.renew(now);
        if is_refusal && of_all.rows >= ROWS_OF_REFUSALS {
            return false;
        }
        if keys.iter().any(|(set, key)| state.entry(*set, *key, now).window.rows >= ROWS) {
            return false;
        }
        for (set, key) in keys {
            state.entry(set, key, now).window.rows += 1;
        }
        if let Some(of_all) = state.refusals.get_mut(&event) {
            of_all.rows = of_all.rows.saturating_add(1);
        }
        true
    }

    /// Counts an event that is no row of its own. `reason` may be empty.
    pub(in crate::service) fn count(&self, event: Event, subject: Subject, reason: &'static str, now: Timestamp) {
        self.put_back(Count { event, subject: Some(subject), since: now, reasons: BTreeMap::from([(reason, 1)]) }, now);
    }

    /// Takes what was counted, to be written.
    pub(super) fn take(&self, now: Timestamp) -> Vec<Count> {
        let mut state = self.lock();
        let entries = state.sets.values_mut().flat_map(HashMap::values_mut);
        let mut counts: Vec<_> = entries.filter_map(|entry| entry.count.take()).collect();
        for entries in state.sets.values_mut() {
            entries.retain(|_, entry| !entry.window.is_over(now));
        }
        state.sets.retain(|_, entries| !entries.is_empty());
        counts.sort_by_key(|count| (!count.is_of_known(), std::cmp::Reverse(count.total())));
        for small in counts.split_off(counts.len().min(COUNTS_AT_ONCE)) {
            add_to_rest(&mut state.rest, small);
        }
        counts.extend(state.rest.drain().map(|(_, count)| count));
        counts
    }

    /// Puts back what could not be written.
    pub(super) fn put_back(&self, count: Count, now: Timestamp) {
        let place = count.subject.map(|subject| self.place((count.event, subject)));
        let mut state = self.lock();
        match place {
            Some((set, key)) => match &mut state.entry(set, key, now).count {
                Some(counted) => counted.add(&count),
                none @ None => *none = Some(count),
            },
            None => add_to_rest(&mut state.rest, count),
        }
    }

    fn place(&self, key: Key) -> (u64, Key) {
        (self.hasher.hash_one(key) % SETS, key)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The entry of a key. In a full set it takes the place of another one.
    fn entry(&mut self, set: u64, key: Key, now: Timestamp) -> &mut Entry {
        let entries = self.sets.entry(set).or_default();
        if entries.len() >= WAYS && !entries.contains_key(&key) {
            let rows = |entry: &Entry| if entry.window.is_over(now) { 0 } else { entry.window.rows };
            let worth = |entry: &Entry| (entry.count.as_ref().is_some_and(Count::is_of_known), rows(entry));
            let least = entries.iter().min_by_key(|(_, entry)| worth(entry)).map(|(key, _)| *key);
            let removed = least.and_then(|least| entries.remove(&least));
            if let Some(count) = removed.and_then(|entry| entry.count) {
                add_to_rest(&mut self.rest, count);
            }
        }
        let entry = entries.entry(key).or_insert(Entry { window: Window::new(now), count: None });
        entry.window.renew(now);
        entry
    }
}

fn add_to_rest(rest: &mut HashMap<Event, Count>, count: Count) {
    let count = Count { subject: None, ..count };
    match rest.entry(count.event) {
        Place::Occupied(mut sum) => sum.get_mut().add(&count),
        Place::Vacant(free) => drop(free.insert(count)),
    }
}

#[cfg(test)]
mod tests;
