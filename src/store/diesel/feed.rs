//! The revocation feeds of both databases: see [`crate::store::RevocationFeed`].

use std::sync::Arc;

use super::connect::Target;
use super::rows::session_id;
use super::triggers::{Difference, describe};
use super::url::DatabaseUrl;
use crate::domain::user::UserId;
use crate::store::{FeedKind, Invalidation, RevocationFeed, Revoked, StoreResult};

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

/// If more rows of the log than this are new, the whole cache is invalidated.
const MAX_REVOKED: usize = 5_000;

/// What rows of the log invalidate: users, sessions, or everything if a row names neither or cannot be
/// read, or if there are more than [`MAX_REVOKED`] rows.
fn invalidation(rows: impl ExactSizeIterator<Item = (Option<i64>, Option<Vec<u8>>)>) -> Invalidation {
    if rows.len() > MAX_REVOKED {
        return Invalidation::Everything;
    }
    let revoked = rows.map(|row| match row {
        (_, Some(session)) => session_id(&session).ok().map(Revoked::Session),
        (Some(user), None) => Some(Revoked::User(UserId(user))),
        (None, None) => None,
    });
    revoked.collect::<Option<_>>().map_or(Invalidation::Everything, Invalidation::Revoked)
}

/// Logs when the triggers are changed, and when they are repaired.
fn log_triggers(were_intact: bool, differences: &[Difference]) {
    match (were_intact, differences) {
        (true, []) => {}
        (false, []) => {
            log::info!("the triggers of the revocation log are repaired; checks are answered from the cache again");
        }
        (true, differences) => log::warn!("{}; until then, every check reads the database", describe(differences)),
        (false, _) => {}
    }
}

/// The kind of this database's revocation feed.
pub(super) fn kind(target: &Target) -> FeedKind {
    match &target.url {
        #[cfg(feature = "sqlite")]
        DatabaseUrl::Sqlite(_) => FeedKind::PerThread,
        #[cfg(feature = "postgres")]
        DatabaseUrl::Postgres(_) => FeedKind::Shared,
    }
}

/// A new revocation feed of this database.
///
/// # Errors
/// When it cannot be reached, or must not be used.
pub(super) fn open(target: &Arc<Target>) -> StoreResult<Box<dyn RevocationFeed>> {
    match &target.url {
        #[cfg(feature = "sqlite")]
        DatabaseUrl::Sqlite(_) => Ok(Box::new(sqlite::SqliteFeed::open(target)?)),
        #[cfg(feature = "postgres")]
        DatabaseUrl::Postgres(_) => Ok(Box::new(postgres::PostgresFeed::open(target)?)),
    }
}
