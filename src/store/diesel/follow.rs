//! Telling what was revoked: see [`crate::store::Follower`].

use std::sync::Arc;

use super::connect::Target;
use super::rows::session_id;
use super::triggers::{Difference, complaint};
use super::url::DatabaseUrl;
use crate::store::{Follower, Following, News, Revoked, StoreResult};
use crate::user::UserId;

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

/// More news than this are not worth telling one by one.
const MANY: usize = 5_000;

/// What rows of the log speak of: a user, a session, or everything, as one that cannot be read. One
/// row more than [`MANY`] says that there are too many.
fn news(rows: impl ExactSizeIterator<Item = (Option<i64>, Option<Vec<u8>>)>) -> News {
    if rows.len() > MANY {
        return News::Everything;
    }
    let revoked = rows.map(|row| match row {
        (_, Some(session)) => session_id(&session).ok().map(Revoked::Session),
        (Some(user), None) => Some(Revoked::User(UserId(user))),
        (None, None) => None,
    });
    revoked.collect::<Option<_>>().map_or(News::Everything, News::Revoked)
}

/// Tells the log when the triggers become others than the migrations made, and when they are mended.
fn tell_of_triggers(were_intact: bool, differences: &[Difference]) {
    match (were_intact, differences) {
        (true, []) => {}
        (false, []) => {
            log::info!("the triggers of the revocation log are mended; checks are answered from memory again");
        }
        (true, differences) => log::warn!("{}; until then, every check reads the database", complaint(differences)),
        (false, _) => {}
    }
}

/// How this database can be followed.
pub(super) fn following(target: &Target) -> Following {
    match &target.url {
        #[cfg(feature = "sqlite")]
        DatabaseUrl::Sqlite(_) => Following::Inline,
        #[cfg(feature = "postgres")]
        DatabaseUrl::Postgres(_) => Following::Shared,
    }
}

/// A new follower of this database.
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
