//! Which sessions a search or a mass end is about.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use crate::domain::policy::IdleLimits;
use crate::domain::session::SessionKind;
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;

/// Conditions on sessions, which hold together. Without any, all sessions match. Its JSON form has those that are set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SessionMatch {
    /// The session's user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The address that the session was opened from is in this network, which may be a single address.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub address: Option<IpNet>,
    /// The session was opened at this moment or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_from: Option<Timestamp>,
    /// The session was opened before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_before: Option<Timestamp>,
    /// The session was last used before this moment. Uses of the last touch interval may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen_before: Option<Timestamp>,
    /// As what the session was opened: under which dialect, or for administration.
    #[serde(rename = "dialect", skip_serializing_if = "Option::is_none")]
    pub kind: Option<SessionKind>,
    /// A part of the client's `User-Agent`; the case of A to Z does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// A part of the session's name; the case of A to Z does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The session was made for a script.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub for_script: bool,
}

/// `192.0.2.0/24`, or `192.0.2.7` for a single address.
fn as_text<S: Serializer>(network: &Option<IpNet>, serializer: S) -> Result<S::Ok, S::Error> {
    match network {
        Some(network) if is_single(network) => serializer.collect_str(&network.addr()),
        Some(network) => serializer.collect_str(network),
        None => serializer.serialize_none(),
    }
}

/// Whether a network has one address.
pub(in crate::store) fn is_single(network: &IpNet) -> bool {
    network.prefix_len() == network.max_prefix_len()
}

impl SessionMatch {
    /// All sessions of a user.
    pub fn of_user(user: UserId) -> Self {
        Self { user: Some(user), ..Self::default() }
    }

    /// Whether there is no condition, so that every session matches.
    pub fn is_any(&self) -> bool {
        *self == Self::default()
    }

    /// Whether sessions from this address match, as far as it decides that.
    pub(in crate::store) fn covers(&self, address: Option<&str>) -> bool {
        let is_in = |network: &IpNet| {
            address.and_then(|text| text.parse::<IpAddr>().ok()).is_some_and(|address| network.contains(&address))
        };
        self.address.as_ref().is_none_or(is_in)
    }
}

/// The live sessions among those that match.
#[derive(Debug, Clone)]
pub struct LiveSet {
    /// Which sessions.
    pub matching: SessionMatch,
    /// The present moment, which decides whether a token has expired.
    pub now: Timestamp,
    /// Sessions unused for longer than this are over.
    pub idle_limits: IdleLimits,
    /// Only sessions opened at this moment or before. Unlike [`SessionMatch::created_before`], this does not look at
    /// ids, so it has the sessions whose id is no time, too.
    pub opened_until: Option<Timestamp>,
}

impl LiveSet {
    /// All of them that are live at this moment, whenever they were opened.
    pub const fn at(now: Timestamp, matching: SessionMatch) -> Self {
        Self { matching, now, idle_limits: IdleLimits::NONE, opened_until: None }
    }
}

/// How many sessions a set has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionCount {
    /// Their number.
    pub sessions: u64,
    /// When the newest of them was opened, by the clock of the node that opened it.
    pub newest: Option<Timestamp>,
}
