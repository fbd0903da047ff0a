//! A blocking HTTP/1.1 client that sends exactly the given bytes, right or wrong.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any reply takes on a busy machine; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the length of a body is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// With `Content-Length`, even when the body is empty.
    Length,
    /// With `Transfer-Encoding: chunked`, in chunks of this many bytes.
    Chunked(usize),
    /// Not at all: only for requests without a body.
    Unsaid,
}

/// A request as it is sent. Nothing is checked or escaped.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: Vec<u8>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) framing: Framing,
}

impl Request {
    /// A request without headers and body.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let target = target.as_bytes().to_vec();
        Self { method: method.to_owned(), target, headers: Vec::new(), body: Vec::new(), framing: Framing::Unsaid }
    }

    /// Adds a header.
    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body and how its length is declared.
    #[must_use]
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>, framing: Framing) -> Self {
        self.body = body.into();
        self.framing = framing;
        self
    }

    /// The bytes of the request; `Host` is added unless the request has one.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("{} ", self.method).into_bytes();
        out.extend(&self.target);
        out.extend(b" HTTP/1.1\r\n");
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            out.extend(b"Host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            out.extend(name.as_bytes());
            out.extend(b": ");
            out.extend(value);
            out.extend(b"\r\n");
        }
        match self.framing {
            Framing::Unsaid => out.extend(b"\r\n"),
            Framing::Length => {
                out.extend(format!("Content-Length: {}\r\n\r\n", self.body.len()).as_bytes());
                out.extend(&self.body);
            }
            Framing::Chunked(size) => {
                out.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in self.body.chunks(size.max(1)) {
                    out.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
                    out.extend(chunk);
                    out.extend(b"\r\n");
                }
                out.extend(b"0\r\n\r\n");
            }
        }
        out
    }
}

/// A reply.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// All values of a header, joined as a proxy would join them; the name is compared without regard to case.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let named = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let values: Vec<_> = named.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The body as text, for comparing and showing.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection to a server, kept alive as long as the server allows.
#[derive(Debug)]
pub(crate) struct Wire {
    address: SocketAddr,
    stream: TcpStream,
    patience: Duration,
    unread: Vec<u8>,
}

impl Wire {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::connect_for(address, PATIENCE)
    }

    /// Connects, with this limit for each read and write.
    pub(crate) fn connect_for(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self { address, stream, patience, unread: Vec::new() })
    }

    /// Sends a request and reads its reply, over a new connection if the server has closed this one. A request is never
    /// sent twice, so that a server that drops requests is noticed.
    pub(crate) fn ask(&mut self, request: &Request) -> io::Result<Reply> {
        if self.is_closed()? {
            *self = Self::connect_for(self.address, self.patience)?;
        }
        // A server may refuse a body before it has read all of it. Then sending fails, but a reply has arrived
        // nevertheless.
        let sent = self.send(&request.to_bytes());
        match (self.receive(&request.method), sent) {
            (Err(_), Err(sending)) => Err(sending),
            (reply, _) => reply,
        }
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Ends the client's direction; replies can still be read.
    pub(crate) fn hang_up(&self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    /// Waits until the first bytes of a reply arrive, interim or not.
    pub(crate) fn wait_for_bytes(&mut self) -> io::Result<()> {
        if self.unread.is_empty() && self.fill()? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Reads the reply to a request of this method, skipping interim ones.
    pub(crate) fn receive(&mut self, method: &str) -> io::Result<Reply> {
        loop {
            let head = self.read_through(b"\r\n\r\n")?;
            let (status, headers) = parse_head(&head).ok_or_else(|| broken("the head of a reply"))?;
            let mut reply = Reply { status, headers, body: Vec::new() };
            if (100..200).contains(&status) {
                continue;
            }
            reply.body = self.read_body(&reply, method)?;
            if reply.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
                // Lets the next request see the end at once.
                self.stream.shutdown(std::net::Shutdown::Both).ok();
            }
            return Ok(reply);
        }
    }

    /// Whether the server has closed the connection.
    pub(crate) fn is_closed(&self) -> io::Result<bool> {
        self.stream.set_nonblocking(true)?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        Ok(match peeked {
            Ok(waiting) => waiting == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        })
    }

    fn read_body(&mut self, reply: &Reply, method: &str) -> io::Result<Vec<u8>> {
        if method == "HEAD" || matches!(reply.status, 204 | 304) {
            return Ok(Vec::new());
        }
        if reply.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return self.read_chunks();
        }
        match reply.header("content-length") {
            Some(length) => self.read_exactly(length.parse().map_err(|_| broken("Content-Length"))?),
            None => self.read_to_end(),
        }
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_through(b"\r\n")?;
            let digits = String::from_utf8_lossy(&line);
            let size = digits.trim().split(';').next().and_then(|hex| usize::from_str_radix(hex, 16).ok());
            let size = size.ok_or_else(|| broken("the size of a chunk"))?;
            body.extend(self.read_exactly(size)?);
            self.read_through(b"\r\n")?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn read_through(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                return Ok(self.unread.drain(..at + end.len()).collect());
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.unread.drain(..length).collect())
    }

    fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.unread))
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                // A signal, such as the end of a child, interrupts waits with a time-out.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(read) => {
                    self.unread.extend(&buffer[..read]);
                    return Ok(read);
                }
            }
        }
    }
}

/// Parses a status line and the headers after it; bytes above ASCII are read as Latin-1.
fn parse_head(head: &[u8]) -> Option<(u16, Vec<(String, String)>)> {
    let text: String = head.iter().copied().map(char::from).collect();
    let mut lines = text.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    Some((status, headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} makes no sense"))
}
