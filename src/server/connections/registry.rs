//! All connections of a server: which of them have a slot, and which lose it when slots run out.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use slab::Slab;

use super::state::{CoarseClock, Deadlines, End, State};
use crate::domain::policy::Network;

/// The share of all open connections that are selected at once as candidates for closing: one in this many.
const CANDIDATE_SHARE: usize = 16;
/// The interval between warnings that slots run out, in milliseconds.
const WARNING_INTERVAL_MS: u64 = 60_000;

/// All connections of a server.
#[derive(Debug)]
pub(super) struct Registry {
    clock: Arc<CoarseClock>,
    deadlines: Deadlines,
    stopping: AtomicBool,
    slots: Mutex<Slots>,
}

#[derive(Debug)]
struct Slots {
    /// The maximum number.
    most: usize,
    open: Slab<Entry>,
    /// How many of `open` have not been told to close.
    staying: usize,
    /// How many there have been since the start.
    entered: u64,
    held: HashMap<Network, usize>,
    oldest: Candidates,
    oldest_of_greediest: Candidates,
    warned: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    state: Arc<State>,
    /// How many connections were opened before it: this orders those of one tick of the clock.
    age: u64,
    holder: Option<Network>,
    gives_way: bool,
}

/// Connections that may be closed; the first has gone longest without a request.
#[derive(Debug, Default)]
struct Candidates {
    of: Option<Network>,
    queue: VecDeque<Candidate>,
}

/// A connection that may be closed: the time of its last request, its age, and its number.
type Candidate = (u64, u64, usize);

/// The slot of a connection, until this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    registry: Arc<Registry>,
    number: usize,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.registry.slots().leave(self.number);
    }
}

impl Registry {
    pub(super) fn new(most: usize, deadlines: Deadlines) -> Self {
        let slots = Slots {
            most,
            open: Slab::new(),
            staying: 0,
            entered: 0,
            held: HashMap::new(),
            oldest: Candidates::default(),
            oldest_of_greediest: Candidates::default(),
            warned: None,
        };
        let clock = Arc::new(CoarseClock::default());
        Self { clock, deadlines, stopping: AtomicBool::new(false), slots: Mutex::new(slots) }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection of `holder`, or one that is not counted for any address. When nine tenths
    /// of the slots are taken, another connection is closed.
    pub(super) fn enter(self: &Arc<Self>, holder: Option<Network>) -> (Arc<State>, Slot) {
        let state = Arc::new(State::new(Arc::clone(&self.clock)));
        let mut slots = self.slots();
        let number = slots.enter(Arc::clone(&state), holder);
        if slots.staying > slots.most - slots.most / 10 {
            slots.make_room(holder, self.clock.now());
        }
        drop(slots);
        (state, Slot { registry: Arc::clone(self), number })
    }

    /// From now on idle connections are closed.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Ends the connections whose deadlines have passed. Call this once per [`Deadlines::grain`].
    pub(super) fn sweep(&self) {
        let (now, stopping) = (self.clock.now(), self.stopping.load(Ordering::Relaxed));
        for (_, entry) in &self.slots().open {
            if let Some(how) = entry.state.overdue(now, &self.deadlines, stopping) {
                entry.state.finish(how);
            }
        }
    }

    /// Advances the clock, by at most two sweep intervals: clients must not be taken for slow because the machine
    /// slept or had no time for this thread.
    pub(super) fn advance(&self, last: &mut Instant) {
        let passed = last.elapsed().min(Duration::from_millis(2 * self.deadlines.grain));
        *last = Instant::now();
        self.clock.set(self.clock.now() + u64::try_from(passed.as_millis()).unwrap_or(self.deadlines.grain));
    }
}

impl Slots {
    fn enter(&mut self, state: Arc<State>, holder: Option<Network>) -> usize {
        if let Some(holder) = holder {
            *self.held.entry(holder).or_default() += 1;
        }
        self.staying += 1;
        self.entered += 1;
        self.open.insert(Entry { state, age: self.entered, holder, gives_way: false })
    }

    fn leave(&mut self, number: usize) {
        if let Some(entry) = self.open.try_remove(number)
            && !entry.gives_way
        {
            self.give_back(entry.holder);
        }
    }

    fn give_back(&mut self, holder: Option<Network>) {
        self.staying -= 1;
        if let Some(holder) = holder
            && let Some(count) = self.held.get_mut(&holder)
        {
            *count -= 1;
            if *count == 0 {
                self.held.remove(&holder);
            }
        }
    }

    /// Closes the connection that has gone longest without a request: one of the
    /// newcomer's own, if its address has more than half of all slots.
    fn make_room(&mut self, newcomer: Option<Network>, now: u64) {
        let greedy = newcomer.filter(|holder| self.held.get(holder).is_some_and(|count| *count > self.most / 2));
        let mut candidates = match greedy {
            Some(_) => std::mem::take(&mut self.oldest_of_greediest),
            None => std::mem::take(&mut self.oldest),
        };
        if candidates.of != greedy {
            candidates = Candidates { of: greedy, queue: VecDeque::new() };
        }
        let mut victim = self.first_of(&mut candidates);
        if victim.is_none() {
            candidates.queue = self.select(greedy);
            victim = self.first_of(&mut candidates);
        }
        if let Some(number) = victim
            && let Some(entry) = self.open.get_mut(number)
        {
            entry.gives_way = true;
            entry.state.finish(End::Dropped);
            let holder = entry.holder;
            self.give_back(holder);
        }
        match greedy {
            Some(_) => self.oldest_of_greediest = candidates,
            None => self.oldest = candidates,
        }
        if self.warned.is_none_or(|warned| now.saturating_sub(warned) >= WARNING_INTERVAL_MS) {
            self.warned = Some(now);
            log::warn!(open = self.staying, max = self.most;
                "nine tenths of the connections that this server can hold are open: those that have gone longest \
                 without a request are closed");
        }
    }

    /// The next candidate that has not changed since it was selected.
    fn first_of(&self, candidates: &mut Candidates) -> Option<usize> {
        while let Some((last_request, age, number)) = candidates.queue.pop_front() {
            let still = self.open.get(number).filter(|entry| {
                let same = entry.age == age && entry.state.last_request() == last_request;
                !entry.gives_way && same && entry.state.can_give_way()
            });
            if still.is_some() {
                return Some(number);
            }
        }
        None
    }

    /// Selects candidates among all connections, for many newcomers at once.
    fn select(&self, of: Option<Network>) -> VecDeque<Candidate> {
        let mut all: Vec<Candidate> = self
            .open
            .iter()
            .filter(|(_, entry)| !entry.gives_way && (of.is_none() || entry.holder == of) && entry.state.can_give_way())
            .map(|(number, entry)| (entry.state.last_request(), entry.age, number))
            .collect();
        let wanted = (self.most / CANDIDATE_SHARE).max(1);
        if all.len() > wanted {
            all.select_nth_unstable(wanted);
            all.truncate(wanted);
        }
        all.sort_unstable();
        all.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINES: Deadlines = Deadlines { read: 5000, idle: 75_000, write: 10_000, drain: 1000, grain: 250 };

    fn holder(address: &str) -> Option<Network> {
        Some(Network::of(Some(address.parse().expect("an address"))))
    }

    fn registry(most: usize) -> Arc<Registry> {
        Arc::new(Registry::new(most, DEADLINES))
    }

    fn is_dropped(state: &State) -> bool {
        state.end() == End::Dropped
    }

    #[test]
    fn below_nine_tenths_there_is_no_limit() {
        let registry = registry(100);
        let all: Vec<_> = (0..90).map(|_| registry.enter(holder("203.0.113.9"))).collect();
        assert!(all.iter().all(|(state, _)| !is_dropped(state)));
    }

    #[test]
    fn those_longest_without_a_request_give_way_first() {
        let registry = registry(100);
        let mut all = Vec::new();
        for number in 0..90 {
            registry.clock.set(number);
            all.push(registry.enter(holder(&format!("10.0.0.{number}"))));
        }
        registry.clock.set(1000);
        // The first sends a request, and the second waits for an answer.
        all[0].0.request_done();
        all[1].0.called();
        let newcomers: Vec<_> = (0..3).map(|_| registry.enter(holder("203.0.113.9"))).collect();
        let dropped: Vec<_> = (0..90).filter(|number| is_dropped(&all[*number].0)).collect();
        assert_eq!(dropped, [2, 3, 4]);
        assert!(newcomers.iter().all(|(state, _)| !is_dropped(state)));
    }

    #[test]
    fn of_those_who_came_at_one_moment_the_newest_gives_way_last() {
        let registry = registry(10);
        let mut all: VecDeque<_> = (0..9).map(|_| registry.enter(holder("203.0.113.9"))).collect();
        // The newest gets the number of one that is gone.
        all.remove(4);
        for _ in 0..100 {
            let (state, slot) = registry.enter(holder("203.0.113.9"));
            assert!(!is_dropped(&state));
            all.push_back((state, slot));
            if all.len() > 9 {
                let (oldest, _) = all.pop_front().expect("an oldest");
                assert!(is_dropped(&oldest));
            }
        }
    }

    #[test]
    fn who_sends_no_body_or_reads_no_answer_gives_way_though_it_is_served() {
        let registry = registry(10);
        let all: Vec<_> = (0..9).map(|number| registry.enter(holder(&format!("10.0.0.{number}")))).collect();
        for (state, _) in &all {
            state.called();
        }
        let _first = registry.enter(holder("203.0.113.9"));
        all[3].0.wrote(0, 1);
        registry.clock.set(1);
        let _second = registry.enter(holder("203.0.113.9"));
        all[5].0.head_done(true);
        let _third = registry.enter(holder("203.0.113.9"));
        all[7].0.head_done(false);
        let _fourth = registry.enter(holder("203.0.113.9"));
        let dropped: Vec<_> = (0..9).filter(|number| is_dropped(&all[*number].0)).collect();
        assert_eq!(dropped, [3, 5]);
    }

    #[test]
    fn an_address_with_more_than_half_makes_room_for_itself() {
        let registry = registry(100);
        let honest: Vec<_> = (0..30).map(|number| registry.enter(holder(&format!("10.0.0.{number}")))).collect();
        registry.clock.set(1000);
        let greedy: Vec<_> = (0..200).map(|_| registry.enter(holder("203.0.113.9"))).collect();
        assert!(honest.iter().all(|(state, _)| !is_dropped(state)));
        assert_eq!(greedy.iter().filter(|(state, _)| !is_dropped(state)).count(), 60);
    }

    #[test]
    fn slots_come_back() {
        let registry = registry(10);
        for _ in 0..1000 {
            let (state, _place) = registry.enter(holder("203.0.113.9"));
            assert!(!is_dropped(&state));
        }
        let slots = registry.slots();
        assert_eq!((slots.open.len(), slots.staying, slots.held.len()), (0, 0, 0));
    }
}
