//! The rules, and the verdict.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use super::counts::read;
use super::ledger::{Facts, Ledger, Token, Told};

/// For this many tokens, the report shows what happened.
const TOLD: usize = 10;

/// How many tokens, or answers, broke each rule.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Accepted by a check that began after the answer to a revocation had arrived.
    pub(super) let_in: u64,
    /// Accepted by a check that began after another one was refused.
    pub(super) revived: u64,
    /// Refused, although no client tried to revoke it before.
    pub(super) lost: u64,
    /// Users for whom the end of all sessions was requested and not answered, and who lost only some of them.
    pub(super) partial: u64,
    /// Answers that are not allowed: of another kind, or about another user or session.
    pub(super) liar: u64,
    /// Acts without exactly one event, and events without an act.
    pub(super) untold: u64,
    /// What happened to some of the tokens.
    pub(super) told: Vec<String>,
}

impl Verdict {
    /// Judges everything; to be called when all requests have ended.
    pub(super) fn of(ledger: &Ledger) -> Self {
        ledger.settle();
        let mut verdict = Self { liar: read(&ledger.counts.strange), told: ledger.lies(), ..Self::default() };
        let (mut sessions, mut shared, mut partial) = (HashSet::new(), HashMap::new(), HashSet::new());
        for token in ledger.tokens() {
            let facts = token.facts().clone();
            verdict.judge(&token, &facts);
            if facts.session.as_ref().is_some_and(|session| !sessions.insert(session.clone())) {
                verdict.liar += 1;
                verdict.tell(&token, "has another one's session");
            }
            if token.user.unanswered_end().is_some_and(|end| token.shares_its_end(end)) {
                // Each token was checked at the end, so its last answer is known.
                let is_dead = *shared.entry(token.user.name.clone()).or_insert(facts.refused.is_some());
                if is_dead != facts.refused.is_some() && partial.insert(token.user.name.clone()) {
                    verdict.partial += 1;
                    verdict.tell(&token, "did not end with the others of its user");
                }
            }
        }
        verdict
    }

    /// Adds what is wrong with the audit events.
    pub(super) fn add_untold(&mut self, wrong: Vec<String>) {
        self.untold = u64::try_from(wrong.len()).expect("a number");
        self.told.extend(wrong.into_iter().take(TOLD));
    }

    fn judge(&mut self, token: &Token, facts: &Facts) {
        if let Some(late) = after(facts.revoked, facts.accepted) {
            self.let_in += 1;
            self.tell(
                token,
                &format!("was let in {late:?} after its revocation{}", who(facts.revoked, facts.accepted)),
            );
        }
        if let Some(late) = after(facts.refused, facts.accepted) {
            self.revived += 1;
            self.tell(token, &format!("was revived {late:?} after a refusal{}", who(facts.refused, facts.accepted)));
        }
        let excused = |refused: &Told| facts.tried.is_some_and(|tried| tried <= refused.at);
        if facts.refused.is_some_and(|refused| !excused(&refused)) {
            self.lost += 1;
            let tried = facts.tried.is_some();
            self.tell(token, &format!("was lost{}; tried later: {tried}", who(None, facts.refused)));
        }
    }

    fn tell(&mut self, token: &Token, what: &str) {
        if self.told.len() < TOLD {
            self.told.push(format!("a token of {} {what}", token.user.name));
        }
    }

    /// Whether no rule was broken.
    pub(super) fn is_clean(&self) -> bool {
        (self.let_in, self.revived, self.lost, self.partial, self.liar, self.untold) == (0, 0, 0, 0, 0, 0)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { let_in, revived, lost, partial, liar, untold, told: _ } = self;
        write!(f, "let in {let_in}, revived {revived}, lost {lost}, partial {partial}, liar {liar}, untold {untold}")
    }
}

/// How long the second moment was after the first, if it was later.
fn after(first: Option<Told>, second: Option<Told>) -> Option<Duration> {
    let late = second?.at.checked_duration_since(first?.at)?;
    (!late.is_zero()).then_some(late)
}

fn who(first: Option<Told>, second: Option<Told>) -> String {
    let place = |told: Option<Told>| told.map(|told| format!(" by {:?}", told.by)).unwrap_or_default();
    let (first, second) = (place(first), place(second));
    if first.is_empty() { second } else { format!("{first}, then{second}") }
}
