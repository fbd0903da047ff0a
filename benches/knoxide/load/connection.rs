//! One connection of the load.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;

use crate::Fallible;

/// Space for more bytes than most measured replies have.
const ROOM: usize = 16 * 1024;

/// One client, with at most one request in flight.
pub(super) struct Connection {
    stream: TcpStream,
    group: usize,
    request: Vec<u8>,
    reply: Vec<u8>,
    filled: usize,
    /// When the request in flight starts to count, and when it was due.
    sent: Option<(Instant, Instant)>,
    behind: bool,
}

/// The result of a read.
pub(super) enum Progress {
    /// No complete reply yet.
    Waiting,
    /// A reply to the request that counts from `sent`.
    Reply { status: u16, sent: Instant, meant: Option<Instant> },
    /// The server closed the connection.
    Closed,
}

impl Connection {
    pub(super) fn open(address: SocketAddr, group: usize) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(stream);
        let reply = vec![0; ROOM];
        Ok(Self { stream, group, request: Vec::new(), reply, filled: 0, sent: None, behind: false })
    }

    pub(super) const fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(super) const fn group(&self) -> usize {
        self.group
    }

    /// The buffer for the next request.
    pub(super) fn request(&mut self) -> &mut Vec<u8> {
        self.request.clear();
        &mut self.request
    }

    /// Whether the last reply arrived after the next request was due.
    pub(super) const fn is_behind(&self) -> bool {
        self.behind
    }

    pub(super) const fn set_behind(&mut self, behind: bool) {
        self.behind = behind;
    }

    /// Sends the request, in one piece: it is far smaller than a socket's buffer.
    pub(super) fn send(&mut self, meant: Instant, counts_from: Instant) -> Fallible<()> {
        self.sent = Some((counts_from, meant));
        match self.stream.write(&self.request) {
            Ok(written) if written == self.request.len() => Ok(()),
            Ok(_) => Err("a request did not fit into the socket's buffer".into()),
            // The next read reports the lost connection.
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what has arrived. A read that does not fill the buffer has emptied the socket, so another event will
    /// follow.
    pub(super) fn receive(&mut self) -> Fallible<Progress> {
        loop {
            let room = self.reply.get_mut(self.filled..).unwrap_or_default();
            match self.stream.read(room) {
                Ok(0) => return Ok(Progress::Closed),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Progress::Waiting),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Progress::Closed),
                Err(error) => return Err(error.into()),
            }
            if self.filled < self.reply.len() {
                break;
            }
            self.reply.resize(self.filled * 2, 0);
        }
        let Some((status, length)) = parse(self.reply.get(..self.filled).unwrap_or_default())? else {
            return Ok(Progress::Waiting);
        };
        if length != self.filled {
            return Err("a reply without a request".into());
        }
        self.filled = 0;
        let (sent, meant) = self.sent.take().ok_or("a reply without a request")?;
        Ok(Progress::Reply { status, sent, meant: Some(meant) })
    }
}

/// The status of a reply and its length in bytes; `None`: it is incomplete.
fn parse(bytes: &[u8]) -> Fallible<Option<(u16, usize)>> {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(bytes.get(..head).unwrap_or_default())?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or("no status")?;
    let mut headers = lines.filter_map(|line| line.split_once(": "));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let body: usize = match length {
        Some((_, value)) => value.parse()?,
        None if status == 204 => 0,
        None => return Err("a reply without a length".into()),
    };
    let whole = head + 4 + body;
    Ok((bytes.len() >= whole).then_some((status, whole)))
}
