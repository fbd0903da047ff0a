//! What a server that runs with the same settings says of its readiness. A command cannot see for itself that the
//! server lost the files of its database: it opens, or makes, the files that have taken their place.
//!
//! No HTTP client is among the dependencies, and one for a single request over TCP and Unix sockets is not worth it.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::config::ListenAddress;

/// How long each step may take: connecting, sending, and each read.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest reply that is read, in bytes.
const LONGEST: u64 = 8 * 1024;

/// Asks for readiness and for nothing else.
const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// What a running server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// It may be sent requests.
    Ready,
    /// It answers 503: its log says why.
    NotReady,
}

/// What the server at the first of these addresses where one answers says; `None` if none does.
pub(super) fn readiness(addresses: &[ListenAddress]) -> Option<Readiness> {
    addresses.iter().filter_map(|address| ask(address).ok()).find_map(|reply| read(&reply))
}

fn ask(address: &ListenAddress) -> io::Result<Vec<u8>> {
    match address {
        // Any free port: nobody knows which.
        ListenAddress::Tcp(address) if address.port() == 0 => Err(io::ErrorKind::AddrNotAvailable.into()),
        ListenAddress::Tcp(address) => {
            let stream = TcpStream::connect_timeout(&reachable(*address), PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            exchange(stream)
        }
        ListenAddress::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            exchange(stream)
        }
    }
}

/// A server that listens everywhere is reached on this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

fn exchange(mut stream: impl Read + Write) -> io::Result<Vec<u8>> {
    stream.write_all(REQUEST)?;
    let mut reply = Vec::new();
    stream.take(LONGEST).read_to_end(&mut reply)?;
    Ok(reply)
}

/// Only what this program's own server says counts: somebody else's may have the address. One that is stopping
/// says nothing about its database.
fn read(reply: &[u8]) -> Option<Readiness> {
    let text = String::from_utf8_lossy(reply);
    let says = |status: &str| text.ends_with(&format!("{{\"status\":\"{status}\"}}"));
    if text.starts_with("HTTP/1.1 200 ") && says("ready") {
        Some(Readiness::Ready)
    } else if text.starts_with("HTTP/1.1 503 ") && says("unavailable") {
        Some(Readiness::NotReady)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_servers_word_counts() {
        let head = "\r\nContent-Type: application/json\r\n\r\n";
        for (reply, said) in [
            (format!("HTTP/1.1 200 OK{head}{{\"status\":\"ready\"}}"), Some(Readiness::Ready)),
            (
                format!("HTTP/1.1 503 Service Unavailable{head}{{\"status\":\"unavailable\"}}"),
                Some(Readiness::NotReady),
            ),
            (format!("HTTP/1.1 503 Service Unavailable{head}{{\"status\":\"stopping\"}}"), None),
            (format!("HTTP/1.1 503 Service Unavailable{head}busy"), None),
            (format!("HTTP/1.1 404 Not Found{head}"), None),
            (String::new(), None),
        ] {
            assert_eq!(read(reply.as_bytes()), said, "{reply}");
        }
    }

    #[test]
    fn a_port_that_nobody_knows_is_not_asked() {
        assert_eq!(readiness(&[ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))]), None);
    }
}
