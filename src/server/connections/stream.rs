//! The stream of a connection, which reads no more than can be answered and ends when it is told to.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::{TcpStream, UnixStream};
use bytes::{Buf, BytesMut};
use log::Level;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Event, Framing, Place};
use super::service::log_close;
use super::state::{End, State};

/// Nothing is read while more than this waits to be written, or while an answer is awaited and so much
/// is read ahead, in bytes. The dispatcher of `actix-http` must never hold 128 KiB, where it would spin.
const MOST_AHEAD: usize = 64 * 1024;
/// How many requests are read ahead of the one that is being answered.
const REQUESTS_AHEAD: u32 = 16;

/// What goes over a connection: TCP, a Unix socket, or something on top of them.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + 'static {
    /// The other end's address; `None` where there is none, or it is gone.
    fn peer(&self) -> Option<SocketAddr>;
}

impl Transport for TcpStream {
    fn peer(&self) -> Option<SocketAddr> {
        self.peer_addr().ok()
    }
}

impl Transport for UnixStream {
    fn peer(&self) -> Option<SocketAddr> {
        None
    }
}

/// A stream whose state is known.
#[derive(Debug)]
pub struct Stream<T> {
    transport: T,
    state: Arc<State>,
    framing: Framing,
    head_limit: usize,
    /// What was read and is not to be seen yet.
    kept_back: BytesMut,
    /// How many bytes of heads were handed on behind a request that is not answered.
    ahead: usize,
    farewell: Farewell,
}

/// What is said last.
#[derive(Debug)]
enum Farewell {
    NotYet,
    Saying(&'static [u8]),
    /// The client may still be sending, and would not read it if the connection were torn down.
    Draining,
}

impl<T: Transport> Stream<T> {
    pub(super) fn new(transport: T, state: Arc<State>, head_limit: usize) -> Self {
        let kept_back = BytesMut::new();
        let farewell = Farewell::NotYet;
        Self { transport, state, framing: Framing::new(), head_limit, kept_back, ahead: 0, farewell }
    }

    /// What goes below.
    pub const fn transport(&self) -> &T {
        &self.transport
    }

    pub(super) const fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Whether the next byte must wait.
    fn must_wait(&mut self) -> bool {
        let unanswered = self.state.unanswered();
        if unanswered == 0 {
            self.ahead = 0;
        }
        let enough_ahead = match (unanswered, self.framing.place()) {
            (0, _) | (1, Place::Body) => false,
            // A body that nobody asks for yet.
            (_, Place::Body) => true,
            (unanswered, Place::Between | Place::Head) => unanswered > REQUESTS_AHEAD || self.ahead >= MOST_AHEAD,
        };
        enough_ahead || self.state.unwritten() > MOST_AHEAD
    }

    /// Follows bytes that came, and says how many of them may be seen now. Nothing more is read after
    /// a head that is too large; the requests before it are answered.
    fn admit(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.must_wait() {
                break;
            }
            let before = self.framing.place();
            let (taken, event) = self.framing.next(rest);
            at += taken;
            if before != Place::Body {
                self.ahead += if self.state.unanswered() > 0 { taken } else { 0 };
                if self.framing.head_bytes() > self.head_limit {
                    self.state.finish(End::HeadTooLarge);
                    log_close(Level::Info, self.transport.peer(), &"the head of a request is too large");
                    return at - taken;
                }
            }
            match event {
                Some(Event::Head { with_body }) => {
                    self.framing.forget_head();
                    self.state.head_done(with_body);
                }
                Some(Event::Body) => self.state.request_done(),
                None if before == Place::Between && self.framing.place() == Place::Head => self.state.head_begun(),
                None => {}
            }
        }
        at
    }

    /// A quiet end that was begun while these bytes were read takes none of them away.
    fn go_on_after(&self, admitted: usize) {
        if admitted > 0 {
            self.state.resume();
        }
    }

    /// Hands on what was kept back.
    fn read_kept(&mut self, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let kept = std::mem::take(&mut self.kept_back);
        let wanted = kept.get(..buffer.remaining().min(kept.len())).unwrap_or_default();
        let admitted = self.admit(wanted);
        self.kept_back = kept;
        self.go_on_after(admitted);
        let goes_on = self.state.end() == End::None;
        if self.hands_on() {
            buffer.put_slice(self.kept_back.get(..admitted).unwrap_or_default());
            self.kept_back.advance(admitted);
        }
        if self.kept_back.is_empty() || !goes_on {
            // Most connections never need it again.
            self.kept_back = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Reads from below.
    fn read_new(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.transport).poll_read(context, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        if !new.is_empty() {
            self.state.resume();
        }
        let admitted = self.admit(new);
        self.go_on_after(admitted);
        if !self.hands_on() {
            buffer.set_filled(before);
        } else if admitted < new.len() {
            if self.state.end() == End::None {
                self.kept_back.extend_from_slice(new.get(admitted..).unwrap_or_default());
            }
            buffer.set_filled(before + admitted);
        }
        Poll::Ready(Ok(()))
    }

    /// Whether what was admitted is handed on. A head that is too large ends the connection, but not the
    /// requests that were read together with it.
    fn hands_on(&self) -> bool {
        match self.state.end() {
            End::None | End::HeadTooLarge => true,
            End::Quiet | End::Slow | End::Dropped => false,
        }
    }

    /// What is said last, if anything is.
    fn last_words(&self) -> &'static [u8] {
        match self.state.end() {
            End::Slow => SLOW,
            End::HeadTooLarge => HEAD_TOO_LARGE,
            End::None | End::Quiet | End::Dropped => b"",
        }
    }
}

impl<T: Transport> AsyncRead for Stream<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.state.end() {
            End::None => {}
            // A request that is there already is not turned away.
            End::Quiet if this.framing.place() == Place::Between && this.kept_back.is_empty() => {
                return match this.read_new(context, buffer) {
                    Poll::Pending => Poll::Ready(Ok(())),
                    ready @ Poll::Ready(_) => ready,
                };
            }
            // The rest of a head that was just begun is read: from now on its own deadline counts.
            End::Quiet if this.framing.place() == Place::Head => this.state.resume(),
            End::Quiet | End::Slow | End::HeadTooLarge | End::Dropped => return Poll::Ready(Ok(())),
        }
        if this.must_wait() {
            this.state.hold();
            return Poll::Pending;
        }
        if this.kept_back.is_empty() { this.read_new(context, buffer) } else { this.read_kept(buffer) }
    }
}

impl<T: Transport> AsyncWrite for Stream<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.transport).poll_write(context, bytes);
        let written = if let Poll::Ready(Ok(written)) = result { written } else { 0 };
        this.state.wrote(written, bytes.len().saturating_sub(written));
        result
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match this.farewell {
                Farewell::NotYet => match this.last_words() {
                    b"" => return Pin::new(&mut this.transport).poll_shutdown(context),
                    words => this.farewell = Farewell::Saying(words),
                },
                Farewell::Saying(b"") => {
                    ready!(Pin::new(&mut this.transport).poll_shutdown(context))?;
                    this.farewell = Farewell::Draining;
                }
                Farewell::Saying(words) => {
                    let written = ready!(Pin::new(&mut this.transport).poll_write(context, words))?;
                    if written == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    this.farewell = Farewell::Saying(words.get(written..).unwrap_or_default());
                }
                Farewell::Draining => {
                    let mut scratch = [0; 1024];
                    let mut scratch = ReadBuf::new(&mut scratch);
                    ready!(Pin::new(&mut this.transport).poll_read(context, &mut scratch))?;
                    if scratch.filled().is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

/// To a client whose head does not come to its end in time (RFC 9110, section 15.5.9).
const SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 52\r\nconnection: close\r\n\
content-type: application/json\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n\r\n\
{\"detail\":\"Request headers did not arrive in time.\"}";

/// To a client whose head is larger than the limit (RFC 6585, section 5).
const HEAD_TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 43\r\nconnection: close\r\n\
content-type: application/json\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n\r\n\
{\"detail\":\"Request headers are too large.\"}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_have_the_length_they_say() {
        for words in [SLOW, HEAD_TOO_LARGE] {
            let text = std::str::from_utf8(words).expect("UTF-8");
            let (head, body) = text.split_once("\r\n\r\n").expect("a head");
            assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{text:?} has {}", body.len());
            serde_json::from_str::<serde_json::Value>(body).expect("JSON");
        }
    }
}
