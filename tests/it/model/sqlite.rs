//! The validated cache on SQLite: one cache per worker, valid while the file does not change.
//!
//! Modelled: two workers, each with its own connection and cache, and two tokens. Revocations commit through a
//! connection that no worker uses: that of another process, or of the write pool. A commit may also leave the log
//! alone, or prune it, or replace the whole content by that of a copy with a different history, whose log has as many
//! rows but a different last one. A row is recognised by its number and by the token it is about, which stands for the
//! mark. A connection notices commits when one of its statements begins outside a transaction; `data_version` is its
//! own counter, which grows by one whenever it has noticed any. A turn takes the checks that have arrived, reads the
//! counter, applies the newer rows of the log if the counter has changed, and then answers, from the cache or by
//! reading the row. Commits and arrivals can happen between any two of these steps.
//!
//! Left out: transactions of writers in progress (SQLite has one writer, so positions in the log are taken in the order
//! of commits), a busy database (the check goes to a pool), bounds of the cache (a missing entry is a miss), a file
//! replaced under the server, and judging the row.

use stateright::{Model, Property};

use super::ledger::{self, Checks, Ledger, Set, Size, Told};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// A read's transaction is still open when the next check reads `data_version`.
    ReadsInTransaction,
    /// The counter is read on another connection than the one whose value is remembered.
    ComparesConnections,
    /// The row is read and cached before the counter is read.
    FillsFirst,
    /// A check that arrives during a turn is answered with that turn's checks.
    JoinsTurn,
    /// A gap is not noticed when rows of the log are pruned before they are applied.
    IgnoresGap,
    /// The last applied row is recognised by its number alone.
    IgnoresMark,
}

#[derive(Debug, Clone)]
pub(super) struct SqliteView {
    pub(super) mistake: Option<Mistake>,
    pub(super) size: Size,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct State {
    ledger: Ledger,
    database: Database,
    commits: u8,
    touched: bool,
    /// Sorted, since it makes no difference which worker is which.
    workers: Vec<Worker>,
}

/// What a transaction sees.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
struct Database {
    revoked: Set,
    /// The token that each row of the log is about, in order; the first row has number 1.
    log: Vec<u8>,
    /// How many of them are pruned, the oldest first.
    pruned: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
struct Worker {
    queue: Checks,
    turn: Checks,
    phase: Phase,
    connection: Connection,
    /// The value of the connection's counter for which the cache is valid.
    version: Option<u8>,
    /// The last row of the log that the cache knows of, and its mark.
    applied: u8,
    mark: Option<u8>,
    cache: Set,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
struct Connection {
    noticed: u8,
    data_version: u8,
    transaction: Option<Database>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
enum Phase {
    #[default]
    Idle,
    Gathered,
    Changed(u8),
    Valid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Arrive {
        worker: usize,
        token: u8,
    },
    Revoke(u8),
    Acknowledge(u8),
    /// A commit that concerns no token.
    Touch,
    /// A commit that deletes all of the log but its newest row.
    Prune,
    /// A commit that replaces the content by that of a copy, in which this token was revoked instead of the last one.
    Restore(u8),
    Gather(usize),
    ReadVersion {
        worker: usize,
        on: usize,
    },
    Apply(usize),
    Answer(usize),
    EndTransaction(usize),
}

impl Told for State {
    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

impl Connection {
    /// What a statement sees that begins now.
    fn read(&mut self, commits: u8, database: &Database) -> Database {
        if let Some(seen) = &self.transaction {
            return seen.clone();
        }
        if self.noticed != commits {
            self.noticed = commits;
            self.data_version += 1;
        }
        database.clone()
    }
}

impl State {
    fn read(&mut self, on: usize) -> Database {
        self.workers[on].connection.read(self.commits, &self.database)
    }

    /// The mark of a row of the log.
    fn mark(database: &Database, row: u8) -> Option<u8> {
        row.checked_sub(1).and_then(|index| database.log.get(usize::from(index)).copied())
    }

    fn last_row(database: &Database) -> u8 {
        u8::try_from(database.log.len()).expect("few rows")
    }
}

impl SqliteView {
    fn arrive(&self, state: &mut State, worker: usize, token: u8) {
        let check = state.ledger.begin(token);
        let worker = &mut state.workers[worker];
        if self.mistake == Some(Mistake::JoinsTurn) && matches!(worker.phase, Phase::Changed(_) | Phase::Valid) {
            worker.turn.add(check);
        } else {
            worker.queue.add(check);
        }
    }

    fn gather(&self, state: &mut State, index: usize) {
        let worker = &mut state.workers[index];
        worker.turn = worker.queue.take();
        worker.phase = Phase::Gathered;
        if self.mistake == Some(Mistake::FillsFirst) {
            let seen = state.read(index);
            let worker = &mut state.workers[index];
            worker.cache = worker.cache.and(worker.turn.tokens().without(seen.revoked));
        }
    }

    fn read_version(state: &mut State, index: usize, on: usize) {
        state.read(on);
        let number = state.workers[on].connection.data_version;
        let worker = &mut state.workers[index];
        worker.phase = if worker.version == Some(number) { Phase::Valid } else { Phase::Changed(number) };
    }

    fn apply(&self, state: &mut State, index: usize) {
        let seen = state.read(index);
        let worker = &mut state.workers[index];
        let Phase::Changed(number) = worker.phase else { return };
        // The first time, the cache has nothing to forget and only takes its position.
        if worker.version.is_some() {
            let has_gap = seen.pruned > worker.applied;
            let is_another = State::mark(&seen, worker.applied) != worker.mark;
            if has_gap && self.mistake != Some(Mistake::IgnoresGap)
                || is_another && self.mistake != Some(Mistake::IgnoresMark)
            {
                worker.cache = Set::EMPTY;
            }
            let known = worker.applied.max(seen.pruned);
            seen.log.iter().skip(known.into()).for_each(|token| worker.cache.remove(*token));
        }
        worker.applied = State::last_row(&seen);
        worker.mark = State::mark(&seen, worker.applied);
        worker.version = Some(number);
        worker.phase = Phase::Valid;
    }

    fn answer(&self, state: &mut State, index: usize) {
        let Some(check) = state.workers[index].turn.next() else { return };
        if state.workers[index].cache.has(check.token) {
            state.ledger.accept(check);
            state.ledger.note_accepting();
        } else {
            let seen = state.read(index);
            let worker = &mut state.workers[index];
            if seen.revoked.has(check.token) {
                state.ledger.refuse(check);
            } else {
                worker.cache.insert(check.token);
                state.ledger.accept(check);
            }
            if self.mistake == Some(Mistake::ReadsInTransaction) {
                worker.connection.transaction = Some(seen);
            }
        }
        let worker = &mut state.workers[index];
        if worker.turn.is_empty() {
            worker.phase = Phase::Idle;
        }
    }

    fn worker_actions(&self, state: &State, index: usize, actions: &mut Vec<Action>) {
        let worker = &state.workers[index];
        match worker.phase {
            Phase::Idle if worker.queue.is_empty() => {}
            Phase::Idle => actions.push(Action::Gather(index)),
            Phase::Gathered => {
                actions.push(Action::ReadVersion { worker: index, on: index });
                if self.mistake == Some(Mistake::ComparesConnections) {
                    let others = (0..self.size.nodes).filter(|other| *other != index);
                    actions.extend(others.map(|on| Action::ReadVersion { worker: index, on }));
                }
            }
            Phase::Changed(_) => actions.push(Action::Apply(index)),
            Phase::Valid => actions.push(Action::Answer(index)),
        }
        if worker.connection.transaction.is_some() {
            actions.push(Action::EndTransaction(index));
        }
    }
}

impl Model for SqliteView {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { workers: vec![Worker::default(); self.size.nodes], ..State::default() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for token in 0..self.size.tokens {
            if !state.database.revoked.has(token) {
                actions.push(Action::Revoke(token));
            } else if token < self.size.checked && !state.ledger.is_acknowledged(token) {
                actions.push(Action::Acknowledge(token));
            }
        }
        if !state.touched {
            actions.push(Action::Touch);
        }
        if state.database.pruned + 1 < State::last_row(&state.database) {
            actions.push(Action::Prune);
        }
        // Only in place of a token that is never checked: no cache can help if a refused token becomes good again.
        if state.database.log.last().is_some_and(|last| *last >= self.size.checked) {
            let alive = (0..self.size.checked).filter(|token| !state.database.revoked.has(*token));
            actions.extend(alive.map(Action::Restore));
        }
        for worker in 0..state.workers.len() {
            if state.ledger.begun() < self.size.checks {
                actions.extend((0..self.size.checked).map(|token| Action::Arrive { worker, token }));
            }
            self.worker_actions(state, worker, actions);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Arrive { worker, token } => self.arrive(&mut state, worker, token),
            Action::Revoke(token) => {
                state.database.revoked.insert(token);
                state.database.log.push(token);
                state.commits += 1;
            }
            Action::Acknowledge(token) => state.ledger.acknowledge(token),
            Action::Touch => {
                state.touched = true;
                state.commits += 1;
            }
            Action::Prune => {
                state.database.pruned = State::last_row(&state.database) - 1;
                state.commits += 1;
            }
            Action::Restore(token) => {
                if let Some(last) = state.database.log.pop() {
                    state.database.revoked.remove(last);
                }
                state.database.revoked.insert(token);
                state.database.log.push(token);
                state.commits += 1;
            }
            Action::Gather(worker) => self.gather(&mut state, worker),
            Action::ReadVersion { worker, on } => Self::read_version(&mut state, worker, on),
            Action::Apply(worker) => self.apply(&mut state, worker),
            Action::Answer(worker) => self.answer(&mut state, worker),
            Action::EndTransaction(worker) => state.workers[worker].connection.transaction = None,
        }
        state.workers.sort_unstable();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        ledger::properties()
    }
}
