//! The address of a request's client, which may be behind proxies.

use std::any::Any;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::http::header::{HeaderMap, HeaderValue, X_FORWARDED_FOR};
use actix_web::rt::net::UnixStream;
use ipnet::IpNet;

/// The other end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A host.
    Address(IpAddr),
    /// A process on this machine, through a Unix socket.
    Unix,
    /// Unknown: the client may have disconnected before its address was read. Never trusted.
    Unknown,
}

impl Peer {
    /// The peer of a request; a Unix socket only if [`note_listener`] has marked the connection.
    pub fn of(request: &HttpRequest) -> Self {
        match request.peer_addr() {
            Some(address) => Self::Address(address.ip()),
            None if request.conn_data::<ThroughUnixSocket>().is_some() => Self::Unix,
            None => Self::Unknown,
        }
    }
}

/// Marks a connection that a listener on a Unix socket accepted.
struct ThroughUnixSocket;

/// Marks connections that a listener on a Unix socket accepted, because a missing address does not show
/// that. Pass this to [`actix_web::HttpServer::on_connect`] if your application listens on a Unix socket
/// and trusts its peers.
pub fn note_listener(connection: &dyn Any, data: &mut Extensions) {
    if connection.is::<UnixStream>() {
        data.insert(ThroughUnixSocket);
    }
}

/// The proxies that are trusted to report the client's address; by default none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Networks of trusted proxies.
    pub networks: Vec<IpNet>,
    /// Whether peers on a Unix socket are trusted.
    pub unix: bool,
}

/// A comma list of networks, addresses and `unix`. Empty: none.
impl FromStr for Proxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut proxies = Self::default();
        for entry in text.split(',').map(str::trim).filter(|_| !text.trim().is_empty()) {
            if entry.eq_ignore_ascii_case("unix") {
                proxies.unix = true;
            } else if let Ok(network) = entry.parse::<IpNet>() {
                proxies.networks.push(network.trunc());
            } else if let Ok(address) = entry.parse::<IpAddr>() {
                proxies.networks.push(address.into());
            } else {
                return Err(format!(
                    "holds {entry:?}, which is not a network: write networks such as 10.0.0.0/8 or fd00::/8, single \
                     addresses, or unix"
                ));
            }
        }
        Ok(proxies)
    }
}

impl fmt::Display for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(ToString::to_string);
        let entries: Vec<_> = networks.chain(self.unix.then(|| "unix".to_owned())).collect();
        f.write_str(&entries.join(","))
    }
}

impl Proxies {
    /// The client's address: the peer itself or, if it is a trusted proxy, the last address in
    /// `X-Forwarded-For` that is not a trusted proxy. Everything left of it is untrusted. If all
    /// addresses are trusted, the leftmost one; an invalid address ends the search at the hop
    /// before it.
    ///
    /// `None` for a peer on a Unix socket, or one that has disconnected.
    pub fn client(&self, peer: Peer, headers: &HeaderMap) -> Option<IpAddr> {
        let mut nearest = match peer {
            Peer::Address(address) => Some(address.to_canonical()),
            Peer::Unix | Peer::Unknown => None,
        };
        if !self.believes(peer) {
            return nearest;
        }
        let lines: Vec<&[u8]> = headers.get_all(X_FORWARDED_FOR).map(HeaderValue::as_bytes).collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
        for hop in hops.map(<[u8]>::trim_ascii).filter(|hop| !hop.is_empty()) {
            let Some(address) = parse(hop) else { break };
            nearest = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        nearest
    }

    /// Whether this peer is trusted to report the client's address.
    pub fn believes(&self, peer: Peer) -> bool {
        match peer {
            Peer::Address(address) => self.trusts(address.to_canonical()),
            Peer::Unix => self.unix,
            Peer::Unknown => false,
        }
    }

    /// Whether this address is one of the proxies.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// An address, with or without a port; IPv6 with a port in brackets, as proxies write them.
/// IPv4-mapped IPv6 addresses become IPv4 addresses.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|with| with.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    /// The peer, the header lines, and the client's address, if 10.0.0.0/8 and `fd00::/8` are trusted.
    const CASES: &[(&str, &[&str], &str)] = &[
        ("203.0.113.9", &[], "203.0.113.9"),
        ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", &["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", &["10.0.0.7, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", &["1.1.1.1", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", &["198.51.100.1", "10.0.0.4,10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
        ("::ffff:203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
        ("fd00::1", &["198.51.100.1, fd00::2"], "198.51.100.1"),
        ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["198.51.100.1, , ,"], "198.51.100.1"),
        ("10.0.0.1", &["", ","], "10.0.0.1"),
        ("10.0.0.1", &["300.1.1.1"], "10.0.0.1"),
        ("10.0.0.1", &["198.51.100.1\t"], "198.51.100.1"),
    ];

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(line).expect("a header value"));
        }
        headers
    }

    fn proxies(unix: bool) -> Proxies {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network")).to_vec();
        Proxies { networks, unix }
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy() {
        for (peer, lines, client) in CASES {
            let peer = Peer::Address(peer.parse().expect("an address"));
            let expected: IpAddr = client.parse().expect("an address");
            assert_eq!(proxies(false).client(peer, &headers(lines)), Some(expected), "{peer:?} {lines:?}");
        }
    }

    #[test]
    fn nobody_is_trusted_by_default() {
        let peer = Peer::Address("127.0.0.1".parse().expect("an address"));
        let forwarded = headers(&["198.51.100.1"]);
        assert_eq!(Proxies::default().client(peer, &forwarded), Some("127.0.0.1".parse().expect("an address")));
        assert_eq!(Proxies::default().client(Peer::Unix, &forwarded), None);
    }

    #[test]
    fn unix_sockets_are_trusted_only_when_told() {
        let forwarded = headers(&["1.1.1.1, 198.51.100.1, 10.0.0.1"]);
        assert_eq!(proxies(false).client(Peer::Unix, &forwarded), None);
        assert_eq!(proxies(true).client(Peer::Unix, &forwarded), "198.51.100.1".parse().ok());
        assert_eq!(proxies(true).client(Peer::Unix, &headers(&["unknown"])), None);
    }

    #[test]
    fn a_peer_without_an_address_is_not_taken_for_a_local_process() {
        let request = actix_web::test::TestRequest::default().to_http_request();
        let peer = Peer::of(&request);
        assert_eq!(peer, Peer::Unknown);
        assert_eq!(proxies(true).client(peer, &headers(&["198.51.100.1"])), None);
    }
}
