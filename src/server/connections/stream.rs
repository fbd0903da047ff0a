//! The stream of a connection: it reads no more than can be answered, and ends when the sweeper says so.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::{TcpStream, UnixStream};
use bytes::{Buf, BytesMut};
use log::Level;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Event, Framing, Section};
use super::service::log_close;
use super::state::{End, State};

/// Reading pauses while more than this waits to be written, or while an answer is awaited and this much
/// is read ahead, in bytes. The dispatcher of `actix-http` must never hold 128 KiB, since it would spin.
const MAX_BYTES_AHEAD: usize = 64 * 1024;
/// How many requests are read ahead of the one that is being answered.
const MAX_REQUESTS_AHEAD: u32 = 16;

/// The transport of a connection: TCP, a Unix socket, or a layer on top of them.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + 'static {
    /// The address of the other end; `None` if it has none or is gone.
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

/// A stream that updates the state of its connection.
#[derive(Debug)]
pub struct Stream<T> {
    transport: T,
    state: Arc<State>,
    framing: Framing,
    head_limit: usize,
    /// Bytes that were read and must not be passed on yet.
    kept_back: BytesMut,
    /// How many bytes of heads were passed on after a request that is not answered.
    ahead: usize,
    farewell: Farewell,
}

/// The last reply.
#[derive(Debug)]
enum Farewell {
    NotYet,
    Saying(&'static [u8]),
    /// Waiting for the client, which may still be sending, and would lose the reply if the connection were reset.
    Draining,
}

impl<T: Transport> Stream<T> {
    pub(super) fn new(transport: T, state: Arc<State>, head_limit: usize) -> Self {
        let kept_back = BytesMut::new();
        let farewell = Farewell::NotYet;
        Self { transport, state, framing: Framing::new(), head_limit, kept_back, ahead: 0, farewell }
    }

    /// The transport.
    pub const fn transport(&self) -> &T {
        &self.transport
    }

    pub(super) const fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Whether reading must pause.
    fn must_wait(&mut self) -> bool {
        let unanswered = self.state.unanswered();
        if unanswered == 0 {
            self.ahead = 0;
        }
        let enough_ahead = match (unanswered, self.framing.section()) {
            (0, _) | (1, Section::Body) => false,
            // A body that the application does not read yet.
            (_, Section::Body) => true,
            (unanswered, Section::Between | Section::Head) => {
                unanswered > MAX_REQUESTS_AHEAD || self.ahead >= MAX_BYTES_AHEAD
            }
        };
        enough_ahead || self.state.unwritten() > MAX_BYTES_AHEAD
    }

    /// Tracks bytes that arrived, and returns how many of them may be passed on now. Reading ends after
    /// a head that is too large; the requests before it are answered.
    fn admit(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.must_wait() {
                break;
            }
            let before = self.framing.section();
            let (taken, event) = self.framing.next(rest);
            at += taken;
            if before != Section::Body {
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
                None if before == Section::Between && self.framing.section() == Section::Head => {
                    self.state.head_begun();
                }
                None => {}
            }
        }
        at
    }

    /// Cancels a quiet end that began while these bytes were read, so that none of them is lost.
    fn go_on_after(&self, admitted: usize) {
        if admitted > 0 {
            self.state.resume();
        }
    }

    /// Passes on the bytes that were kept back.
    fn read_kept(&mut self, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let kept = std::mem::take(&mut self.kept_back);
        let wanted = kept.get(..buffer.remaining().min(kept.len())).unwrap_or_default();
        let admitted = self.admit(wanted);
        self.kept_back = kept;
        self.go_on_after(admitted);
        let goes_on = self.state.end() == End::None;
        if self.passes_on() {
            buffer.put_slice(self.kept_back.get(..admitted).unwrap_or_default());
            self.kept_back.advance(admitted);
        }
        if self.kept_back.is_empty() || !goes_on {
            // Most connections never need it again.
            self.kept_back = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Reads from the transport.
    fn read_new(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.transport).poll_read(context, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        if !new.is_empty() {
            self.state.resume();
        }
        let admitted = self.admit(new);
        self.go_on_after(admitted);
        if !self.passes_on() {
            buffer.set_filled(before);
        } else if admitted < new.len() {
            if self.state.end() == End::None {
                self.kept_back.extend_from_slice(new.get(admitted..).unwrap_or_default());
            }
            buffer.set_filled(before + admitted);
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the admitted bytes are passed on. A head that is too large ends the connection, but not the
    /// requests that were read together with it.
    fn passes_on(&self) -> bool {
        match self.state.end() {
            End::None | End::HeadTooLarge => true,
            End::Quiet | End::Slow | End::Dropped => false,
        }
    }

    /// The last reply, if there is one.
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
            // A request that has already arrived is answered.
            End::Quiet if this.framing.section() == Section::Between && this.kept_back.is_empty() => {
                return match this.read_new(context, buffer) {
                    Poll::Pending => Poll::Ready(Ok(())),
                    ready @ Poll::Ready(_) => ready,
                };
            }
            // The rest of a head that just began is read: from now on its own deadline counts.
            End::Quiet if this.framing.section() == Section::Head => this.state.resume(),
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

/// The reply to a head that is not complete in time (RFC 9110, section 15.5.9).
const SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 52\r\nconnection: close\r\n\
content-type: application/json\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n\r\n\
{\"detail\":\"Request headers did not arrive in time.\"}";

/// The reply to a head that is larger than the limit (RFC 6585, section 5).
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
