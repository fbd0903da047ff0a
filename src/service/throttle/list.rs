//! What administrators see of the throttle, and how they empty it.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::buckets::{Failure, Filled};
use super::{AccountLabel, Kind, Throttle};
use crate::domain::policy::Network;
use crate::domain::time::Timestamp;
use crate::domain::user::{LoginName, User};
use crate::service::Auth;

/// A bucket that counts failures now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ThrottleEntry {
    /// What is counted: `pair`, `account` or `address`.
    pub bucket: &'static str,
    /// The user's number, or `name-` and a keyed hash of a name that fits no user; `None` where all accounts are
    /// counted together.
    pub account: Option<String>,
    /// The address, or the first 64 bits of an IPv6 address; `None` where all addresses are counted together.
    pub address: Option<String>,
    /// How many failures count now.
    pub failures: u32,
    /// Whether logins are refused because of it.
    pub is_full: bool,
    /// When all failures will be forgiven.
    pub clear_at: Timestamp,
}

/// Whose failures are forgiven: those of an account, those from an address, those of an account from an address, or
/// all.
#[derive(Debug, Clone, Copy)]
pub struct ThrottleScope<'a> {
    /// Only this user's.
    pub user: Option<&'a User>,
    /// Only from the network of this address.
    pub address: Option<IpAddr>,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Pair, Self::Address, Self::Account, Self::User, Self::UserPair];

    /// Whether its buckets are listed only while they are full, because others count the same failures.
    const fn repeats_others(self) -> bool {
        match self {
            Self::Pair | Self::Address | Self::Account => false,
            Self::User | Self::UserPair => true,
        }
    }

    const fn has_account(self) -> bool {
        match self {
            Self::Pair | Self::Account | Self::User | Self::UserPair => true,
            Self::Address => false,
        }
    }

    const fn has_address(self) -> bool {
        match self {
            Self::Pair | Self::Address | Self::UserPair => true,
            Self::Account | Self::User => false,
        }
    }

    fn entry(self, filled: Filled) -> ThrottleEntry {
        let Filled { latest, failures, is_full, clear_at } = filled;
        let account = latest.user.map_or(AccountLabel::Name(latest.name), AccountLabel::User);
        ThrottleEntry {
            bucket: self.as_str(),
            account: self.has_account().then(|| account.to_string()),
            address: self.has_address().then(|| latest.network.to_string()),
            failures,
            is_full,
            clear_at,
        }
    }
}

impl Auth {
    /// At most `limit` counters of wrong passwords on this node, the full ones first.
    pub fn throttled(&self, limit: usize) -> Vec<ThrottleEntry> {
        self.inner.throttle.list(limit)
    }

    /// Forgives wrong passwords on this node; returns how many counters were reset.
    pub fn clear_throttle(&self, scope: ThrottleScope<'_>) -> usize {
        self.inner.throttle.clear(scope)
    }
}

impl Throttle {
    /// At most `limit` buckets of this node that count failures: the full ones first, then by the time until they are
    /// empty.
    pub(in crate::service) fn list(&self, limit: usize) -> Vec<ThrottleEntry> {
        let now = self.clock.now();
        let mut state = self.lock();
        let mut entries: Vec<ThrottleEntry> = Vec::new();
        for kind in Kind::ALL {
            let filled = state.of(kind).filled(now).filter(|filled| filled.is_full || !kind.repeats_others());
            entries.extend(filled.map(|filled| kind.entry(filled)));
        }
        drop(state);
        entries.sort_by_key(|entry| std::cmp::Reverse((entry.is_full, entry.clear_at)));
        entries.truncate(limit);
        entries
    }

    /// Forgives the failures in this scope, on this node; returns how many buckets were emptied. Attempts in flight
    /// still count.
    pub(in crate::service) fn clear(&self, scope: ThrottleScope<'_>) -> usize {
        let now = self.clock.now();
        let network = scope.address.map(|address| Network::of(Some(address)));
        let is_meant = |failure: &Failure| {
            scope.user.is_none_or(|user| failure.user == Some(user.id))
                && network.is_none_or(|network| failure.network == network)
        };
        let mut state = self.lock();
        let mut cleared = 0;
        for kind in Kind::ALL {
            let is_whole = (scope.user.is_none() || kind.has_account()) && (network.is_none() || kind.has_address());
            if !is_whole {
                continue;
            }
            let buckets = state.of(kind);
            cleared += match (scope.user, network) {
                (None, None) => buckets.clear_all(now),
                (Some(_), _) | (_, Some(_)) => buckets.clear_where(now, is_meant),
            };
        }
        // An account may know a network by now, and looking that up again costs only a read.
        state.unknown_pairs.fill((0, 0));
        // A failure that was counted before its user was looked up has no user.
        if let (Some(user), None) = (scope.user, network) {
            for login in [LoginName::Username(user.username.clone()), LoginName::Email(user.email.clone())] {
                state.accounts.clear(self.account_key(&login), now);
            }
        }
        cleared
    }
}
