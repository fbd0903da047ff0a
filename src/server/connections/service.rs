//! The services around connections and requests: they hold a connection's slot, and note requests and answers.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_http::error::DispatchError;
use log::Level;
use pin_project_lite::pin_project;

use super::registry::Slot;
use super::state::{End, State};

pin_project! {
    /// A connection that is being served, until it ends by itself or is dropped.
    pub struct Served<F> {
        #[pin]
        connection: F,
        state: Arc<State>,
        peer: Option<SocketAddr>,
        // After the connection, whose descriptor is closed first.
        slot: Slot,
    }
}

impl<F> Served<F> {
    pub(super) const fn new(connection: F, state: Arc<State>, peer: Option<SocketAddr>, slot: Slot) -> Self {
        Self { connection, state, peer, slot }
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
            // A client that hangs up matters less than one that sends malformed requests.
            let level = if matches!(error, DispatchError::Io(_)) { Level::Debug } else { Level::Info };
            log_close(level, *this.peer, error);
        }
        Poll::Ready(ended)
    }
}

/// Logs that a connection is closed because of what its client sent. A public server receives TLS,
/// HTTP/2 and much else, so this is not the server's failure.
pub(super) fn log_close(level: Level, peer: Option<SocketAddr>, why: &dyn fmt::Display) {
    let address = peer.map_or_else(|| "-".to_owned(), |peer| peer.ip().to_canonical().to_string());
    log::log!(level, address = address.as_str(); "a connection is closed: {why}");
}

pin_project! {
    /// A request that the application is answering.
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
