//! The end of a turn of the event loop.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::task::JoinHandle;

use crate::domain::session::TokenRecord;

/// Ready when all tasks that are ready now have been polled: a task that is spawned now runs after them. Yielding once
/// is not enough, because actix-web polls a waiting handler more than once before it polls the next one.
pub(super) struct TurnOver(JoinHandle<()>);

/// Waits for the end of this turn. Must be called within a tokio runtime.
pub(super) fn turn_over() -> TurnOver {
    TurnOver(tokio::spawn(async {}))
}

impl Future for TurnOver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context).map(drop)
    }
}

/// A turn whose end several checks await. All are woken, even if none of them is polled.
#[derive(Default)]
pub(super) struct Turn(Mutex<State>);

#[derive(Default)]
struct State {
    is_over: bool,
    waiting: Vec<Waker>,
    /// What was found for each request; each is taken once.
    answers: Vec<Option<Option<TokenRecord>>>,
}

/// Ends the turn when it is dropped: when the task has run, or never will.
struct End(Arc<Turn>);

impl Turn {
    /// Begins a turn. Must be called within a tokio runtime.
    pub(super) fn begin() -> Arc<Self> {
        Self::begin_after(0)
    }

    /// Begins a turn that ends this many turns later, with all checks that have become ready by then.
    pub(super) fn begin_after(turns: u32) -> Arc<Self> {
        let turn = Arc::new(Self::default());
        let end = End(Arc::clone(&turn));
        tokio::spawn(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            drop(end);
        });
        turn
    }

    /// Adds a waiting check; returns its slot.
    pub(super) fn join(&self, waker: &Waker) -> usize {
        let mut state = self.lock();
        state.waiting.push(waker.clone());
        state.waiting.len() - 1
    }

    /// Whether the turn is over; if not, its end will wake this waker.
    pub(super) fn is_over(&self, slot: usize, waker: &Waker) -> bool {
        let mut state = self.lock();
        if let Some(known) = state.waiting.get_mut(slot) {
            known.clone_from(waker);
        }
        state.is_over
    }

    /// Answers all requests, in their order.
    pub(super) fn answer(&self, found: Vec<Option<TokenRecord>>) {
        self.lock().answers = found.into_iter().map(Some).collect();
    }

    /// What was found for a request, if there was an answer.
    pub(super) fn take_answer(&self, ask: usize) -> Option<Option<TokenRecord>> {
        self.lock().answers.get_mut(ask).and_then(Option::take)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_over = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}
