//! Variables with which Kubernetes and Docker describe neighbouring services. A service
//! whose name begins with `knoxide` adds variables that look like settings.

use std::ffi::OsString;
use std::net::IpAddr;

/// The aliases of the containers that Docker linked to this one.
pub(super) struct ServiceLinks {
    docker: Vec<String>,
}

impl ServiceLinks {
    /// The links that these variables describe. Docker sets `ALIAS_NAME=/here/alias` for each.
    pub(super) fn of(variables: &[(String, OsString)]) -> Self {
        let is_link = |value: &OsString| value.to_string_lossy().starts_with('/');
        let names = variables.iter().filter(|(_, value)| is_link(value));
        Self { docker: names.filter_map(|(name, _)| Some(name.strip_suffix("_NAME")?.to_owned())).collect() }
    }

    /// Whether a variable describes a service. Its value must have the right form, so that a setting with a mistyped
    /// name is still reported.
    pub(super) fn contain(&self, name: &str, value: &str) -> bool {
        let is_port = value.parse::<u16>().is_ok();
        let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
        let kubernetes = (name.ends_with("_SERVICE_HOST") && value.parse::<IpAddr>().is_ok())
            || (name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_")) && is_port
            || name.ends_with("_PORT") && is_url
            || describes_port(name);
        let rest = |alias: &String| name.strip_prefix(alias.as_str());
        kubernetes || self.docker.iter().filter_map(rest).any(|rest| rest == "_NAME" || rest.starts_with("_ENV_"))
    }
}

/// Whether a name has the form `…_PORT_8080_TCP`, optionally followed by `_ADDR`, `_PORT` or `_PROTO`.
fn describes_port(name: &str) -> bool {
    name.match_indices("_PORT_").any(|(at, part)| {
        let (number, rest) = name.split_at(at + part.len()).1.split_once('_').unwrap_or_default();
        let protocol = rest.split('_').next().unwrap_or_default();
        number.parse::<u16>().is_ok() && matches!(protocol, "TCP" | "UDP" | "SCTP")
    })
}
