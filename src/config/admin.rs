//! The settings of the administration API.

use std::net::Ipv4Addr;

use super::ListenAddress;
use super::form::{Form, list};
use crate::http::admin::HostName;

/// Where the administration API listens, and for which hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminSettings {
    /// Its address; `None`: there is no administration API.
    pub listen: Option<ListenAddress>,
    /// The host names of its requests; empty: `localhost` and the address that it listens on.
    pub hosts: Vec<HostName>,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { listen: Some(ListenAddress::Tcp((Ipv4Addr::LOCALHOST, 8081).into())), hosts: Vec::new() }
    }
}

/// An address to listen on, or `off`.
pub(super) fn listen() -> Form<Option<ListenAddress>> {
    let parse = |text: &str| match text {
        "off" => Ok(None),
        _ => text.parse().map(Some).map_err(|problem: String| format!("{problem}; or off")),
    };
    let show =
        |value: &Option<ListenAddress>| Some(value.as_ref().map_or_else(|| "off".to_owned(), ToString::to_string));
    Form::new("ip:port, [ipv6]:port, unix:/path, or off", parse, show)
}

/// Names of hosts.
pub(super) fn hosts() -> Form<Vec<HostName>> {
    let read = |text: &str| text.parse().map_err(|bad: crate::http::admin::BadHost| bad.to_string());
    let names = list("comma list of host names and addresses, without ports", read, |a, b| a == b, ToString::to_string);
    names.computed("`localhost` and the address of `KNOXIDE_ADMIN_LISTEN`")
}
