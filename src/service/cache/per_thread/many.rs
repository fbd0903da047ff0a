//! Lookups of many tokens at once, with polls of their own: one poll for all that are cached.

use std::sync::Arc;

use super::{Looked, PerThreadCache, RowRequest};
use crate::domain::token::Token;
use crate::service::Unavailable;
use crate::service::cache::Found;
use crate::service::cache::table::Key;

/// How many rows one poll reads for such a lookup. The other checks of this thread run before the next poll, so none of
/// them waits for all rows.
const ROWS_AT_ONCE: usize = 64;

/// One of the tokens, and what was found of it.
struct Lookup {
    token: Token,
    key: Key,
    looked: Option<Looked>,
}

impl PerThreadCache {
    pub(in crate::service::cache) async fn find_many(
        self: &Arc<Self>,
        tokens: Vec<Token>,
    ) -> Result<Vec<Found>, Unavailable> {
        let lookups = tokens.into_iter().map(|token| Lookup { key: self.keys.key(&token), token, looked: None });
        let mut lookups: Vec<Lookup> = lookups.collect();
        while lookups.iter().any(Lookup::is_open) {
            if !self.look(&mut lookups) {
                // The feed does not work.
                return self.options.read_many(lookups.into_iter().map(|lookup| lookup.token).collect()).await;
            }
            if lookups.iter().any(Lookup::is_open) {
                tokio::task::yield_now().await;
            }
        }
        let found = lookups.into_iter().filter_map(|Lookup { token, looked, .. }| {
            let (record, remembered) = looked?;
            Some(Found { token, record, remembered })
        });
        Ok(found.collect())
    }

    /// One poll: it answers all tokens that are cached, and reads the rows of some that are not. `false` if it failed.
    fn look(&self, lookups: &mut [Lookup]) -> bool {
        let mut thread = self.thread().borrow_mut();
        let unknown = lookups.iter_mut().filter(|lookup| lookup.is_open() && !thread.cache.has(lookup.key));
        let asked: Vec<&mut Lookup> = unknown.take(ROWS_AT_ONCE).collect();
        let asks: Vec<RowRequest> = asked.iter().map(|lookup| (lookup.key, lookup.token.digest())).collect();
        let Some(found) = thread.poll(&*self.store, &asks) else { return false };
        for (lookup, record) in asked.into_iter().zip(found) {
            lookup.looked = Some((record, None));
        }
        let open: Vec<&mut Lookup> = lookups.iter_mut().filter(|lookup| lookup.is_open()).collect();
        let keys: Vec<Key> = open.iter().map(|lookup| lookup.key).collect();
        thread.cache.fetch(&keys);
        for lookup in open {
            // If this poll has removed it, the next one reads its row.
            lookup.looked = thread.cache.get(lookup.key).map(|record| (Some(record), Some(lookup.key)));
        }
        true
    }
}

impl Lookup {
    const fn is_open(&self) -> bool {
        self.looked.is_none()
    }
}
