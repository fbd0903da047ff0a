//! The algorithms behind "a revoked token is never accepted again", explored in all their interleavings.
//! `docs/models.md` says what that proves and what it assumes.
//!
//! Each model is also run with planted mistakes, and must find them: a model that cannot fail would prove nothing.

mod ledger;
mod pools;
mod postgres;
mod sqlite;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker as _, HasDiscoveries, Model};

use ledger::{ANSWERED, MONOTONE, STRICT, Size};
use pools::Pools;
use postgres::PostgresView;
use sqlite::SqliteView;

/// Several nodes that check one token.
const NODES: Size = Size { nodes: 2, checked: 1, tokens: 1, checks: 4 };
/// Another token, which is never checked, is revoked too.
const REVOCATIONS: Size = Size { nodes: 1, checked: 1, tokens: 2, checks: 3 };
/// Two tokens are checked and revoked.
const TOKENS: Size = Size { nodes: 1, checked: 2, tokens: 2, checks: 2 };

/// Explores all states, of which there must be at least this many, and requires all properties to hold.
fn holds<M>(model: M, least: usize)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq,
{
    let checker = model.checker().spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.is_done(), "some states were not explored");
    let states = checker.unique_state_count();
    println!("{}: {states} states", std::any::type_name::<M>());
    assert!(states >= least, "only {states} states");
}

/// Requires a counterexample to the property.
fn is_caught<M>(model: M, property: &'static str)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq,
{
    let found = HasDiscoveries::AllOf(BTreeSet::from([property]));
    let checker = model.checker().finish_when(found).spawn_bfs().join();
    assert!(checker.discovery(property).is_some(), "nothing wrong in {} states", checker.unique_state_count());
}

#[test]
fn pools_are_strict() {
    for (size, least) in [(NODES, 15_000), (REVOCATIONS, 4_000), (Size { checks: 3, ..TOKENS }, 25_000)] {
        holds(Pools { mistake: None, size }, least);
    }
}

#[test]
fn mistakes_in_pools_are_caught() {
    use pools::Mistake::*;

    for (mistake, property) in [
        (JoinsSentRead, STRICT),
        (JoinsSentRead, MONOTONE),
        (AcknowledgesBeforeCommit, STRICT),
        (AcknowledgesRolledBack, STRICT),
        (TakesLateAnswers, STRICT),
        (TakesLateAnswers, MONOTONE),
        (ForgetsOnLoss, ANSWERED),
    ] {
        is_caught(Pools { mistake: Some(mistake), size: NODES }, property);
    }
}

#[test]
fn the_cache_on_sqlite_is_strict() {
    for (size, least) in [(NODES, 100_000), (REVOCATIONS, 25_000), (TOKENS, 40_000)] {
        holds(SqliteView { mistake: None, size }, least);
    }
}

#[test]
fn mistakes_in_the_cache_on_sqlite_are_caught() {
    use sqlite::Mistake::*;

    for (mistake, size, property) in [
        (ReadsInTransaction, REVOCATIONS, STRICT),
        (ReadsInTransaction, NODES, MONOTONE),
        (ComparesConnections, NODES, STRICT),
        (FillsFirst, REVOCATIONS, STRICT),
        (FillsFirst, NODES, MONOTONE),
        (JoinsTurn, REVOCATIONS, STRICT),
        (JoinsTurn, NODES, MONOTONE),
        (IgnoresGap, REVOCATIONS, STRICT),
        (IgnoresMark, REVOCATIONS, STRICT),
    ] {
        is_caught(SqliteView { mistake: Some(mistake), size }, property);
    }
}

#[test]
fn the_cache_on_postgres_is_strict() {
    for (size, least) in [(NODES, 80_000), (REVOCATIONS, 110_000), (TOKENS, 140_000)] {
        holds(PostgresView { mistake: None, size }, least);
    }
}

#[test]
fn mistakes_in_the_cache_on_postgres_are_caught() {
    use postgres::Mistake::*;

    for (mistake, size, property) in [
        (FillsByOtherReads, REVOCATIONS, STRICT),
        (GoesBySerialNumber, REVOCATIONS, STRICT),
        (KeepsCacheOnReconnect, REVOCATIONS, STRICT),
        (IgnoresServer, REVOCATIONS, STRICT),
        (PrunesByClock, REVOCATIONS, STRICT),
        (PrunesUnannounced, REVOCATIONS, STRICT),
        (JoinsSentPoll, REVOCATIONS, STRICT),
        (JoinsSentPoll, NODES, MONOTONE),
    ] {
        is_caught(PostgresView { mistake: Some(mistake), size }, property);
    }
}
