//! Tokens whose sessions end together, and the ends of such groups.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::counts::Counts;
use super::ledger::{Token, Told};

/// The wall clock and the monotonic clock may differ by this much about the same moment.
const UNEVEN: Duration = Duration::from_millis(50);

/// Tokens that end together: those of a user, of a device, or of everybody.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Tokens not known to be revoked.
    tokens: Vec<Arc<Token>>,
    pub(super) ends: Vec<End>,
}

/// The end of all sessions of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// Whether it is the end of a user's sessions, which happens completely or not at all.
    pub(super) is_whole: bool,
    /// It ends the sessions opened before this moment.
    pub(super) before: Option<Instant>,
    pub(super) asked: Instant,
    /// `None`: it was never answered, and may happen until `latest`.
    pub(super) acknowledged: Option<Told>,
    /// `None`: at any time.
    pub(super) latest: Option<Instant>,
}

impl End {
    /// Applies it to a token of the group; returns whether the token is known to be revoked.
    pub(super) fn strike(&self, token: &Token, counts: &Counts) -> bool {
        let is_older = token.got < self.asked && self.before.is_none_or(|before| token.got + UNEVEN < before);
        if self.before.is_some_and(|before| token.asked > before + UNEVEN) {
            return false;
        }
        match self.acknowledged {
            Some(told) if is_older => {
                self.try_on(token);
                counts.revoke(token, told);
                true
            }
            Some(told) if told.at < token.asked => false,
            None if self.latest.is_some_and(|latest| latest < token.asked) => false,
            Some(_) | None => {
                self.try_on(token);
                false
            }
        }
    }

    fn try_on(&self, token: &Token) {
        let mut facts = token.facts();
        facts.tried_alone |= !self.is_whole;
        facts.tried_with_others = Some(facts.tried_with_others.map_or(self.asked, |before| before.min(self.asked)));
        drop(facts);
        token.try_at(self.asked);
    }
}

impl Group {
    /// Adds a token. Ends in progress find it in the list when they are done.
    pub(super) fn add(&mut self, token: &Arc<Token>, counts: &Counts) {
        let struck = self.ends.iter().filter(|end| end.strike(token, counts)).count() > 0;
        if !struck {
            self.tokens.push(Arc::clone(token));
        }
        if self.tokens.len() > 200 {
            self.tokens.retain(|token| token.facts().revoked.is_none());
        }
    }

    pub(super) fn end(&mut self, end: End, counts: &Counts) {
        self.tokens.retain(|token| !end.strike(token, counts));
        self.ends.push(end);
    }
}
