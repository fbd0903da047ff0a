//! A queue that is shared fairly between addresses and accounts.
//!
//! Start-time fair queueing (Goyal, Vin and Cheng, 1996), with two flows for each job: every job gets
//! the number of the round in which it would begin if each address and each account were served once
//! per round, and the least number is next. A client with few waiting jobs is served soon, whether a flood
//! comes from one address to many accounts or from many addresses to one account.
//!
//! Jobs of known pairs have a queue of their own, and the two queues alternate: half of the hashing, and
//! half of the capacity, is kept for each as long as it needs them.

use std::collections::HashMap;
use std::time::Instant;

use crate::service::throttle::Share;

/// A waiting job, and since when it waits.
pub(super) struct Waiting<J> {
    pub(super) job: J,
    pub(super) share: Share,
    pub(super) since: Instant,
    /// The round in which it is due.
    start: u64,
    number: u64,
}

/// A bounded queue; see the [module](self).
pub(super) struct FairQueue<J> {
    capacity: usize,
    strangers: Class<J>,
    known: Class<J>,
    /// Whether a known pair is next, if both queues have jobs.
    known_next: bool,
    next_number: u64,
}

/// The jobs of one of the two queues.
struct Class<J> {
    waiting: Vec<Waiting<J>>,
    /// The round that is being served.
    round: u64,
    /// The round after the last job of each account (`false`) and address (`true`).
    after_last: HashMap<(bool, u64), u64>,
}

impl<J> FairQueue<J> {
    /// An empty queue with room for this many jobs.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            strangers: Class::new(),
            known: Class::new(),
            known_next: true,
            next_number: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.strangers.waiting.len() + self.known.waiting.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All waiting jobs.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting<J>> {
        self.known.waiting.iter().chain(&self.strangers.waiting)
    }

    /// Adds a job. If the queue is full, the job that would be served last is returned: the new one, or
    /// another.
    pub(super) fn push(&mut self, job: J, share: Share, now: Instant) -> Option<J> {
        let number = self.next_number;
        self.next_number += 1;
        let keeps = self.capacity;
        let full = self.len() >= keeps;
        let (own, other) =
            if share.known { (&mut self.known, &mut self.strangers) } else { (&mut self.strangers, &mut self.known) };
        own.push(Waiting { job, share, since: now, start: 0, number });
        if !full {
            return None;
        }
        let crowded = if other.waiting.len() > keeps / 2 { other } else { own };
        crowded.take_last()
    }

    /// How many jobs would be served before a new one of this share.
    pub(super) fn ahead(&self, share: Share) -> usize {
        let (own, other) = if share.known { (&self.known, &self.strangers) } else { (&self.strangers, &self.known) };
        let start = own.start(share);
        let before = own.waiting.iter().filter(|waiting| waiting.start <= start).count();
        before + other.waiting.len().min(before + 1)
    }

    /// The next job that `may` be taken.
    pub(super) fn pop(&mut self, may: impl Fn(&J) -> bool) -> Option<Waiting<J>> {
        let (first, second) = if self.known_next {
            (&mut self.known, &mut self.strangers)
        } else {
            (&mut self.strangers, &mut self.known)
        };
        let taken = first.pop(&may).or_else(|| second.pop(&may))?;
        self.known_next = !taken.share.known;
        Some(taken)
    }
}

impl<J> Class<J> {
    fn new() -> Self {
        Self { waiting: Vec::new(), round: 0, after_last: HashMap::new() }
    }

    fn flows(share: Share) -> impl Iterator<Item = (bool, u64)> {
        std::iter::once((false, share.account)).chain(share.address.map(|address| (true, address)))
    }

    /// The round in which a new job of this share would be due.
    fn start(&self, share: Share) -> u64 {
        let after_last = Self::flows(share).filter_map(|flow| self.after_last.get(&flow).copied());
        after_last.max().unwrap_or_default().max(self.round)
    }

    fn push(&mut self, waiting: Waiting<J>) {
        // Flows that are not ahead of the round have no effect, so no more are kept than jobs waited recently.
        if self.after_last.len() > 2 * self.waiting.len() + 64 {
            let round = self.round;
            self.after_last.retain(|_, after| *after > round);
        }
        let start = self.start(waiting.share);
        for flow in Self::flows(waiting.share) {
            self.after_last.insert(flow, start + 1);
        }
        self.waiting.push(Waiting { start, ..waiting });
    }

    fn pop(&mut self, may: impl Fn(&J) -> bool) -> Option<Waiting<J>> {
        let fitting = self.waiting.iter().enumerate().filter(|(_, waiting)| may(&waiting.job));
        let (index, _) = fitting.min_by_key(|(_, waiting)| (waiting.start, waiting.number))?;
        let taken = self.waiting.swap_remove(index);
        self.round = self.round.max(taken.start);
        Some(taken)
    }

    /// Removes the job that would be served last; its flows are one round less ahead.
    fn take_last(&mut self) -> Option<J> {
        let (index, _) = self.waiting.iter().enumerate().max_by_key(|(_, waiting)| (waiting.start, waiting.number))?;
        let gone = self.waiting.swap_remove(index);
        for flow in Self::flows(gone.share) {
            if let Some(after) = self.after_last.get_mut(&flow).filter(|after| **after == gone.start + 1) {
                *after = gone.start;
            }
        }
        Some(gone.job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(account: u64, address: u64, known: bool) -> Share {
        Share { account, address: Some(address), known }
    }

    fn order(queue: &mut FairQueue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop(|_| true)).map(|taken| taken.job).collect()
    }

    #[test]
    fn a_flood_from_one_address_is_one_of_many() {
        let mut queue = FairQueue::new(100);
        for account in 0..50 {
            assert!(queue.push("flood", share(account, 1, false), Instant::now()).is_none());
        }
        assert_eq!(queue.pop(|_| true).map(|taken| taken.job), Some("flood"));
        assert!(queue.ahead(share(99, 2, false)) <= 1);
        queue.push("honest", share(99, 2, false), Instant::now());
        assert!(order(&mut queue).iter().position(|job| *job == "honest") <= Some(1));
    }

    #[test]
    fn a_flood_at_one_account_is_one_of_many() {
        let mut queue = FairQueue::new(100);
        for address in 0..50 {
            queue.push("flood", share(1, address, false), Instant::now());
        }
        queue.pop(|_| true);
        queue.push("honest", share(2, 99, false), Instant::now());
        assert!(order(&mut queue).iter().position(|job| *job == "honest") <= Some(1));
    }

    #[test]
    fn half_is_kept_for_known_pairs() {
        let mut queue = FairQueue::new(1_000);
        for number in 0..100 {
            queue.push("stranger", share(number, number, false), Instant::now());
        }
        for number in 0..10 {
            queue.push("known", share(1_000 + number, 1_000 + number, true), Instant::now());
        }
        let served = order(&mut queue);
        assert_eq!(served.iter().take(20).filter(|job| **job == "known").count(), 10);
        assert_eq!(served.len(), 110);
    }

    #[test]
    fn a_full_queue_lets_go_of_what_would_be_served_last() {
        let mut queue = FairQueue::new(4);
        for account in 0..4 {
            queue.push("flood", share(account, 1, false), Instant::now());
        }
        assert_eq!(queue.push("flood too", share(9, 1, false), Instant::now()), Some("flood too"));
        assert_eq!(queue.push("honest", share(10, 2, false), Instant::now()), Some("flood"));
        assert_eq!(queue.push("owner", share(11, 1, true), Instant::now()), Some("flood"));
        assert_eq!(queue.len(), 4);
        let served = order(&mut queue);
        assert_eq!(served[0], "owner");
        assert!(served.contains(&"honest"));
    }

    #[test]
    fn a_job_that_may_not_be_taken_yet_holds_up_nobody() {
        let mut queue = FairQueue::new(4);
        queue.push("large", share(1, 1, false), Instant::now());
        queue.push("small", share(2, 2, false), Instant::now());
        assert_eq!(queue.pop(|job| *job == "small").map(|taken| taken.job), Some("small"));
        assert_eq!(order(&mut queue), ["large"]);
    }
}
