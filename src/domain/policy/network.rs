//! The network that an address is counted for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// After this prefix of 96 bits, an IPv6 address contains an IPv4 address (RFC 6052, section 2.1). A server with only
/// IPv6 sees clients with only IPv4 like this.
const TRANSLATED: u128 = 0x0064_ff9b << 96;

/// The IPv4 address that an IPv6 address stands for; any other address as it is.
pub(super) fn plain(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) if six.to_bits() >> 32 == TRANSLATED >> 32 => {
            let [.., a, b, c, d] = six.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        address @ (IpAddr::V4(_) | IpAddr::V6(_)) => address,
    }
}

/// Where a client is: an IPv4 address, or the first 64 bits of an IPv6 address, since one subscriber has many addresses
/// with the same 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(Option<IpAddr>);

impl Network {
    /// The network of this address. `None`: a Unix socket, whose peers are all one network.
    pub fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match plain(address) {
            four @ IpAddr::V4(_) => four,
            IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() >> 64 << 64)),
        }))
    }

    /// The network as a number, which [`Network::from_bits`] converts back.
    pub const fn to_bits(self) -> u128 {
        match self.0 {
            Some(IpAddr::V4(address)) => address.to_ipv6_mapped().to_bits(),
            Some(IpAddr::V6(address)) => address.to_bits(),
            None => 0,
        }
    }

    /// The network with this number; 0 stands for a Unix socket.
    pub fn from_bits(bits: u128) -> Self {
        Self((bits != 0).then(|| IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical()))
    }

    /// The address, or the first one of the IPv6 network; `None` for a Unix socket.
    pub const fn address(self) -> Option<IpAddr> {
        self.0
    }
}

/// `203.0.113.9`, `2001:db8::/64`, or `-`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(IpAddr::V4(address)) => address.fmt(f),
            Some(IpAddr::V6(address)) => write!(f, "{address}/64"),
            None => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_64_bits_is_one_and_ipv4_addresses_written_as_ipv6_are_told_apart() {
        for (address, network) in [
            ("203.0.113.9", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("64:ff9b::203.0.113.9", "203.0.113.9"),
            ("64:ff9b::203.0.113.10", "203.0.113.10"),
            ("64:ff9b:1::203.0.113.9", "64:ff9b:1::/64"),
            ("64:ff9b::1:cb00:7109", "64:ff9b::/64"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
            ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ] {
            let found = Network::of(address.parse().ok());
            assert_eq!(found.to_string(), network, "{address}");
            assert_eq!(Network::from_bits(found.to_bits()), found, "{address}");
        }
        assert_eq!(Network::of(None).to_string(), "-");
        assert_eq!(Network::from_bits(Network::of(None).to_bits()), Network::of(None));
    }
}
