//! A client that sends what a correct client would not.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::PATIENCE;

/// Where a server listens.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// One request without prerequisites.
pub(super) const PING: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

/// A stream of either kind.
#[derive(Debug)]
pub(super) enum Raw {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Raw {
    pub(super) fn connect(to: &Target) -> Self {
        let raw = match to {
            Target::Tcp(address) => Self::Tcp(TcpStream::connect(address).expect("a connection")),
            Target::Unix(path) => Self::Unix(UnixStream::connect(path).expect("a connection")),
        };
        raw.wait_at_most(PATIENCE);
        raw
    }

    /// A connection with small buffers, which fill unless the peer reads.
    pub(super) fn narrow(to: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        socket.connect(&to.into()).expect("a connection");
        Self::Tcp(socket.into())
    }

    /// Sets the time limit for reads and writes.
    pub(super) fn wait_at_most(&self, patience: Duration) {
        match self {
            Self::Tcp(stream) => {
                stream.set_read_timeout(Some(patience)).expect("a time-out");
                stream.set_write_timeout(Some(patience)).expect("a time-out");
            }
            Self::Unix(stream) => {
                stream.set_read_timeout(Some(patience)).expect("a time-out");
                stream.set_write_timeout(Some(patience)).expect("a time-out");
            }
        }
    }

    /// A second handle to the same connection.
    pub(super) fn twin(&self) -> Self {
        match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone().expect("a descriptor")),
            Self::Unix(stream) => Self::Unix(stream.try_clone().expect("a descriptor")),
        }
    }

    /// Ends both directions.
    pub(super) fn hang_up(&self) {
        let both = std::net::Shutdown::Both;
        match self {
            Self::Tcp(stream) => stream.shutdown(both).ok(),
            Self::Unix(stream) => stream.shutdown(both).ok(),
        };
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    /// Sends this repeatedly until the server accepts nothing for a while.
    pub(super) fn stuff(&mut self, bytes: &[u8]) {
        self.wait_at_most(Duration::from_millis(300));
        while self.send(bytes).is_ok() {}
    }

    /// Reads everything, to the end of the connection.
    pub(super) fn read_to_end(&mut self) -> Result<Vec<u8>, String> {
        let (mut all, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return Ok(all),
                Ok(read) => all.extend(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A reset counts as the end too.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(all),
                Err(error) => return Err(format!("{error} after {:?}", String::from_utf8_lossy(&all))),
            }
        }
    }

    /// Sends `first`, then `again` once per interval, and reads to the end; returns what was received, and how long it
    /// took.
    pub(super) fn live(
        &mut self,
        first: &[u8],
        again: &[u8],
        interval: Duration,
    ) -> Result<(String, Duration), String> {
        let began = Instant::now();
        self.send(first).map_err(|error| error.to_string())?;
        let over = AtomicBool::new(false);
        let mut twin = self.twin();
        let read = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !again.is_empty() && !over.load(Ordering::Relaxed) && twin.send(again).is_ok() {
                    std::thread::sleep(interval);
                }
            });
            let read = self.read_to_end();
            over.store(true, Ordering::Relaxed);
            read
        });
        Ok((String::from_utf8_lossy(&read?).into_owned(), began.elapsed()))
    }
}
