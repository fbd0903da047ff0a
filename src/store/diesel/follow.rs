//! Telling what was revoked: see [`crate::store::Follower`].

use std::sync::Arc;

use super::connect::Target;
use super::url::DatabaseUrl;
use crate::store::{Follower, Following, StoreResult};

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

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
