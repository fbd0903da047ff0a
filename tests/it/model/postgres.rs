//! The validated cache on Postgres: one owner, one connection, one statement per poll.
//!
//! Modelled: two nodes with a cache each, two tokens, and for each token a transaction that revokes it: it takes its
//! number in the log when it begins, and commits in any order or never. A poll is sent, runs later in one snapshot, and
//! its answer arrives later still, or is lost with the connection, in which case the cache starts empty. It returns the
//! rows of the log that its snapshot sees and the last one did not, the tokens that were not in the cache, the
//! snapshot, the horizon, and which server answered. A check whose entry a poll drops waits for another poll. The
//! pruner takes a snapshot, publishes it later as the horizon, and deletes the rows that it sees. Once, the server
//! behind an open connection is exchanged, as can happen behind a pooler, for one whose log is empty.
//!
//! A snapshot is modelled as the set of transactions that it sees. Left out are: transaction ids, which a real snapshot
//! consists of; the hour between taking and publishing a horizon (it may happen at any moment); the look-ups that
//! replace a poll while an old transaction holds the horizon back (they are reads through a pool); bounds of the cache
//! (a missing entry is a miss); gathering for 200 us (an arrival before the poll is sent); a server that forgets
//! commits (the start refuses one that does not flush); and judging the row.

use stateright::{Model, Property};

use super::ledger::{self, Check, Checks, Ledger, Set, Size, Told, Write, Writers};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// Another connection's read fills the cache, too.
    FillsByOtherReads,
    /// A poll asks for rows with numbers above the greatest it has seen, instead of those that the last snapshot did
    /// not see.
    GoesBySerialNumber,
    /// After the connection broke, a new feed begins but the cache is kept.
    KeepsCacheOnReconnect,
    /// The node does not compare which server answers.
    IgnoresServer,
    /// Rows are deleted by the time at which they were inserted.
    PrunesByClock,
    /// Rows are deleted before the horizon says so.
    PrunesUnannounced,
    /// A check joins a poll that was sent before it arrived.
    JoinsSentPoll,
}

#[derive(Debug, Clone)]
pub(super) struct PostgresView {
    pub(super) mistake: Option<Mistake>,
    pub(super) size: Size,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct State {
    ledger: Ledger,
    database: Database,
    /// Sorted, since it makes no difference which node is which.
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Database {
    writers: Writers,
    /// The transactions in the order in which they took their numbers.
    numbered: Vec<u8>,
    /// Transactions whose rows are no longer in the log.
    deleted: Set,
    pruner: Pruner,
    exchanged: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Pruner {
    horizon: Set,
    next: Set,
    /// The transactions whose rows were inserted, committed or not, when `horizon` and `next` were taken.
    inserted: Set,
    next_inserted: Set,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
struct Node {
    queue: Checks,
    cache: Set,
    view: Option<View>,
    poll: Option<FeedUpdate>,
    /// A read of one token on another connection, and its result.
    fill: Option<(u8, Option<bool>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct View {
    snapshot: Set,
    /// The greatest number in the log that it saw; 0 if none.
    greatest: usize,
    exchanged: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct FeedUpdate {
    checks: Checks,
    missing: Set,
    reply: Option<Reply>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Reply {
    invalidation: Set,
    rows: Set,
    horizon: Set,
    view: View,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Write(Write),
    MoveHorizon,
    Prune,
    ExchangeServer,
    Arrive { node: usize, token: u8 },
    Send(usize),
    Run(usize),
    Receive(usize),
    Lose(usize),
    Fill { node: usize, token: u8 },
    FillRuns(usize),
    FillArrives(usize),
}

impl Told for State {
    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

impl Database {
    /// The rows of the log that a snapshot taken now sees.
    fn log(&self) -> Set {
        self.writers.committed.without(self.deleted)
    }

    fn number(&self, transaction: u8) -> usize {
        self.numbered.iter().position(|other| *other == transaction).map_or(0, |index| index + 1)
    }

    fn inserted(&self) -> Set {
        self.writers.open.and(self.writers.committed)
    }

    fn write(&mut self, ledger: &mut Ledger, write: Write) {
        if let Write::Begin(transaction) = write {
            self.numbered.push(transaction);
        }
        self.writers.step(ledger, write);
    }

    /// The hour in between may be any time: the horizon may move whenever that changes something.
    fn move_horizon(&mut self) {
        self.pruner = Pruner {
            horizon: self.pruner.next,
            next: self.writers.committed,
            inserted: self.pruner.next_inserted,
            next_inserted: self.inserted(),
        };
    }

    /// Discards what is lost with the old server: open transactions, and the whole log.
    fn exchange(&mut self) {
        self.writers.rolled_back = self.writers.rolled_back.and(self.writers.open);
        self.writers.open = Set::EMPTY;
        self.deleted = self.writers.committed;
        self.exchanged = true;
    }
}

impl PostgresView {
    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    fn prunable(&self, database: &Database) -> Set {
        let behind = if self.makes(Mistake::PrunesByClock) {
            database.pruner.inserted
        } else if self.makes(Mistake::PrunesUnannounced) {
            database.pruner.next
        } else {
            database.pruner.horizon
        };
        database.log().common(behind)
    }

    fn arrive(&self, node: &mut Node, check: Check) {
        match &mut node.poll {
            Some(poll) if self.makes(Mistake::JoinsSentPoll) => poll.checks.add(check),
            Some(_) | None => node.queue.add(check),
        }
    }

    fn send(node: &mut Node) {
        let checks = node.queue.take();
        node.poll = Some(FeedUpdate { missing: checks.tokens().without(node.cache), checks, reply: None });
    }

    /// The one statement of a poll, in one snapshot.
    fn run(&self, database: &Database, node: &mut Node) {
        let Some(poll) = &mut node.poll else { return };
        let log = database.log();
        let numbers = (0..self.size.tokens).filter(|transaction| log.has(*transaction));
        let known = node.view.as_ref();
        let greatest = known.map_or(0, |view| view.greatest);
        let mut invalidation = known.map_or(Set::EMPTY, |view| log.without(view.snapshot));
        if self.makes(Mistake::GoesBySerialNumber) {
            invalidation = Set::EMPTY;
            let newer = numbers.clone().filter(|transaction| database.number(*transaction) > greatest);
            newer.for_each(|transaction| invalidation.insert(transaction));
        }
        let seen = numbers.map(|transaction| database.number(transaction)).max().unwrap_or(0);
        // Only for the planted mistake; otherwise the number would only create more states.
        let greatest = if self.makes(Mistake::GoesBySerialNumber) { greatest.max(seen) } else { 0 };
        let snapshot = database.writers.committed;
        poll.reply = Some(Reply {
            invalidation,
            rows: poll.missing.without(snapshot),
            horizon: database.pruner.horizon,
            view: View { snapshot, greatest, exchanged: database.exchanged },
        });
    }

    fn receive(&self, ledger: &mut Ledger, node: &mut Node) {
        let Some(FeedUpdate { mut checks, missing, reply: Some(reply) }) = node.poll.take() else { return };
        let stale = node.view.as_ref().is_some_and(|view| {
            let elsewhere = view.exchanged != reply.view.exchanged && !self.makes(Mistake::IgnoresServer);
            elsewhere || reply.horizon.without(view.snapshot) != Set::EMPTY
        });
        if stale {
            node.cache = Set::EMPTY;
        }
        node.cache = node.cache.without(reply.invalidation).and(reply.rows);
        node.view = Some(reply.view);
        while let Some(check) = checks.next() {
            if node.cache.has(check.token) {
                ledger.accept(check);
                if !missing.has(check.token) {
                    ledger.note_accepting();
                }
            } else if missing.has(check.token) {
                ledger.refuse(check);
            } else {
                node.queue.add(check);
            }
        }
    }

    fn lose(&self, ledger: &mut Ledger, node: &mut Node) {
        if let Some(poll) = node.poll.take() {
            ledger.fail(poll.checks);
        }
        node.view = None;
        if !self.makes(Mistake::KeepsCacheOnReconnect) {
            node.cache = Set::EMPTY;
        }
    }

    fn fill_arrives(node: &mut Node) {
        if let Some((token, Some(true))) = node.fill.take() {
            node.cache.insert(token);
        }
    }

    fn node_actions(&self, index: usize, node: &Node, actions: &mut Vec<Action>) {
        match &node.poll {
            None if node.queue.is_empty() => {}
            None => actions.push(Action::Send(index)),
            Some(FeedUpdate { reply: None, .. }) => actions.extend([Action::Run(index), Action::Lose(index)]),
            Some(FeedUpdate { reply: Some(_), .. }) => actions.extend([Action::Receive(index), Action::Lose(index)]),
        }
        match node.fill {
            None if self.makes(Mistake::FillsByOtherReads) => {
                let missing = node.queue.tokens().without(node.cache);
                let wanted = (0..self.size.tokens).filter(|token| missing.has(*token));
                actions.extend(wanted.map(|token| Action::Fill { node: index, token }));
            }
            None => {}
            Some((_, None)) => actions.push(Action::FillRuns(index)),
            Some((_, Some(_))) => actions.push(Action::FillArrives(index)),
        }
    }
}

impl Model for PostgresView {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { nodes: vec![Node::default(); self.size.nodes], ..State::default() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let State { ledger, database, nodes } = state;
        let Database { writers, pruner, .. } = database;
        actions.extend(writers.steps(self.size, ledger, writers.committed).into_iter().map(Action::Write));
        let moved = pruner.horizon != pruner.next || pruner.next != writers.committed;
        let moved_by_clock = pruner.inserted != pruner.next_inserted || pruner.next_inserted != database.inserted();
        if moved || (self.makes(Mistake::PrunesByClock) && moved_by_clock) {
            actions.push(Action::MoveHorizon);
        }
        if self.prunable(database) != Set::EMPTY {
            actions.push(Action::Prune);
        }
        if !database.exchanged && writers.committed != Set::EMPTY {
            actions.push(Action::ExchangeServer);
        }
        for (index, node) in nodes.iter().enumerate() {
            if ledger.begun() < self.size.checks {
                actions.extend((0..self.size.checked).map(|token| Action::Arrive { node: index, token }));
            }
            self.node_actions(index, node, actions);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let State { ledger, database, nodes } = &mut state;
        match action {
            Action::Write(write) => database.write(ledger, write),
            Action::MoveHorizon => database.move_horizon(),
            Action::Prune => database.deleted = database.deleted.and(self.prunable(database)),
            Action::ExchangeServer => database.exchange(),
            Action::Arrive { node, token } => self.arrive(&mut nodes[node], ledger.begin(token)),
            Action::Send(node) => Self::send(&mut nodes[node]),
            Action::Run(node) => self.run(database, &mut nodes[node]),
            Action::Receive(node) => self.receive(ledger, &mut nodes[node]),
            Action::Lose(node) => self.lose(ledger, &mut nodes[node]),
            Action::Fill { node, token } => nodes[node].fill = Some((token, None)),
            Action::FillRuns(node) => {
                if let Some((token, found)) = &mut nodes[node].fill {
                    *found = Some(!database.writers.committed.has(*token));
                }
            }
            Action::FillArrives(node) => Self::fill_arrives(&mut nodes[node]),
        }
        state.nodes.sort_unstable();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        ledger::properties()
    }
}
