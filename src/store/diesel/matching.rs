//! Which sessions a list or a mass end is about, as conditions of a query.

use std::time::Duration;

use diesel::dsl::{not, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Text};
use ipnet::IpNet;

use super::any::MultiBackend;
use super::lists::containing;
use super::schema::sessions;
use super::{cutoff, hot};
use crate::domain::policy::IdleLimits;
use crate::domain::session::{SessionId, SessionKind};
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;
use crate::store::SessionMatch;
use crate::store::admin::is_single;

/// A condition on sessions.
pub(super) type Condition = Box<dyn BoxableExpression<sessions::table, MultiBackend, SqlType = Bool>>;

/// A character after all that addresses consist of.
const AFTER_ADDRESSES: char = '~';

/// Which index leads to the sessions that a list looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The primary key: all of them, or those of a time.
    Id,
    /// Those of the user.
    User,
    /// Those from the single address.
    Address,
    /// Those that were made for scripts.
    Scripts,
    /// Those of the network and of its neighbours. Only these are not in the order of ids.
    Network,
}

/// What the database decides. Of a network, it finds more than belongs to it: [`SessionMatch::covers`] decides.
pub(super) fn matching(wanted: &SessionMatch) -> Vec<Condition> {
    let mut all = matching_after(wanted);
    all.extend(wanted.address.as_ref().and_then(from_the_beginning_of));
    all
}

/// The same without the least address of a network, where the query says after which address it goes on: of two
/// such bounds, SQLite would begin with the wrong one.
pub(super) fn matching_after(wanted: &SessionMatch) -> Vec<Condition> {
    let (from, before) = ids_of(wanted);
    let mut all: Vec<Condition> = Vec::new();
    all.extend(from.map(|id| Box::new(sessions::id.ge(id.as_bytes().to_vec())) as Condition));
    all.extend(before.map(|id| Box::new(sessions::id.lt(id.as_bytes().to_vec())) as Condition));
    all.extend(wanted.user.map(of_user));
    all.extend(wanted.address.as_ref().map(up_to_the_end_of));
    if wanted.for_script {
        all.push(for_script());
    }
    all.extend(without_index(wanted));
    all
}

/// What the index is searched for.
pub(super) fn leading(wanted: &SessionMatch, by: By) -> Vec<Condition> {
    match by {
        By::Id => Vec::new(),
        By::User => wanted.user.map(of_user).into_iter().collect(),
        By::Address => wanted.address.as_ref().map(up_to_the_end_of).into_iter().collect(),
        By::Scripts => vec![for_script()],
        By::Network => {
            let network = wanted.address.as_ref();
            network.map(up_to_the_end_of).into_iter().chain(network.and_then(from_the_beginning_of)).collect()
        }
    }
}

/// All other conditions, in words that no index answers to: otherwise the database could take another one than that
/// which was chosen, and look at more sessions than were counted.
pub(super) fn following(wanted: &SessionMatch, by: By) -> Vec<Condition> {
    let mut all = without_index(wanted);
    if let Some(user) = wanted.user.filter(|_| by != By::User) {
        all.push(Box::new(sql::<Bool>("+sessions.user_id = ").bind::<BigInt, _>(user.0)));
    }
    if let Some(network) = wanted.address.as_ref().filter(|_| !matches!(by, By::Address | By::Network)) {
        let address = || sql::<Bool>("(sessions.address || '')");
        if is_single(network) {
            all.push(Box::new(address().sql(" = ").bind::<Text, _>(network.addr().to_string())));
        } else {
            all.push(Box::new(address().sql(" >= ").bind::<Text, _>(common_text(network))));
            all.push(Box::new(address().sql(" < ").bind::<Text, _>(beyond(network))));
        }
    }
    if wanted.for_script && by != By::Scripts {
        all.push(Box::new(sql::<Bool>("(sessions.opened_reason || '') = 'token_created'")));
    }
    all
}

/// The ids between which the sessions of a time are: the least, and one after the greatest. The time itself is decided by
/// [`without_index`].
pub(super) fn ids_of(wanted: &SessionMatch) -> (Option<SessionId>, Option<SessionId>) {
    let beyond = |before: Timestamp| SessionId::first_at(before.saturating_add(Duration::from_millis(1)));
    (wanted.created_from.map(SessionId::first_at), wanted.created_before.map(beyond))
}

fn of_user(user: UserId) -> Condition {
    Box::new(sessions::user_id.eq(user.0))
}

/// Made for a script. A text and no value, since an index is for this text alone.
fn for_script() -> Condition {
    Box::new(sql::<Bool>("sessions.opened_reason = 'token_created'"))
}

/// The conditions that have no index.
fn without_index(wanted: &SessionMatch) -> Vec<Condition> {
    let mut all: Vec<Condition> = Vec::new();
    if let Some(from) = wanted.created_from {
        all.push(Box::new(sessions::created.ge(from.as_micros())));
    }
    if let Some(before) = wanted.created_before {
        all.push(Box::new(sessions::created.lt(before.as_micros())));
    }
    if let Some(before) = wanted.last_seen_before {
        all.push(Box::new(sessions::last_seen.lt(before.as_micros())));
    }
    if let Some(kind) = wanted.kind {
        all.push(Box::new(sessions::kind.eq(kind.as_str())));
    }
    if let Some(part) = &wanted.device {
        all.push(contains("lower(sessions.user_agent) LIKE ", part));
    }
    if let Some(part) = &wanted.name {
        all.push(contains("lower(sessions.name) LIKE ", part));
    }
    all
}

/// What comes after a session in the order of the addresses.
pub(super) fn after(address: String, id: Vec<u8>) -> Condition {
    let order = sql::<Bool>("(sessions.address, sessions.id) > (").bind::<Text, _>(address);
    Box::new(order.sql(", ").bind::<Binary, _>(id).sql(")"))
}

/// What makes a session live; a session that is not may be good for a moment yet by another node's clock.
pub(super) fn live(now: Timestamp, limits: IdleLimits) -> Vec<Condition> {
    let seen_from = |limit: Option<Duration>| limit.map_or(i64::MIN, |idle| now.saturating_sub(idle).as_micros());
    let attended = SessionKind::APART.into_iter().filter(|kind| kind.is_attended()).map(SessionKind::as_str);
    let attended: Vec<&str> = attended.collect();
    let is_attended = || sessions::kind.eq_any(attended.clone());
    let as_attended = is_attended().and(sessions::last_seen.ge(seen_from(limits.attended)));
    let as_other = not(is_attended()).and(sessions::last_seen.ge(seen_from(limits.others)));
    vec![
        Box::new(sessions::ended_at.is_null()),
        Box::new(sql::<Bool>(&cutoff::is_current())),
        Box::new(as_attended.or(as_other)),
        Box::new(sql::<Bool>(hot::LAST_END).sql(" > ").bind::<BigInt, _>(now.as_micros())),
    ]
}

/// `lower` folds A to Z alone on both databases.
fn contains(column: &str, part: &str) -> Condition {
    let pattern = containing(&part.to_ascii_lowercase());
    Box::new(sql::<Bool>(column).bind::<Text, _>(pattern).sql(" ESCAPE '!'"))
}

fn up_to_the_end_of(network: &IpNet) -> Condition {
    let address = sessions::address.assume_not_null();
    if is_single(network) {
        return Box::new(address.eq(network.addr().to_string()));
    }
    Box::new(address.lt(beyond(network)))
}

/// `None` for a single address, which its end alone finds.
fn from_the_beginning_of(network: &IpNet) -> Option<Condition> {
    let from = || Box::new(sessions::address.assume_not_null().ge(common_text(network))) as Condition;
    (!is_single(network)).then(from)
}

/// A text after those of all addresses in a network.
fn beyond(network: &IpNet) -> String {
    format!("{}{AFTER_ADDRESSES}", common_text(network))
}

/// What the texts of all addresses in a network begin with.
fn common_text(network: &IpNet) -> String {
    let length = usize::from(network.prefix_len());
    match network {
        IpNet::V4(four) => four.network().octets().iter().take(length / 8).map(|octet| format!("{octet}.")).collect(),
        // A zero may be written as `::`, together with others.
        IpNet::V6(six) => {
            let groups = six.network().segments();
            let certain = groups.iter().take(length / 16).take_while(|group| **group != 0);
            certain.map(|group| format!("{group:x}:")).collect()
        }
    }
}

/// Whether the database tells the addresses of a network from all others, so that [`SessionMatch::covers`] has
/// nothing to decide.
pub(super) fn is_told_by_text(network: &IpNet) -> bool {
    let length = network.prefix_len();
    let is_whole = match network {
        IpNet::V4(_) => length.is_multiple_of(8),
        IpNet::V6(six) => {
            let mut groups = six.network().segments().into_iter().take(usize::from(length / 16));
            length.is_multiple_of(16) && groups.all(|group| group != 0)
        }
    };
    is_single(network) || (is_whole && length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_of_a_network_begin_with_their_common_text() {
        for (network, text) in [
            ("192.0.2.0/24", "192.0.2."),
            ("192.0.2.128/25", "192.0.2."),
            ("172.16.0.0/12", "172."),
            ("0.0.0.0/0", ""),
            ("2001:db8::/32", "2001:db8:"),
            ("2001:db8:0:1::/64", "2001:db8:"),
            ("2001:db8:a:b::/63", "2001:db8:a:"),
            ("::/0", ""),
        ] {
            let network: IpNet = network.parse().expect("a network");
            assert_eq!(common_text(&network), text, "{network}");
            let is_told = ["192.0.2.0/24", "2001:db8::/32"].contains(&network.to_string().as_str());
            assert_eq!(is_told_by_text(&network), is_told, "{network}");
            assert!(network.addr().to_string().starts_with(text) && network.broadcast().to_string().starts_with(text));
        }
    }
}
