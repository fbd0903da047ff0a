//! Where connections and requests pass: a connection takes its place here, and what is asked and answered is noted.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_http::error::DispatchError;
use log::Level;
use pin_project_lite::pin_project;

use super::registry::Place;
use super::state::{End, State};

pin_project! {
    /// A connection that is served, until it ends by itself or is dropped.
    pub struct Served<F> {
        #[pin]
        connection: F,
        state: Arc<State>,
        peer: Option<SocketAddr>,
        // Behind the connection, whose descriptor is closed first.
        place: Place,
    }
}

impl<F> Served<F> {
    pub(super) const fn new(connection: F, state: Arc<State>, peer: Option<SocketAddr>, place: Place) -> Self {
        Self { connection, state, peer, place }
    }
}

impl<F> Future for Served<F>
where
    F: Future<Output = Result<(), DispatchError>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.state.register(context.waker());
        if this.state.end() == End::Dropped {
            return Poll::Ready(Ok(()));
        }
        let ended = ready!(this.connection.poll(context));
        if let Err(error) = &ended {
            // That a client hung up is worth less than what it sent.
            let level = if matches!(error, DispatchError::Io(_)) { Level::Debug } else { Level::Info };
            log_close(level, *this.peer, error);
        }
        Poll::Ready(ended)
    }
}

/// Tells that a connection is closed for what its client sent. Whoever can be reached by everybody is sent TLS,
/// HTTP/2 and much else, which is no failure of the server's.
pub(super) fn log_close(level: Level, peer: Option<SocketAddr>, why: &dyn fmt::Display) {
    let address = peer.map_or_else(|| "-".to_owned(), |peer| peer.ip().to_canonical().to_string());
    log::log!(level, address = address.as_str(); "a connection is closed: {why}");
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
