//! A feed of the database: one statement a poll.

use shuttle::rand::{Rng, thread_rng};

use super::{Database, Rows, a_while};
use crate::domain::token::TokenDigest;
use crate::service::tests::{Mistake, is_planted};
use crate::store::{FeedUpdate, Invalidation, RevocationFeed, StoreResult};

/// One poll in this many says that its rows must not be cached.
const FLEETING: u32 = 4;

pub(super) struct FakeFeed {
    database: Database,
    /// How much of the log earlier polls reported; `None`: the next one reports nothing.
    told: Option<usize>,
    /// Read when the last poll ended, if that mistake is planted.
    ahead: Option<Rows>,
}

impl FakeFeed {
    pub(super) const fn new(database: Database) -> Self {
        Self { database, told: None, ahead: None }
    }
}

impl RevocationFeed for FakeFeed {
    fn poll(&mut self, digests: &[TokenDigest]) -> StoreResult<FeedUpdate> {
        let database = self.database.clone();
        let (rows, found) = database.read(&mut self.ahead, digests)?;
        let mut end = rows.log.len();
        if is_planted(Mistake::RowsBeforeLog) {
            a_while();
            // Invalidations of the time in between count as reported.
            end = database.rows().log.len();
        }
        let cacheable = !thread_rng().gen_ratio(1, FLEETING);
        let told = std::mem::replace(&mut self.told, cacheable.then_some(end));
        let invalidation = match told {
            _ if !cacheable => Invalidation::Everything,
            Some(told) => {
                let new: Option<Vec<_>> = rows.log.get(told..).unwrap_or_default().iter().copied().collect();
                new.map_or(Invalidation::Everything, Invalidation::Revoked)
            }
            None => Invalidation::Revoked(Vec::new()),
        };
        Ok(FeedUpdate { invalidation, found, cacheable: cacheable || is_planted(Mistake::FleetingKept) })
    }
}
