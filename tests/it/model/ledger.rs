//! The common part of the models: sets of tokens, checks, writers, and the answers that were sent.

use stateright::{Model, Property};

/// A check begun after the answer to a revocation was sent is never answered yes.
pub(super) const STRICT: &str = "no yes to a check begun after the revocation was acknowledged";
/// A check begun after another was refused is never answered yes for the same token.
pub(super) const MONOTONE: &str = "no yes to a check begun after a refusal";
/// When nothing more can happen, each check has been answered.
pub(super) const ANSWERED: &str = "no check is forgotten";
const ACCEPTS: &str = "yes is said, and where there is a cache, out of it";
const REFUSES: &str = "no is said";

/// The size of a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// Tokens 0 and up that are checked.
    pub(super) checked: u8,
    /// Tokens that may be revoked, the checked ones first; the transaction that revokes a token
    /// has the token's number.
    pub(super) tokens: u8,
    /// Nodes, or workers of one, that check independently.
    pub(super) nodes: usize,
    /// The maximum number of checks, at any node and of any token.
    pub(super) checks: u8,
}

/// A set of tokens, or of the transactions that revoke them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Set(u8);

impl Set {
    pub(super) const EMPTY: Self = Self(0);

    pub(super) fn has(self, token: u8) -> bool {
        self.0 & (1 << token) != 0
    }

    pub(super) fn insert(&mut self, token: u8) {
        self.0 |= 1 << token;
    }

    pub(super) fn remove(&mut self, token: u8) {
        self.0 &= !(1 << token);
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// A running check: its token, and what had been answered when it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Check {
    pub(super) token: u8,
    after_acknowledgement: bool,
    after_refusal: bool,
}

/// Checks that wait for the same thing; sorted, so that their order does not create new states.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Checks(Vec<Check>);

impl Checks {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, check: Check) {
        self.0.push(check);
        self.0.sort_unstable();
    }

    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(super) fn next(&mut self) -> Option<Check> {
        self.0.pop()
    }

    pub(super) fn tokens(&self) -> Set {
        let mut tokens = Set::EMPTY;
        self.0.iter().for_each(|check| tokens.insert(check.token));
        tokens
    }
}

/// Requests and answers. Only what later steps or the properties need is kept, so that histories that differ in nothing
/// else are one state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Ledger {
    begun: u8,
    ended: u8,
    acknowledged: Set,
    refused: Set,
    accepts: bool,
    strict_broken: bool,
    monotone_broken: bool,
}

impl Ledger {
    pub(super) fn begun(&self) -> u8 {
        self.begun
    }

    pub(super) fn begin(&mut self, token: u8) -> Check {
        self.begun += 1;
        Check { token, after_acknowledgement: self.acknowledged.has(token), after_refusal: self.refused.has(token) }
    }

    pub(super) fn accept(&mut self, check: Check) {
        self.ended += 1;
        self.strict_broken |= check.after_acknowledgement;
        self.monotone_broken |= check.after_refusal;
    }

    /// Notes that the kind of yes that the model is about has occurred.
    pub(super) fn note_accepting(&mut self) {
        self.accepts = true;
    }

    pub(super) fn refuse(&mut self, check: Check) {
        self.ended += 1;
        self.refused.insert(check.token);
    }

    /// Answers "could not look" to all of these, because of an error or a deadline.
    pub(super) fn fail(&mut self, mut checks: Checks) {
        while checks.next().is_some() {
            self.ended += 1;
        }
    }

    pub(super) fn is_acknowledged(&self, token: u8) -> bool {
        self.acknowledged.has(token)
    }

    pub(super) fn acknowledge(&mut self, token: u8) {
        self.acknowledged.insert(token);
    }
}

/// A state with the answers that were sent.
pub(super) trait Told {
    fn ledger(&self) -> &Ledger;
}

/// The properties of every model. That no check is forgotten concerns only states without a next one: each step uses
/// something up, so there are no cycles.
pub(super) fn properties<M: Model>() -> Vec<Property<M>>
where
    M::State: Told,
{
    vec![
        Property::always(STRICT, |_, state: &M::State| !state.ledger().strict_broken),
        Property::always(MONOTONE, |_, state: &M::State| !state.ledger().monotone_broken),
        Property::always(ANSWERED, |model: &M, state: &M::State| {
            let mut actions = Vec::new();
            let ledger = state.ledger();
            if ledger.begun != ledger.ended {
                model.actions(state, &mut actions);
            }
            ledger.begun == ledger.ended || !actions.is_empty()
        }),
        Property::sometimes(ACCEPTS, |_, state: &M::State| state.ledger().accepts),
        Property::sometimes(REFUSES, |_, state: &M::State| state.ledger().refused != Set::EMPTY),
    ]
}

/// Transactions that revoke, one for each token. They begin, and commit in any order; one that is rolled back affects
/// the others as one that has not committed yet does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Writers {
    pub(super) open: Set,
    pub(super) committed: Set,
    pub(super) rolled_back: Set,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    Begin(u8),
    Commit(u8),
    RollBack(u8),
    /// The answer to the revocation is sent. If it is never sent, or is lost, this step is simply not taken.
    Acknowledge(u8),
}

impl Writers {
    /// The possible next steps, if the transactions in `acknowledgeable` may be acknowledged.
    pub(super) fn steps(&self, size: Size, ledger: &Ledger, acknowledgeable: Set) -> Vec<Write> {
        let mut steps = Vec::new();
        for token in 0..size.tokens {
            if self.open.has(token) {
                steps.push(Write::Commit(token));
            } else if !self.committed.has(token) && !self.rolled_back.has(token) {
                steps.push(Write::Begin(token));
            }
            // That of a token that is never checked makes no difference.
            if token < size.checked && acknowledgeable.has(token) && !ledger.is_acknowledged(token) {
                steps.push(Write::Acknowledge(token));
            }
        }
        steps
    }

    pub(super) fn step(&mut self, ledger: &mut Ledger, write: Write) {
        match write {
            Write::Begin(token) => self.open.insert(token),
            Write::Commit(token) => {
                self.open.remove(token);
                self.committed.insert(token);
            }
            Write::RollBack(token) => {
                self.open.remove(token);
                self.rolled_back.insert(token);
            }
            Write::Acknowledge(token) => ledger.acknowledge(token),
        }
    }
}
