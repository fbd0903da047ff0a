//! Checks through a worker pool: those that wait share one read that is sent after they arrived.
//!
//! Modelled: two nodes with a pool each, two tokens, and the database as the set of committed revocations. A read is
//! sent, runs at some later moment against what is committed by then, and its answer arrives later still, is lost with
//! the connection, or never arrives. When a check arrives, a pool with a running read may be given up; another takes
//! its place, and the old answer may still arrive, for the checks that waited for it. Revocations begin, commit in any
//! order or never, and are acknowledged at any time after their commit, or never.
//!
//! Left out: more than one thread in a pool (nodes are as independent as threads are), more than one thread that was
//! given up, the bound of the queue (a request refused there is not a check), clocks (a read may be silent for ever,
//! and nothing depends on how long it took), and how a session is judged once its row is read.

use stateright::{Model, Property};

use super::ledger::{self, Check, Checks, Ledger, Set, Size, Told, Write, Writers};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mistake {
    /// A check joins a read that was sent before it arrived.
    JoinsSentRead,
    /// A revocation is acknowledged while its transaction is open.
    AcknowledgesBeforeCommit,
    /// A revocation is acknowledged although its transaction was rolled back.
    AcknowledgesRolledBack,
    /// The answer of a pool that was given up is taken for that of its replacement.
    TakesLateAnswers,
    /// When a connection breaks, the checks that waited for its answer get none.
    ForgetsOnLoss,
}

#[derive(Debug, Clone)]
pub(super) struct Pools {
    pub(super) mistake: Option<Mistake>,
    pub(super) size: Size,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct State {
    ledger: Ledger,
    writers: Writers,
    /// Sorted, since it makes no difference which node is which.
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
struct Node {
    queue: Checks,
    current: Option<Read>,
    given_up: Option<Read>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Read {
    checks: Checks,
    progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Progress {
    Sent,
    /// Its snapshot had these tokens revoked.
    Ran(Set),
    /// No answer will ever come.
    Silent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DbPool {
    Current,
    GivenUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Write(Write),
    Arrive { node: usize, token: u8, give_up: bool },
    Node(usize, Step),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step(DbPool, Event);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Send,
    Run,
    Answer,
    Lose,
    FallSilent,
    /// Checks that wait for a silent pool are answered "could not look".
    Deadline,
}

impl Told for State {
    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

impl Node {
    fn read(&mut self, pool: DbPool) -> &mut Option<Read> {
        match pool {
            DbPool::Current => &mut self.current,
            DbPool::GivenUp => &mut self.given_up,
        }
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (pool, read) in [(DbPool::Current, &self.current), (DbPool::GivenUp, &self.given_up)] {
            match read.as_ref().map(|read| read.progress) {
                Some(Progress::Sent) => steps.extend([Event::Run, Event::Lose].map(|event| Step(pool, event))),
                Some(Progress::Ran(_)) => {
                    steps.extend([Event::Answer, Event::Lose, Event::FallSilent].map(|event| Step(pool, event)));
                }
                Some(Progress::Silent) | None => {}
            }
        }
        if !self.queue.is_empty() {
            match &self.current {
                None => steps.push(Step(DbPool::Current, Event::Send)),
                Some(read) if read.progress == Progress::Silent => steps.push(Step(DbPool::Current, Event::Deadline)),
                Some(_) => {}
            }
        }
        steps
    }
}

impl Pools {
    fn arrive(&self, node: &mut Node, check: Check, give_up: bool) {
        if give_up {
            node.given_up = node.current.take();
        }
        match &mut node.current {
            Some(read) if self.mistake == Some(Mistake::JoinsSentRead) && read.progress != Progress::Silent => {
                read.checks.add(check);
            }
            Some(_) | None => node.queue.add(check),
        }
    }

    fn step(&self, state: &mut State, index: usize, Step(pool, event): Step) {
        let State { ledger, writers, nodes } = state;
        let node = &mut nodes[index];
        match event {
            Event::Send => node.current = Some(Read { checks: node.queue.take(), progress: Progress::Sent }),
            Event::Run => {
                if let Some(read) = node.read(pool) {
                    read.progress = Progress::Ran(writers.committed);
                }
            }
            Event::Answer => self.answer(ledger, node, pool),
            Event::Lose => {
                let lost = node.read(pool).take();
                if let Some(read) = lost.filter(|_| self.mistake != Some(Mistake::ForgetsOnLoss)) {
                    ledger.fail(read.checks);
                }
            }
            // The checks that wait for it have deadlines of their own; the thread stays occupied.
            Event::FallSilent => {
                if let Some(read) = node.read(pool) {
                    ledger.fail(read.checks.take());
                    read.progress = Progress::Silent;
                }
            }
            Event::Deadline => ledger.fail(node.queue.take()),
        }
    }

    fn answer(&self, ledger: &mut Ledger, node: &mut Node, pool: DbPool) {
        let Some(Read { checks, progress: Progress::Ran(revoked) }) = node.read(pool).take() else { return };
        let mut answered = vec![checks];
        if self.mistake == Some(Mistake::TakesLateAnswers) && pool == DbPool::GivenUp {
            answered.extend(node.current.as_mut().map(|read| read.checks.take()));
        }
        for mut checks in answered {
            while let Some(check) = checks.next() {
                if revoked.has(check.token) {
                    ledger.refuse(check);
                } else {
                    ledger.accept(check);
                    ledger.note_accepting();
                }
            }
        }
    }
}

impl Model for Pools {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { nodes: vec![Node::default(); self.size.nodes], ..State::default() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let writers = &state.writers;
        let acknowledgeable = match self.mistake {
            Some(Mistake::AcknowledgesBeforeCommit) => writers.committed.and(writers.open),
            Some(Mistake::AcknowledgesRolledBack) => writers.committed.and(writers.rolled_back),
            Some(Mistake::JoinsSentRead | Mistake::TakesLateAnswers | Mistake::ForgetsOnLoss) | None => {
                writers.committed
            }
        };
        actions.extend(writers.steps(self.size, &state.ledger, acknowledgeable).into_iter().map(Action::Write));
        if self.mistake == Some(Mistake::AcknowledgesRolledBack) {
            let open = (0..self.size.tokens).filter(|token| writers.open.has(*token));
            actions.extend(open.map(|token| Action::Write(Write::RollBack(token))));
        }
        for (node, now) in state.nodes.iter().enumerate() {
            if state.ledger.begun() < self.size.checks {
                for token in 0..self.size.checked {
                    actions.push(Action::Arrive { node, token, give_up: false });
                    if now.current.is_some() && now.given_up.is_none() {
                        actions.push(Action::Arrive { node, token, give_up: true });
                    }
                }
            }
            actions.extend(now.steps().into_iter().map(|step| Action::Node(node, step)));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Write(write) => state.writers.step(&mut state.ledger, write),
            Action::Arrive { node, token, give_up } => {
                let check = state.ledger.begin(token);
                self.arrive(&mut state.nodes[node], check, give_up);
            }
            Action::Node(node, step) => self.step(&mut state, node, step),
        }
        state.nodes.sort_unstable();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        ledger::properties()
    }
}
