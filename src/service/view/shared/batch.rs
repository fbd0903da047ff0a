//! The checks of one turn of a thread's event loop, which wait for one round together.
//!
//! One of them leads: it hands the batch over, hears of the answer, keeps the time, and wakes the
//! others. Whoever is polled while nobody leads takes the lead, so nobody is stranded when the
//! leader goes.

use std::task::Waker;
use std::time::Duration;

use super::super::cache::Key;
use super::sync::{Instant, Mutex, MutexGuard, PoisonError};
use crate::service::Unavailable;
use crate::session::TokenRecord;
use crate::token::TokenDigest;

/// No batch is greater than this.
pub(super) const MOST: usize = 1_024;

/// A token that was not remembered when its check arrived.
pub(super) type Ask = (Key, TokenDigest);

/// See the [module](self).
pub(super) struct Batch {
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    asks: Vec<Ask>,
    /// A waker for each check.
    members: Vec<Waker>,
    leader: Option<usize>,
    deadline: Instant,
}

enum Phase {
    /// Open to others; nobody was told of it.
    Gathering,
    /// The owner was told.
    HandedOver,
    /// The answer to each ask; each is taken once.
    Answered(Result<Vec<Option<TokenRecord>>, Unavailable>),
}

/// Where a check stands in its batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    member: usize,
    ask: Option<usize>,
}

/// What a check that was polled is to do.
pub(super) enum Next {
    /// Wait for all who are ready now to join, close the batch, hand it over, and poll again.
    Gather,
    /// Wait, but not beyond this moment.
    Lead(Instant),
    /// Wait.
    Follow,
    /// The round is over, or did not come about. `None`: the check did not ask for its row.
    Done(Result<Option<Option<TokenRecord>>, Unavailable>),
}

impl Batch {
    pub(super) fn new(deadline: Instant) -> Self {
        let (asks, members) = (Vec::new(), Vec::new());
        Self { state: Mutex::new(State { phase: Phase::Gathering, asks, members, leader: None, deadline }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins a batch that is gathering. If nobody leads, time begins anew: whoever was there before
    /// may have gone long ago.
    pub(super) fn join(&self, waker: &Waker, ask: Option<Ask>, timeout: Duration) -> Place {
        let mut state = self.lock();
        let member = state.members.len();
        state.members.push(waker.clone());
        if state.leader.is_none() {
            state.deadline = Instant::now() + timeout;
        }
        let place = Place { member, ask: ask.is_some().then_some(state.asks.len()) };
        state.asks.extend(ask);
        place
    }

    /// How many checks joined.
    pub(super) fn len(&self) -> usize {
        self.lock().members.len()
    }

    pub(super) fn deadline(&self) -> Instant {
        self.lock().deadline
    }

    pub(super) fn poll(&self, place: Place, waker: &Waker) -> Next {
        let mut state = self.lock();
        let State { phase, members, leader, deadline, .. } = &mut *state;
        match phase {
            Phase::Answered(answer) => {
                let answer = match answer {
                    Ok(found) => Ok(place.ask.map(|ask| found.get_mut(ask).and_then(Option::take))),
                    Err(error) => Err(error.clone()),
                };
                let others = std::mem::take(members);
                drop(state);
                wake_but(place.member, &others);
                return Next::Done(answer);
            }
            Phase::Gathering => {
                keep_waker(members, place.member, waker);
                let leads = *leader.get_or_insert(place.member) == place.member;
                return if leads { Next::Gather } else { Next::Follow };
            }
            Phase::HandedOver => {}
        }
        keep_waker(members, place.member, waker);
        if *leader.get_or_insert(place.member) == place.member { Next::Lead(*deadline) } else { Next::Follow }
    }

    /// Nobody may join any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Gathering) {
            state.phase = Phase::HandedOver;
        }
    }

    /// A check that no longer waits.
    pub(super) fn leave(&self, place: Place) {
        let mut state = self.lock();
        if state.leader == Some(place.member) {
            state.leader = None;
            let others = state.members.clone();
            drop(state);
            wake_but(place.member, &others);
        }
    }

    /// What is asked for; `None` if nobody waits any more, because time is up.
    pub(super) fn asks(&self) -> Option<Vec<Ask>> {
        let mut state = self.lock();
        match state.phase {
            Phase::Gathering | Phase::HandedOver => Some(std::mem::take(&mut state.asks)),
            Phase::Answered(_) => None,
        }
    }

    /// Answers all asks, in their order, unless that was done before.
    pub(super) fn answer(&self, answer: Result<Vec<Option<TokenRecord>>, Unavailable>) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Answered(_)) {
            return;
        }
        state.phase = Phase::Answered(answer);
        // If nobody leads, all were woken when the leader left.
        let leader = state.leader.and_then(|leader| state.members.get(leader).cloned());
        drop(state);
        if let Some(leader) = leader {
            leader.wake();
        }
    }
}

fn keep_waker(members: &mut [Waker], member: usize, waker: &Waker) {
    if let Some(known) = members.get_mut(member) {
        known.clone_from(waker);
    }
}

fn wake_but(member: usize, members: &[Waker]) {
    members.iter().enumerate().filter(|(index, _)| *index != member).for_each(|(_, waker)| waker.wake_by_ref());
}
