//! How many wrong passwords are accepted, and from where.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::network::plain;

/// How many failures a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// How many at once, at least 1.
    pub burst: u32,
    /// After this time one failure is forgiven; at least 1 ms.
    pub interval: Duration,
}

/// Login throttling. It counts failures only, and only in this process's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThrottlePolicy {
    /// Whether failures are counted at all.
    pub enabled: bool,
    /// Failures for one account from one network.
    pub pair: Allowance,
    /// Failures for one account from all networks from which it has not logged in lately.
    pub account: Allowance,
    /// Failures from one network for all accounts together.
    pub address: Allowance,
    /// How long a network stays known to an account after a login from it.
    pub known_for: Duration,
    /// Networks without a bucket of their own.
    pub exempt: ExemptNetworks,
}

/// Networks whose failures are not counted by address, such as a backend that sends its users' logins.
/// All other buckets count them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExemptNetworks {
    /// By address.
    pub networks: Vec<IpNet>,
    /// Clients on a Unix socket, without a proxy that sends the client's address.
    pub unix: bool,
}

impl Default for ThrottlePolicy {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            enabled: true,
            pair: Allowance { burst: 10, interval: minute },
            account: Allowance { burst: 20, interval: minute },
            address: Allowance { burst: 60, interval: minute / 6 },
            known_for: minute.saturating_mul(30 * 24 * 60),
            exempt: ExemptNetworks::default(),
        }
    }
}

impl ThrottlePolicy {
    /// No throttling: every attempt is allowed.
    pub fn off() -> Self {
        Self { enabled: false, ..Self::default() }
    }
}

impl ExemptNetworks {
    /// Whether failures from this address are not counted by address. `None`: the address is unknown, as
    /// behind a Unix socket.
    pub fn contains(&self, address: Option<IpAddr>) -> bool {
        match address {
            Some(address) => self.networks.iter().any(|network| network.contains(&plain(address))),
            None => self.unix,
        }
    }
}
