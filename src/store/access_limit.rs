//! How many access tokens a session may have: one rule for all stores.

use super::Refresh;
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenDigest, TokenKind};

/// How many access tokens a session may have, and which of them are never deleted for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessLimit {
    /// The greatest number of access tokens that are neither consumed nor deleted, including expired
    /// ones.
    pub max: u32,
    /// Successors that were issued since this moment stay: a repeat of their refresh has to find
    /// them.
    pub successors_from: Timestamp,
}

/// At most this many tokens are deleted in one refresh. After the limit was lowered, a session with more
/// tokens reaches it over several refreshes.
pub(crate) const MAX_DELETED_AT_ONCE: u32 = 100;

impl Refresh {
    /// Whether it increases the number of access tokens that are not consumed.
    pub(crate) fn adds_access(&self) -> bool {
        self.tokens.iter().any(|token| token.kind == TokenKind::Access && Some(token.digest) != self.successor)
    }

    /// Whether this token takes part in the refresh, and so must stay.
    pub(crate) fn involves(&self, digest: &TokenDigest) -> bool {
        self.presented == *digest || self.tokens.iter().any(|token| token.digest == *digest)
    }
}

/// An access token that is not consumed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) digest: TokenDigest,
    pub(crate) created: Timestamp,
    pub(crate) expires: Option<Timestamp>,
}

/// Which tokens of a session are deleted: as many as exceed the `limit`, expired ones first, then the
/// oldest. Tokens that `stays` names are counted, but never deleted.
pub(crate) fn surplus(
    mut tokens: Vec<Candidate>,
    limit: AccessLimit,
    now: Timestamp,
    stays: impl Fn(&TokenDigest) -> bool,
) -> Vec<TokenDigest> {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let surplus = tokens.len().saturating_sub(count(limit.max)).min(count(MAX_DELETED_AT_ONCE));
    if surplus == 0 {
        return Vec::new();
    }
    tokens.retain(|token| !stays(&token.digest));
    tokens.sort_by_key(|token| (token.expires.is_none_or(|end| end > now), token.created, token.expires));
    tokens.into_iter().take(surplus).map(|token| token.digest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000);

    fn token(number: u8, created: i64, expires: Option<i64>) -> Candidate {
        let expires = expires.map(Timestamp::from_micros);
        Candidate { digest: digest(number), created: Timestamp::from_micros(created), expires }
    }

    fn digest(number: u8) -> TokenDigest {
        TokenDigest::from_bytes([number; 64])
    }

    fn given_up(max: u32, stays: &[u8]) -> Vec<TokenDigest> {
        let tokens = vec![
            token(1, 10, Some(2_000)),
            token(2, 20, None),
            // Newer than the others, but expired.
            token(3, 30, Some(1_000)),
            token(4, 5, Some(9_000)),
        ];
        let limit = AccessLimit { max, successors_from: NOW };
        surplus(tokens, limit, NOW, |found| stays.iter().any(|number| digest(*number) == *found))
    }

    #[test]
    fn expired_tokens_give_way_first_and_then_the_oldest() {
        assert_eq!(given_up(4, &[]), []);
        assert_eq!(given_up(3, &[]), [3].map(digest));
        assert_eq!(given_up(1, &[]), [3, 4, 1].map(digest));
    }

    #[test]
    fn what_must_stay_stays_and_counts() {
        assert_eq!(given_up(3, &[3]), [4].map(digest));
        assert_eq!(given_up(1, &[1, 3, 4]), [2].map(digest));
    }
}
