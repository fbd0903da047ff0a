//! The readiness of a server that runs with the same settings. A command cannot detect by itself that the server has
//! lost the files of its database, because the command opens, or creates, whatever files are at that path now.
//!
//! A client library would be larger than this one request, over TCP or a Unix socket.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::config::ListenAddress;

/// How long the request to one address may take altogether.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The maximum size of a reply, in bytes; a longer one is not read any further.
const MAX_REPLY_BYTES: usize = 8 * 1024;

/// Asks for readiness only.
const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// What a running server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// It answers requests.
    Ready,
    /// It answers 503: its log says why.
    NotReady,
    /// It answers checks and ends sessions, but its disk is full.
    Full,
}

/// The reply of the server at the first of these addresses that answers; `None` if none does. Must not be
/// called from within a runtime.
pub(super) fn readiness(addresses: &[ListenAddress]) -> Option<Readiness> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async {
        for address in addresses {
            if let Ok(Ok(reply)) = timeout(TIMEOUT, ask(address)).await
                && let Some(readiness) = read(&reply)
            {
                return Some(readiness);
            }
        }
        None
    })
}

async fn ask(address: &ListenAddress) -> io::Result<Vec<u8>> {
    match address {
        // Port 0 means any free port, and only the server knows which.
        ListenAddress::Tcp(address) if address.port() == 0 => Err(io::ErrorKind::AddrNotAvailable.into()),
        ListenAddress::Tcp(address) => send_request(TcpStream::connect(reachable(*address)).await?).await,
        ListenAddress::Unix(path) => send_request(UnixStream::connect(path).await?).await,
    }
}

/// A server that listens on all addresses is reached on this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

async fn send_request(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<Vec<u8>> {
    let mut unsent = REQUEST;
    while !unsent.is_empty() {
        let sent = poll_fn(|context| Pin::new(&mut stream).poll_write(context, unsent)).await?;
        unsent = unsent.get(sent.max(1)..).unwrap_or_default();
    }
    let (mut reply, mut buffer) = (Vec::new(), [0; 1024]);
    loop {
        let mut part = ReadBuf::new(&mut buffer);
        poll_fn(|context| Pin::new(&mut stream).poll_read(context, &mut part)).await?;
        if part.filled().is_empty() || reply.len() > MAX_REPLY_BYTES {
            return Ok(reply);
        }
        reply.extend_from_slice(part.filled());
    }
}

/// Only replies of this program's own server count: another program may have the address. A server that is
/// stopping says nothing about its database.
fn read(reply: &[u8]) -> Option<Readiness> {
    let text = String::from_utf8_lossy(reply);
    let says = |status: &str| text.ends_with(&format!("{{\"status\":\"{status}\"}}"));
    if text.starts_with("HTTP/1.1 200 ") && says("ready") {
        Some(Readiness::Ready)
    } else if text.starts_with("HTTP/1.1 503 ") && says("unavailable") {
        Some(Readiness::NotReady)
    } else if text.starts_with("HTTP/1.1 503 ") && says("full") {
        Some(Readiness::Full)
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
            (format!("HTTP/1.1 503 Service Unavailable{head}{{\"status\":\"full\"}}"), Some(Readiness::Full)),
            (format!("HTTP/1.1 503 Service Unavailable{head}{{\"status\":\"stopping\"}}"), None),
            (format!("HTTP/1.1 503 Service Unavailable{head}busy"), None),
            (format!("HTTP/1.1 404 Not Found{head}"), None),
            (String::new(), None),
        ] {
            assert_eq!(read(reply.as_bytes()), said, "{reply}");
        }
    }

    #[test]
    fn nobody_waits_for_a_server_that_hangs() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let _silent = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        assert_eq!(readiness(&[ListenAddress::Unix(path)]), None);
    }

    #[test]
    fn a_port_that_nobody_knows_is_not_asked() {
        assert_eq!(readiness(&[ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))]), None);
    }
}
