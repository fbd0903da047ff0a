//! Checks of one thread, which wait for one poll together.
//!
//! One of them leads: it hands the batch over, receives the answer, watches the deadline, and wakes the others. A check
//! whose future runs while no check leads takes the lead, so no check is stranded when the leader is gone. Others may
//! join until the owner takes the batch for a poll.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use super::super::table::Key;
use super::sync::{Arc, Instant, Mutex, MutexGuard, PoisonError};
use crate::domain::session::TokenRecord;
use crate::domain::token::TokenDigest;
use crate::service::Unavailable;

/// The maximum number of checks in a batch. No poll asks for the rows of many more tokens than this.
const MAX_CHECKS: usize = 1_024;

/// A batch that was handed over accepts no more checks after this time. All checks of a batch have one deadline, so a
/// late one would have too little time. Besides, handing over a new batch replaces an owner that is silent.
const OPEN_FOR: Duration = Duration::from_millis(20);

/// A token that was not cached when its check arrived.
pub(super) type RowRequest = (Key, TokenDigest);

/// See the [module](self).
pub(super) struct Batch {
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    asks: Vec<RowRequest>,
    members: Vec<WaitingCheck>,
    leader: Option<usize>,
    deadline: Instant,
}

/// A check that joins.
#[derive(Clone, Copy)]
pub(super) struct NewCheck<'a> {
    pub(super) key: Key,
    pub(super) waker: &'a Waker,
    /// Its row request, if the token is not cached.
    pub(super) ask: Option<TokenDigest>,
}

/// A check that waits.
#[derive(Clone)]
struct WaitingCheck {
    key: Key,
    waker: Waker,
}

/// The checks of a batch that wait for another one to be polled. Only the first to receive the answer gets
/// them.
pub(super) struct OtherChecks(Vec<WaitingCheck>);

/// The batches for one poll, with the number of their row requests; all row requests; and how many
/// checks wait for the poll.
pub(super) struct TakenBatches {
    pub(super) batches: Vec<(Arc<Batch>, usize)>,
    pub(super) asks: Vec<RowRequest>,
    pub(super) checks: usize,
}

enum Phase {
    /// The owner does not know of it.
    Gathering,
    /// The owner was notified, at this moment.
    HandedOver(Instant),
    /// The owner has it, so its poll may have been sent.
    Taken,
    /// The answer to each row request; each is taken once.
    Answered(Result<Vec<Option<TokenRecord>>, Unavailable>),
}

/// The position of a check in its batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Membership {
    member: usize,
    ask: Option<usize>,
}

/// What a check has to do after it was polled.
pub(super) enum Polled {
    /// Wait until all checks that are ready now have joined, hand the batch over, and poll again.
    Gather,
    /// Wait, but not beyond this moment.
    Lead(Instant),
    /// Wait.
    Follow,
    /// The poll is over, or failed. `None`: the check did not request its row. It wakes
    /// the others.
    Done(Result<Option<Option<TokenRecord>>, Unavailable>, OtherChecks),
}

impl Batch {
    /// A batch of one.
    pub(super) fn begin(first: NewCheck<'_>, timeout: Duration) -> (Arc<Self>, Membership) {
        let (asks, members, deadline) = (Vec::new(), Vec::new(), Instant::now() + timeout);
        let mut state = State { phase: Phase::Gathering, asks, members, leader: None, deadline };
        let membership = state.add(first);
        (Arc::new(Self { state: Mutex::new(state) }), membership)
    }

    /// Joins, unless the batch was taken, has waited for too long, or is full. If no check leads a batch that gathers,
    /// its time starts again: the checks that joined before may have left long ago.
    pub(super) fn join(&self, joining: NewCheck<'_>, timeout: Duration) -> Option<Membership> {
        let mut state = self.lock();
        let is_open = match state.phase {
            Phase::Gathering => true,
            Phase::HandedOver(at) => at.elapsed() < OPEN_FOR,
            Phase::Taken | Phase::Answered(_) => false,
        };
        if !is_open || state.members.len() >= MAX_CHECKS {
            return None;
        }
        if state.leader.is_none() && matches!(state.phase, Phase::Gathering) {
            state.deadline = Instant::now() + timeout;
        }
        Some(state.add(joining))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many checks may still wait for it.
    pub(super) fn waiting(&self) -> usize {
        let state = self.lock();
        if matches!(state.phase, Phase::Answered(_)) { 0 } else { state.members.len() }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.lock().deadline
    }

    pub(super) fn poll(&self, membership: Membership, waker: &Waker) -> Polled {
        let mut state = self.lock();
        let State { phase, members, leader, deadline, .. } = &mut *state;
        match phase {
            Phase::Answered(answer) => {
                let answer = match answer {
                    Ok(found) => Ok(membership.ask.map(|ask| found.get_mut(ask).and_then(Option::take))),
                    Err(error) => Err(error.clone()),
                };
                return Polled::Done(answer, OtherChecks(std::mem::take(members)));
            }
            Phase::Gathering => {
                keep_waker(members, membership.member, waker);
                let leads = *leader.get_or_insert(membership.member) == membership.member;
                return if leads { Polled::Gather } else { Polled::Follow };
            }
            Phase::HandedOver(_) | Phase::Taken => {}
        }
        keep_waker(members, membership.member, waker);
        if *leader.get_or_insert(membership.member) == membership.member {
            Polled::Lead(*deadline)
        } else {
            Polled::Follow
        }
    }

    /// Notes that the owner was notified.
    pub(super) fn hand_over(&self) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Gathering) {
            state.phase = Phase::HandedOver(Instant::now());
        }
    }

    /// A check that no longer waits.
    pub(super) fn leave(&self, membership: Membership) {
        let mut state = self.lock();
        if state.leader == Some(membership.member) {
            state.leader = None;
            let others = OtherChecks(state.members.clone());
            drop(state);
            others.wake_but(membership);
        }
    }

    /// Closes the batch, and returns the row requests of its checks, and how many checks there are; `None` if none is
    /// waiting any more, because time is up.
    pub(super) fn take(&self) -> Option<(Vec<RowRequest>, usize)> {
        let mut state = self.lock();
        match state.phase {
            Phase::Gathering | Phase::HandedOver(_) | Phase::Taken => {
                state.phase = Phase::Taken;
                Some((std::mem::take(&mut state.asks), state.members.len()))
            }
            Phase::Answered(_) => None,
        }
    }

    /// Answers all row requests, in their order, unless that was done before.
    pub(super) fn answer(&self, answer: Result<Vec<Option<TokenRecord>>, Unavailable>) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Answered(_)) {
            return;
        }
        state.phase = Phase::Answered(answer);
        // If no check leads, all were woken when the leader left.
        let leader = state.leader.and_then(|leader| state.members.get(leader).map(|member| member.waker.clone()));
        drop(state);
        if let Some(leader) = leader {
            leader.wake();
        }
    }
}

impl TakenBatches {
    /// All waiting batches that fit into one poll.
    pub(super) fn from(waiting: &mut VecDeque<Arc<Batch>>) -> Self {
        let mut taken = Self { batches: Vec::new(), asks: Vec::new(), checks: 0 };
        while let Some(batch) = waiting.pop_front() {
            if let Some((asks, checks)) = batch.take() {
                taken.checks += checks;
                taken.batches.push((batch, asks.len()));
                taken.asks.extend(asks);
            }
            if taken.asks.len() >= MAX_CHECKS {
                break;
            }
        }
        taken
    }

    pub(super) fn fail(self, error: &Unavailable) {
        self.batches.into_iter().for_each(|(batch, _)| batch.answer(Err(error.clone())));
    }
}

impl State {
    fn add(&mut self, NewCheck { key, waker, ask }: NewCheck<'_>) -> Membership {
        let membership = Membership { member: self.members.len(), ask: ask.is_some().then_some(self.asks.len()) };
        self.asks.extend(ask.map(|digest| (key, digest)));
        self.members.push(WaitingCheck { key, waker: waker.clone() });
        membership
    }
}

impl OtherChecks {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys that they will look up.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.0.iter().map(|member| member.key).collect()
    }

    /// Wakes all but this one, which is awake already.
    pub(super) fn wake_but(self, membership: Membership) {
        let others = self.0.into_iter().enumerate().filter(|(member, _)| *member != membership.member);
        others.for_each(|(_, member)| member.waker.wake());
    }
}

fn keep_waker(members: &mut [WaitingCheck], member: usize, waker: &Waker) {
    if let Some(known) = members.get_mut(member) {
        known.waker.clone_from(waker);
    }
}
