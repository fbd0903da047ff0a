//! Lookups of many tokens at once. Of the cached tokens, only one takes part in a poll: after it, the cache is as fresh
//! for the others as for that one.

use futures_util::future::try_join_all;

use super::super::Found;
use super::super::table::Key;
use super::find::SharedCache;
use super::sync::Arc;
use crate::domain::token::Token;
use crate::service::Unavailable;

/// How many rows one poll reads for such a lookup, so that other checks wait for no more than these.
const ROWS_AT_ONCE: usize = 256;

/// A token, and its position in the request.
type Placed = (usize, Token);

impl SharedCache {
    pub(in crate::service::cache) async fn find_many(
        self: &Arc<Self>,
        tokens: Vec<Token>,
    ) -> Result<Vec<Found>, Unavailable> {
        let keyed = tokens.into_iter().enumerate().map(|placed| (self.keys.key(&placed.1), placed));
        let keyed: Vec<(Key, Placed)> = keyed.collect();
        let (mut cached, unknown): (Vec<_>, Vec<_>) =
            self.polls.remembered(|cache| keyed.into_iter().partition(|(key, _)| cache.has(*key)));
        let asked = cached.pop().into_iter().chain(unknown).map(|(_, placed)| placed);
        let mut asked: Vec<Placed> = asked.collect();
        let mut found = self.find_some(&mut asked).await?;
        let keys: Vec<Key> = cached.iter().map(|(key, _)| *key).collect();
        let records: Vec<_> = self.polls.remembered(|cache| {
            cache.fetch(&keys);
            keys.iter().map(|key| cache.get(*key)).collect()
        });
        for ((key, (place, token)), record) in cached.into_iter().zip(records) {
            match record {
                Some(record) => found.push((place, Found { token, record: Some(record), remembered: Some(key) })),
                // That poll removed it.
                None => asked.push((place, token)),
            }
        }
        while !asked.is_empty() {
            found.extend(self.find_some(&mut asked).await?);
        }
        found.sort_unstable_by_key(|(place, _)| *place);
        Ok(found.into_iter().map(|(_, found)| found).collect())
    }

    /// Takes the first of these tokens and looks each of them up; the lookups share a poll.
    async fn find_some(self: &Arc<Self>, tokens: &mut Vec<Placed>) -> Result<Vec<(usize, Found)>, Unavailable> {
        let rest = tokens.split_off(tokens.len().min(ROWS_AT_ONCE));
        let finds = std::mem::replace(tokens, rest).into_iter().map(|(place, token)| {
            let find = self.find(token);
            async move { Ok::<_, Unavailable>((place, find.await?)) }
        });
        try_join_all(finds).await
    }
}
