//! Where connections and requests pass: a connection takes its place here, and what is asked and answered is noted.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::registry::Place;
use super::state::{End, State};

pin_project! {
    /// A connection that is served, until it ends by itself or is dropped.
    pub struct Served<F> {
        #[pin]
        connection: F,
        state: Arc<State>,
        // Behind the connection, whose descriptor is closed first.
        place: Place,
    }
}

impl<F> Served<F> {
    pub(super) const fn new(connection: F, state: Arc<State>, place: Place) -> Self {
        Self { connection, state, place }
    }
}

impl<F, E> Future for Served<F>
where
    F: Future<Output = Result<(), E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.state.register(context.waker());
        if this.state.end() == End::Dropped {
            return Poll::Ready(Ok(()));
        }
        this.connection.poll(context)
    }
}

pin_project! {
    /// A request that is with the application.
    pub struct Answering<F> {
        #[pin]
        answer: F,
        state: Option<Arc<State>>,
    }
}

impl<F> Answering<F> {
    pub(super) fn new(answer: F, state: Option<Arc<State>>) -> Self {
        Self { answer, state }
    }
}

impl<F: Future> Future for Answering<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(context));
        if let Some(state) = this.state {
            state.answered();
        }
        Poll::Ready(answer)
    }
}
