//! The revocation feeds of both databases: see [`crate::store::Follower`].

use std::sync::Arc;

use super::connect::Target;
use super::rows::session_id;
use super::triggers::{Difference, describe};
use super::url::DatabaseUrl;
use crate::store::{Follower, Following, News, Revoked, StoreResult};
use crate::user::UserId;

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

/// If more rows of the log than this are new, the whole cache is invalidated.
const MAX_REVOKED: usize = 5_000;

/// What rows of the log invalidate: users, sessions, or everything if a row names neither or cannot be
/// read, or if there are more than [`MAX_REVOKED`] rows.
fn news(rows: impl ExactSizeIterator<Item = (Option<i64>, Option<Vec<u8>>)>) -> News {
    if rows.len() > MAX_REVOKED {
        return News::Everything;
    }
    let revoked = rows.map(|row| match row {
        (_, Some(session)) => session_id(&session).ok().map(Revoked::Session),
        (Some(user), None) => Some(Revoked::User(UserId(user))),
        (None, None) => None,
    });
    revoked.collect::<Option<_>>().map_or(News::Everything, News::Revoked)
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
pub(super) fn following(target: &Target) -> Following {
    match &target.url {
        #[cfg(feature = "sqlite")]
        DatabaseUrl::Sqlite(_) => Following::Inline,
        #[cfg(feature = "postgres")]
        DatabaseUrl::Postgres(_) => Following::Shared,
    }
}

/// A new revocation feed of this database.
///
/// # Errors
/// When it cannot be reached, or must not be used.
pub(super) fn follow(target: &Arc<Target>) -> StoreResult<Box<dyn Follower>> {
    match &target.url {
        #[cfg(feature = "sqlite")]
        DatabaseUrl::Sqlite(_) => Ok(Box::new(sqlite::SqliteFollower::open(target)?)),
        #[cfg(feature = "postgres")]
        DatabaseUrl::Postgres(_) => Ok(Box::new(postgres::PostgresFollower::open(target)?)),
    }
}
