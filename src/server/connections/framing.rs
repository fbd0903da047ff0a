//! The position of a connection in its stream of requests: which head or body the next byte belongs to.
//!
//! This code only measures; the parser of `actix-http` behind it decides what a request means. Where the two disagree,
//! a connection is closed sooner or later than it should be, and nothing worse happens.
//! Heads end with an empty line, and lines with CRLF or a bare LF (RFC 9112, section 2.2); the length of a
//! body is that of `Content-Length`, or of its chunks (RFC 9112, sections 6 and 7.1).

use memchr::memchr;

/// How much of a line that is spread over several reads is kept, in bytes: enough for the longest
/// useful `Content-Length` or `Transfer-Encoding` line.
const KEPT_BYTES: usize = 64;

const CONTENT_LENGTH: &[u8] = b"content-length:";
const UPGRADE: &[u8] = b"upgrade:";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding:";

/// What has been completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A head.
    Head {
        /// Whether a body follows.
        with_body: bool,
    },
    /// The body of the last head.
    Body,
}

/// The section of the stream in which the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// Between two requests, or before the first.
    Between,
    /// In a head.
    Head,
    /// In a body.
    Body,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Start,
    Head,
    Length(u64),
    ChunkSize { size: u64, in_digits: bool },
    ChunkData(u64),
    Trailers,
}

/// Tracks the bytes of a connection.
#[derive(Debug)]
pub(super) struct Framing {
    part: Part,
    /// The bytes of the current head so far, with empty lines before it.
    head_bytes: usize,
    /// The beginning of a line whose end has not arrived yet.
    line: Line,
    length: u64,
    chunked: bool,
    /// Whether all further bytes belong to this request, unless it has a length: a tunnel.
    connect: bool,
    /// Whether all further bytes belong to this request: another protocol, or a header about the body that is
    /// too long to be read in pieces.
    endless: bool,
}

#[derive(Debug)]
struct Line {
    kept: [u8; KEPT_BYTES],
    /// Its full length, which may be more than was kept.
    length: usize,
}

impl Line {
    const EMPTY: Self = Self { kept: [0; KEPT_BYTES], length: 0 };

    fn push(&mut self, bytes: &[u8]) {
        let room = self.kept.get_mut(self.length..).unwrap_or_default();
        for (slot, byte) in room.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        self.length += bytes.len();
    }

    /// Whether a part of it was not kept.
    const fn is_cut(&self) -> bool {
        self.length > KEPT_BYTES
    }

    fn as_bytes(&self) -> &[u8] {
        self.kept.get(..self.length).unwrap_or(&self.kept)
    }
}

impl Framing {
    /// Before the first request.
    pub(super) const fn new() -> Self {
        Self {
            part: Part::Start,
            head_bytes: 0,
            line: Line::EMPTY,
            length: 0,
            chunked: false,
            connect: false,
            endless: false,
        }
    }

    /// The section in which the next byte is.
    pub(super) const fn section(&self) -> Section {
        match self.part {
            Part::Start => Section::Between,
            Part::Head => Section::Head,
            Part::Length(_) | Part::ChunkSize { .. } | Part::ChunkData(_) | Part::Trailers => Section::Body,
        }
    }

    /// The length of the current head so far, or of the last one, in bytes.
    pub(super) const fn head_bytes(&self) -> usize {
        self.head_bytes
    }

    /// Consumes bytes up to the next event, or all of them: how many were consumed, and the event.
    pub(super) fn next(&mut self, bytes: &[u8]) -> (usize, Option<Event>) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (taken, event) = match self.part {
                Part::Start => (self.start(rest), None),
                Part::Head => self.head(rest),
                Part::Length(left) => self.length(rest, left),
                Part::ChunkSize { size, in_digits } => (self.chunk_size(rest, size, in_digits), None),
                Part::ChunkData(left) => (self.chunk_data(rest, left), None),
                Part::Trailers => self.trailers(rest),
            };
            at += taken;
            if event.is_some() {
                return (at, event);
            }
        }
        (at, None)
    }

    /// Skips empty lines, which are not part of a request (RFC 9112, section 2.2).
    fn start(&mut self, bytes: &[u8]) -> usize {
        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.head_bytes += blank;
        if blank < bytes.len() {
            (self.part, self.line) = (Part::Head, Line::EMPTY);
            (self.length, self.chunked, self.connect, self.endless) = (0, false, false, false);
        }
        blank
    }

    fn head(&mut self, bytes: &[u8]) -> (usize, Option<Event>) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..) {
            let Some(end) = memchr(b'\n', rest) else {
                self.line.push(rest);
                self.head_bytes += bytes.len();
                return (bytes.len(), None);
            };
            let line = rest.get(..end).unwrap_or_default();
            at += end + 1;
            let is_empty = if self.line.length == 0 {
                self.read_line(line)
            } else {
                self.line.push(line);
                let whole = std::mem::replace(&mut self.line, Line::EMPTY);
                self.endless |= whole.is_cut() && describes_body(whole.as_bytes());
                self.read_line(whole.as_bytes())
            };
            if is_empty {
                self.head_bytes += at;
                return (at, Some(self.end_of_head()));
            }
        }
        (at, None)
    }

    /// Reads a line without its LF; `true` for the empty line that ends the head.
    fn read_line(&mut self, line: &[u8]) -> bool {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.first() {
            None => return true,
            Some(b'c' | b'C') => {
                if let Some(value) = value_of(line, CONTENT_LENGTH) {
                    self.length = decimal(value.trim_ascii());
                } else {
                    self.connect |= line.starts_with(b"CONNECT ");
                }
            }
            Some(b't' | b'T') => {
                if let Some(value) = value_of(line, TRANSFER_ENCODING) {
                    self.chunked |= value.trim_ascii().to_ascii_lowercase().ends_with(b"chunked");
                }
            }
            Some(b'u' | b'U') => {
                let value = value_of(line, UPGRADE).unwrap_or_default();
                self.endless |= value.trim_ascii().eq_ignore_ascii_case(b"websocket");
            }
            Some(_) => {}
        }
        false
    }

    fn end_of_head(&mut self) -> Event {
        self.part = match (self.chunked, self.length) {
            (true, _) => Part::ChunkSize { size: 0, in_digits: true },
            // As in `actix-http`: this overrides any `Content-Length`.
            _ if self.endless => Part::Length(u64::MAX),
            (false, 0) if self.connect => Part::Length(u64::MAX),
            (false, 0) => Part::Start,
            (false, length) => Part::Length(length),
        };
        Event::Head { with_body: !matches!(self.part, Part::Start) }
    }

    /// Starts to measure the next head, from its first byte.
    pub(super) const fn forget_head(&mut self) {
        self.head_bytes = 0;
    }

    fn length(&mut self, bytes: &[u8], left: u64) -> (usize, Option<Event>) {
        let taken = at_most(left, bytes.len());
        let left = left - taken as u64;
        self.part = if left == 0 { Part::Start } else { Part::Length(left) };
        (taken, (left == 0).then_some(Event::Body))
    }

    fn chunk_size(&mut self, bytes: &[u8], mut size: u64, mut in_digits: bool) -> usize {
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' {
                // The data is followed by a line end of its own.
                self.part = if size == 0 { Part::Trailers } else { Part::ChunkData(size.saturating_add(2)) };
                self.line = Line::EMPTY;
                return at + 1;
            }
            match char::from(*byte).to_digit(16).filter(|_| in_digits) {
                Some(digit) => size = size.saturating_mul(16).saturating_add(u64::from(digit)),
                // The rest of the line is an extension.
                None => in_digits = false,
            }
        }
        self.part = Part::ChunkSize { size, in_digits };
        bytes.len()
    }

    fn chunk_data(&mut self, bytes: &[u8], left: u64) -> usize {
        let taken = at_most(left, bytes.len());
        let left = left - taken as u64;
        self.part = if left == 0 { Part::ChunkSize { size: 0, in_digits: true } } else { Part::ChunkData(left) };
        taken
    }

    fn trailers(&mut self, bytes: &[u8]) -> (usize, Option<Event>) {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' if self.line.length == 0 => {
                    self.part = Part::Start;
                    return (at + 1, Some(Event::Body));
                }
                b'\n' => self.line = Line::EMPTY,
                b'\r' => {}
                other => self.line.push(&[*other]),
            }
        }
        (bytes.len(), None)
    }
}

/// Whether a line that was cut is one of the headers that describe the body.
fn describes_body(line: &[u8]) -> bool {
    [CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE].iter().any(|name| value_of(line, name).is_some())
}

/// The value after `name` and its colon, if the line begins with them.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

/// A number in decimal digits; 0 for anything else, which no parser accepts.
fn decimal(digits: &[u8]) -> u64 {
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn at_most(left: u64, available: usize) -> usize {
    usize::try_from(left).map_or(available, |left| left.min(available))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Event = Event::Head { with_body: false };
    const HEAD_OF_BODY: Event = Event::Head { with_body: true };

    /// Bytes, the events in them, and the section of the next byte.
    const CASES: &[(&str, &[Event], Section)] = &[
        ("", &[], Section::Between),
        ("\r\n\r\n", &[], Section::Between),
        ("G", &[], Section::Head),
        ("GET / HTTP/1.1\r\nHost: a\r\n", &[], Section::Head),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &[HEAD], Section::Between),
        ("GET / HTTP/1.0\n\n", &[HEAD], Section::Between),
        // Another protocol overrides any length.
        ("GET / HTTP/1.1\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n{", &[HEAD_OF_BODY], Section::Body),
        ("GET / HTTP/1.0\n\nG", &[HEAD], Section::Head),
        ("GET / HTTP/1.0\n\nGET / HTTP/1.0\r\n\r\n", &[HEAD, HEAD], Section::Between),
        ("\r\nGET / HTTP/1.0\n\n\r\n", &[HEAD], Section::Between),
        ("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", &[HEAD], Section::Between),
        ("POST / HTTP/1.1\r\ncontent-LENGTH:3 \r\n\r\nab", &[HEAD_OF_BODY], Section::Body),
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcG", &[HEAD_OF_BODY, Event::Body], Section::Head),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\nabc\r\n\r\n", &[HEAD_OF_BODY], Section::Body),
        ("GET / HTTP/1.1\r\nUpgrade: WebSocket\r\n\r\nabc\r\n\r\n", &[HEAD_OF_BODY], Section::Body),
        ("POST / HTTP/1.1\r\nX-Content-Length: 3\r\n\r\n", &[HEAD], Section::Between),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n", &[HEAD_OF_BODY], Section::Body),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n", &[HEAD_OF_BODY], Section::Body),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nA;x=0\r\n0\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
            &[HEAD_OF_BODY, Event::Body],
            Section::Between,
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.0\n\n",
            &[HEAD_OF_BODY, Event::Body, HEAD],
            Section::Between,
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n0\r\n\r\n",
            &[HEAD_OF_BODY],
            Section::Body,
        ),
    ];

    /// All events, if the bytes arrive in pieces of this size.
    fn events(text: &str, piece: usize) -> (Vec<Event>, Section) {
        let mut framing = Framing::new();
        let mut events = Vec::new();
        for mut piece in text.as_bytes().chunks(piece) {
            while !piece.is_empty() {
                let (taken, event) = framing.next(piece);
                events.extend(event);
                piece = &piece[taken..];
            }
        }
        (events, framing.section())
    }

    #[test]
    fn requests_are_told_apart_however_they_are_cut() {
        for (text, expected, section) in CASES {
            for piece in [1, 2, 3, 7, usize::MAX] {
                assert_eq!(events(text, piece), (expected.to_vec(), *section), "{text:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn heads_are_measured() {
        let mut framing = Framing::new();
        let head = format!("\r\nGET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100));
        for byte in head.as_bytes() {
            framing.next(&[*byte]);
        }
        assert_eq!(framing.head_bytes(), head.len());
        framing.forget_head();
        framing.next(b"GET");
        assert_eq!(framing.head_bytes(), 3);
    }
}
