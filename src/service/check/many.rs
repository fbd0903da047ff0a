//! Checks of many tokens at once: one proof for all of them, and one outcome for each.

use std::collections::HashMap;

use futures_util::future::try_join_all;

use super::{Activity, CheckError, Conclusion};
use crate::domain::session::{Refusal, SessionId, TokenRecord, Verified};
use crate::domain::token::{Token, TokenDigest};
use crate::service::cache::Found;
use crate::service::{Auth, Unavailable};
use crate::store::StoreError;

/// The outcome of each check.
type Outcomes = Vec<Result<Verified, Refusal>>;

impl Auth {
    /// Checks access tokens together, as [`Resolver::resolve`](super::Resolver::resolve) checks one: the outcomes, in
    /// the order of the tokens, reflect every revocation that was acknowledged before this future was first polled.
    /// `None` stands for a text that cannot be a token. Stays on its thread.
    ///
    /// # Errors
    /// When one of the checks could not be made. Nothing is known of the others then, either.
    pub async fn check_many(&self, tokens: Vec<Option<Token>>, activity: Activity) -> Result<Outcomes, Unavailable> {
        let mut outcomes: Outcomes = vec![Err(Refusal::Malformed); tokens.len()];
        let presented = tokens.into_iter().enumerate().filter_map(|(place, token)| Some((place, token?)));
        let (places, presented): (Vec<usize>, Vec<Token>) = presented.unzip();
        let found = self.inner.cache.find_many(presented).await?;
        let mut doubtful = Vec::new();
        for (place, found) in places.into_iter().zip(found) {
            let outcome = match self.conclude(found, activity) {
                Ok(Conclusion::Verified(verified)) => Ok(verified),
                Ok(Conclusion::Doubtful(found)) => {
                    doubtful.push((place, found));
                    continue;
                }
                Err(CheckError::Refused(refusal)) => Err(refusal),
                Err(CheckError::Unavailable(error)) => return Err(error),
            };
            put(&mut outcomes, place, outcome);
        }
        if !doubtful.is_empty() {
            self.conclude_many(doubtful, activity, &mut outcomes).await?;
        }
        Ok(outcomes)
    }

    /// Judges doubtful refusals again by their rows.
    async fn conclude_many(
        &self,
        doubtful: Vec<(usize, Found)>,
        activity: Activity,
        outcomes: &mut Outcomes,
    ) -> Result<(), Unavailable> {
        let rows = self.reread_many(doubtful.iter().map(|(_, found)| found.token.digest()).collect()).await?;
        // Several tokens may belong to one idle session, which is ended once.
        let mut idle: HashMap<SessionId, (TokenRecord, Vec<usize>)> = HashMap::new();
        for ((place, found), row) in doubtful.into_iter().zip(rows) {
            match (self.judge_row(&found, row.as_ref(), activity), row) {
                (Err(Refusal::Idle), Some(row)) => {
                    idle.entry(row.session.id).or_insert_with(|| (row, Vec::new())).1.push(place);
                }
                (outcome, _) => put(outcomes, place, outcome),
            }
        }
        let ends = idle.into_values().map(|(row, places)| async move {
            match self.refuse_for_idleness(&row).await {
                CheckError::Refused(refusal) => Ok((refusal, places)),
                CheckError::Unavailable(error) => Err(error),
            }
        });
        for (refusal, places) in try_join_all(ends).await? {
            places.into_iter().for_each(|place| put(outcomes, place, Err(refusal)));
        }
        Ok(())
    }

    /// The current rows of these tokens; see [`Auth::reread`].
    async fn reread_many(&self, digests: Vec<TokenDigest>) -> Result<Vec<Option<TokenRecord>>, Unavailable> {
        let wanted = digests.len();
        let rows = self.read(move |connection| connection.find_many(&digests)).await?;
        if rows.len() != wanted {
            return Err(StoreError::Failed("the store answered a different number of digests".to_owned()).into());
        }
        Ok(rows.into_iter().map(|row| row.map(|row| self.with_pending_use(row))).collect())
    }
}

fn put(outcomes: &mut Outcomes, place: usize, outcome: Result<Verified, Refusal>) {
    if let Some(old) = outcomes.get_mut(place) {
        *old = outcome;
    }
}
