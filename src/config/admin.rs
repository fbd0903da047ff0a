//! The settings of the administration API.

use std::net::{Ipv4Addr, SocketAddr};

use super::form::{Form, list};
use super::{Input, ListenAddress, Settings};
use crate::http::admin::HostName;

/// Where the administration API listens, and for which hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminSettings {
    /// Its address; `None`: there is no administration API.
    pub listen: Option<ListenAddress>,
    /// The host names that its requests may use; empty: `localhost` and the address that it listens on.
    pub hosts: Vec<HostName>,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { listen: Some(ListenAddress::Tcp((Ipv4Addr::LOCALHOST, 8081).into())), hosts: Vec::new() }
    }
}

/// An address to listen on, or `off`.
pub(super) fn listen() -> Form<Option<ListenAddress>> {
    let parse = |text: &str| {
        if text.eq_ignore_ascii_case("off") {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|problem: String| format!("{problem}; or off"))
    };
    let show =
        |value: &Option<ListenAddress>| Some(value.as_ref().map_or_else(|| "off".to_owned(), ToString::to_string));
    Form::new("ip:port, [ipv6]:port, unix:/path, or off", parse, show)
}

/// Reports addresses that overlap: which of two such listeners gets a connection is up to the system, and most systems
/// refuse the second.
pub(super) fn check_overlap(settings: &Settings, input: &mut Input) {
    let listen = tcp(&settings.http.listen);
    for (index, one) in listen.iter().enumerate() {
        if let Some(other) = listen.iter().take(index).find(|other| is_same_place(**other, *one)) {
            input.report("KNOXIDE_LISTEN", format!("{other} and {one} overlap: remove one of them"));
        }
    }
    let own = tcp(settings.admin.listen.as_slice());
    let Some(own) = own.first().filter(|own| !listen.contains(own)) else { return };
    let has_ipv4 = listen.iter().any(|address| address.is_ipv4() && address.port() == own.port());
    let takes = |address: &&SocketAddr| {
        let takes_ipv4 = address.ip().is_unspecified() && own.is_ipv4() && !has_ipv4;
        is_same_place(**address, *own) || takes_ipv4 && own.port() != 0 && address.port() == own.port()
    };
    if let Some(other) = listen.iter().find(takes) {
        let problem = format!("{own} overlaps with {other} of KNOXIDE_LISTEN: give it another port, or write off");
        input.report("KNOXIDE_ADMIN_LISTEN", problem);
    }
}

fn tcp(addresses: &[ListenAddress]) -> Vec<SocketAddr> {
    let tcp = |address: &ListenAddress| match address {
        ListenAddress::Tcp(address) => Some(*address),
        ListenAddress::Unix(_) => None,
    };
    addresses.iter().filter_map(tcp).collect()
}

/// Whether both have the same port, and the same address or one of them every address of that kind.
fn is_same_place(one: SocketAddr, other: SocketAddr) -> bool {
    let is_covered = one.ip() == other.ip()
        || one.is_ipv4() == other.is_ipv4() && (one.ip().is_unspecified() || other.ip().is_unspecified());
    is_covered && one.port() == other.port() && one.port() != 0
}

/// Names of hosts.
pub(super) fn hosts() -> Form<Vec<HostName>> {
    let read = |text: &str| text.parse().map_err(|bad: crate::http::admin::BadHost| bad.to_string());
    let names = list("comma list of host names and addresses, without ports", read, |a, b| a == b, ToString::to_string);
    names.computed("`localhost` and the address of `KNOXIDE_ADMIN_LISTEN`")
}
