//! The networks from which each user logged in lately.

use diesel::sql_types::{BigInt, Text};
use diesel::{OptionalExtension, QueryResult, RunQueryDsl};

use super::DieselStore;
use super::any::AnyConnection;
use super::hot::statement;
use super::sweep::BATCH;
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;
use crate::store::{NETWORKS_KEPT, StoreResult};

statement! {
    /// When the user last logged in from there.
    FindSeen { user: i64 as BigInt, network: String as Text } -> BigInt,
    ["SELECT seen FROM login_networks WHERE user_id = ", user, " AND network = ", network]
}

statement! {
    /// Records a login. A delayed write does not move the time back.
    Note { user: i64 as BigInt, network: String as Text, at: i64 as BigInt },
    [
        "INSERT INTO login_networks (user_id, network, seen) VALUES (", user, ", ", network, ", ", at,
        ") ON CONFLICT (user_id, network) DO UPDATE SET seen = excluded.seen \
         WHERE login_networks.seen < excluded.seen",
    ]
}

statement! {
    /// Deletes the user's oldest networks, so that [`NETWORKS_KEPT`] are left.
    Trim { user: i64 as BigInt },
    [
        "DELETE FROM login_networks WHERE user_id = ", user, " AND seen < (SELECT seen FROM login_networks \
         WHERE user_id = ", user, " ORDER BY seen DESC LIMIT 1 OFFSET ", {NETWORKS_KEPT - 1}, ")",
    ]
}

statement! {
    /// Deletes a batch of networks that are not known any more.
    DeleteOld { before: i64 as BigInt },
    [
        "DELETE FROM login_networks WHERE (user_id, network) IN (SELECT user_id, network FROM login_networks \
         WHERE seen < ", before, " LIMIT ", {BATCH}, ")",
    ]
}

statement! {
    /// The network of all logins, if there is only one, and the number of users.
    OnlyNetwork {} -> (Text, BigInt),
    [
        "SELECT min(network), count(*) FROM login_networks HAVING min(network) = max(network)",
    ]
}

impl DieselStore {
    /// The network from which all users logged in lately, and the number of these users; `None` if there
    /// are several networks, or none.
    ///
    /// # Errors
    /// When the database fails.
    pub fn only_login_network(&self) -> StoreResult<Option<(String, i64)>> {
        self.read(|any| OnlyNetwork {}.get_result(any).optional())
    }
}

/// See [`crate::store::Connection::last_login_from`].
pub(super) fn last_login_from(any: &mut AnyConnection, user: UserId, network: &str) -> QueryResult<Option<Timestamp>> {
    let seen: Option<i64> = FindSeen { user: user.0, network: network.to_owned() }.get_result(any).optional()?;
    Ok(seen.map(Timestamp::from_micros))
}

/// Records a login. Runs in the transaction that opens the session: it has locked the user, so there is no
/// other login of the same user at the same time.
pub(super) fn note_login_from(any: &mut AnyConnection, user: UserId, network: &str, at: Timestamp) -> QueryResult<()> {
    Note { user: user.0, network: network.to_owned(), at: at.as_micros() }.execute(any)?;
    Trim { user: user.0 }.execute(any)?;
    Ok(())
}

/// Deletes a batch of networks last seen before that moment, and returns their number.
pub(super) fn delete_old(any: &mut AnyConnection, before: i64) -> QueryResult<usize> {
    DeleteOld { before }.execute(any)
}
