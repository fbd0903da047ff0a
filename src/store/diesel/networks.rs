//! From which networks each user logged in lately.

use diesel::sql_types::{BigInt, Text};
use diesel::{OptionalExtension, QueryResult, RunQueryDsl};

use super::DieselStore;
use super::any::AnyConnection;
use super::hot::statement;
use super::sweep::BATCH;
use crate::store::{NETWORKS_KEPT, StoreResult};
use crate::time::Timestamp;
use crate::user::UserId;

statement! {
    /// When the user last logged in from there.
    FindSeen { user: i64 as BigInt, network: String as Text } -> BigInt,
    ["SELECT seen FROM login_networks WHERE user_id = ", user, " AND network = ", network]
}

statement! {
    /// Notes a login; a late note does not move the time back.
    Note { user: i64 as BigInt, network: String as Text, at: i64 as BigInt },
    [
        "INSERT INTO login_networks (user_id, network, seen) VALUES (", user, ", ", network, ", ", at,
        ") ON CONFLICT (user_id, network) DO UPDATE SET seen = excluded.seen \
         WHERE login_networks.seen < excluded.seen",
    ]
}

statement! {
    /// Forgets the user's oldest, down to as many as are kept.
    Trim { user: i64 as BigInt },
    [
        "DELETE FROM login_networks WHERE user_id = ", user, " AND seen < (SELECT seen FROM login_networks \
         WHERE user_id = ", user, " ORDER BY seen DESC LIMIT 1 OFFSET ", {NETWORKS_KEPT - 1}, ")",
    ]
}

statement! {
    /// Takes a batch of those that are not known any more.
    DeleteOld { before: i64 as BigInt },
    [
        "DELETE FROM login_networks WHERE (user_id, network) IN (SELECT user_id, network FROM login_networks \
         WHERE seen < ", before, " LIMIT ", {BATCH}, ")",
    ]
}

statement! {
    /// The network that all logins came from, and of how many users, if it is one alone.
    OnlyNetwork {} -> (Text, BigInt),
    [
        "SELECT min(network), count(*) FROM login_networks HAVING min(network) = max(network)",
    ]
}

impl DieselStore {
    /// The network from which every user lately logged in, and how many users that are; `None` if there
    /// are several networks, or none.
    ///
    /// # Errors
    /// When the database fails.
    pub fn only_login_network(&self) -> StoreResult<Option<(String, i64)>> {
        self.admin(|connection| connection.read(|any| OnlyNetwork {}.get_result(any).optional()))
    }
}

/// See [`crate::store::Connection::last_login_from`].
pub(super) fn last_login_from(any: &mut AnyConnection, user: UserId, network: &str) -> QueryResult<Option<Timestamp>> {
    let seen: Option<i64> = FindSeen { user: user.0, network: network.to_owned() }.get_result(any).optional()?;
    Ok(seen.map(Timestamp::from_micros))
}

/// Notes a login; inside the transaction that opens its session, which holds the user, so that nobody else
/// notes one of the same user meanwhile.
pub(super) fn note_login_from(any: &mut AnyConnection, user: UserId, network: &str, at: Timestamp) -> QueryResult<()> {
    Note { user: user.0, network: network.to_owned(), at: at.as_micros() }.execute(any)?;
    Trim { user: user.0 }.execute(any)?;
    Ok(())
}

/// Deletes some of what was seen before that moment; how many.
pub(super) fn delete_old(any: &mut AnyConnection, before: i64) -> QueryResult<usize> {
    DeleteOld { before }.execute(any)
}
