//! Several real servers on one database, faults, and clients that log in, check and revoke at any of the servers; then
//! all answers that the clients got are judged. `docs/history.md` has the details.
//!
//! `scripts/history` revokes many more tokens than the tests do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use knoxide::store::diesel::DieselStore;

use crate::harness::app::{Backend, Database};
use crate::harness::dice::{Dice, seed};
use crate::harness::number;

mod acts;
mod clients;
mod command;
mod counts;
mod crowd;
mod faults;
mod gate;
mod group;
mod judge;
mod ledger;
mod lines;
mod node;
mod order;
mod outcome;
mod planted;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use clients::{Actor, Stage, audit, watch};
use command::Command;
use counts::read;
use crowd::Crowd;
use faults::{Fault, Scene};
use gate::Manner;
use judge::Verdict;
use ledger::{Ledger, Responder};
use node::{Kind, Node};
use outcome::Outcome;
use planted::Bug;

/// Tokens revoked in a normal run of the tests.
const REVOKED: u64 = 2_000;

/// How often the only node is killed in a normal run of the tests.
const KILLS: u64 = 10;

/// The minimum number of revocations between two faults.
const APART: u64 = 20;

/// Clients that log in and revoke; every fourth of them is bold.
const ACTORS: u64 = 6;

/// Clients that only check, at each node.
const WATCHERS: u64 = 2;

/// If nothing is revoked for this long, something is wrong.
const STUCK: Duration = Duration::from_secs(60);

/// If none of this many faults after the last required one leaves a request unanswered, the run ends.
const HARMLESS: usize = 50;

/// The interval at which long runs report their progress.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// The size of a run.
struct Scale {
    /// The number of tokens to revoke.
    revoked: u64,
    seed: u64,
    /// The minimum number of faults.
    least: u64,
    /// The bound of the random number of revocations between two faults, which is added to [`APART`].
    gap: u64,
    /// The names of the faults; `None`: all.
    faults: Option<&'static [&'static str]>,
    /// How the applications in front of the nodes work, which the checks pass through; `None`: there are none.
    gates: Option<Manner>,
}

impl Scale {
    fn usual() -> Self {
        let seed = seed("KNOXIDE_HISTORY_SEED");
        let revoked = number("KNOXIDE_HISTORY_REVOKED").unwrap_or(REVOKED);
        // Long runs must not consist mostly of faults.
        Self { revoked, seed, least: 0, gap: 100 + revoked / 100, faults: None, gates: None }
    }

    /// The only node is killed this often.
    fn of_kills() -> Self {
        let least = number("KNOXIDE_HISTORY_KILLS").unwrap_or(KILLS);
        Self { revoked: REVOKED / 4, least, gap: 20, ..Self::usual() }
    }

    /// Checks pass through the remote middleware of an application in front of each node.
    fn of_gates(manner: Manner) -> Self {
        let revoked = number("KNOXIDE_HISTORY_REVOKED").unwrap_or(REVOKED / 4);
        Self { revoked, gates: Some(manner), ..Self::usual() }
    }

    /// Enough for a bug to show, with these faults.
    fn small(faults: &'static [&'static str]) -> Self {
        Self { revoked: 200, faults: Some(faults), ..Self::usual() }
    }
}

/// The result of a run.
struct Report {
    /// With fewer answers of any kind, the run proves too little.
    enough: u64,
    /// The number of acts compared with their events.
    acts: u64,
    verdict: Verdict,
    summary: String,
    ledger: Ledger,
}

impl Report {
    fn assert_clean(&self) {
        println!("{}", self.summary);
        assert!(self.verdict.is_clean(), "{}\n{:#?}", self.summary, self.verdict.told);
        let counts = &self.ledger.counts;
        for (what, count) in [("yes", &counts.yes), ("no", &counts.no), ("all", &counts.all)] {
            assert!(read(count) > self.enough, "too few answers {what}: {}", self.summary);
        }
        assert!(self.acts > self.enough, "too few acts were compared with their events: {}", self.summary);
        assert!(read(&counts.unanswered) > 0, "no fault hurt: {}", self.summary);
    }
}

/// Stops all clients, even on a panic.
struct Finish<'a>(&'a Ledger);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Starts the nodes and the clients, causes each fault at least once and until enough tokens are revoked, checks every
/// token once more, and judges.
fn run<W: Sync>(
    name: &str,
    scale: &Scale,
    (url, store): (&str, &Arc<DieselStore>),
    start: impl FnOnce() -> Vec<Node>,
    (world, faults): (&W, &[Fault<W>]),
) -> Report {
    println!("{name}, {} tokens to be revoked, KNOXIDE_HISTORY_SEED={}", scale.revoked, scale.seed);
    let begun = Instant::now();
    // Each kill can leave some requests to end all sessions unanswered.
    let spare = usize::try_from(100 + scale.revoked / 50 + 3 * scale.least).expect("a number");
    let (ledger, crowd, command) = (Ledger::default(), Crowd::gather(store, spare), Command::on(url));
    let mut nodes = start();
    if let Some(manner) = scale.gates {
        let client = command.register_gate();
        nodes.iter_mut().for_each(|node| node.put_behind_gate(&client, manner));
    }
    let stage = Stage { nodes: &nodes, ledger: &ledger, crowd: &crowd, command: &command };
    let mut dice = Dice(scale.seed);
    let mut own = || Dice(dice.below(u64::MAX));
    let mut scene = Scene { stage, world, actor: Actor::new(stage, own(), false), dice: own() };
    scene.actor.begin_quiet();
    let inflicted = thread::scope(|scope| {
        let _finish = Finish(&ledger);
        for number in 0..ACTORS {
            let actor = Actor::new(stage, own(), number % 4 == 3);
            scope.spawn(|| actor.run());
        }
        for number in 0..nodes.len() {
            for _ in 0..WATCHERS {
                let dice = own();
                scope.spawn(move || watch(stage, number, dice));
            }
        }
        let wanted = |fault: &&Fault<W>| scale.faults.is_none_or(|names| names.contains(&fault.name));
        inflict(&mut scene, &faults.iter().filter(wanted).collect::<Vec<_>>(), scale)
    });
    nodes.iter().for_each(Node::assert_runs);
    let tokens = ledger.tokens();
    thread::scope(|scope| {
        for share in 0..4 {
            let tokens = &tokens;
            scope.spawn(move || audit(stage, tokens, (share, 4)));
        }
    });
    let mut verdict = Verdict::of(&ledger);
    let (acts, wrong) = acts::compare(&ledger, store);
    verdict.add_untold(wrong);
    let took = begun.elapsed().as_secs();
    let head = format!("{name}, {} nodes, KNOXIDE_HISTORY_SEED={}, {took} s", nodes.len(), scale.seed);
    let summary =
        format!("{head}: {}; {}; {acts} acts and their events compared; {verdict}", done(&ledger), told(&inflicted));
    Report { enough: scale.revoked / 20, acts, verdict, summary, ledger }
}

/// Causes each fault once, in random order, and then random ones until enough tokens were revoked and, if all kinds are
/// used, one has caused harm. Returns how often each happened.
fn inflict<W>(scene: &mut Scene<'_, W>, faults: &[&Fault<W>], scale: &Scale) -> BTreeMap<&'static str, u64> {
    let mut inflicted = BTreeMap::new();
    let mut due = faults.to_vec();
    let mut told_at = Instant::now();
    let ledger = scene.stage.ledger;
    let most = u64::try_from(faults.len() + HARMLESS).expect("a number");
    let may_yet_hurt = |inflicted: &BTreeMap<_, u64>| {
        scale.faults.is_none() && read(&ledger.counts.unanswered) == 0 && inflicted.values().sum::<u64>() < most
    };
    let is_enough = |inflicted: &BTreeMap<_, u64>| {
        ledger.revoked() >= scale.revoked && inflicted.values().sum::<u64>() >= scale.least && !may_yet_hurt(inflicted)
    };
    while !due.is_empty() || !is_enough(&inflicted) {
        let gap = APART + scene.dice.below(scale.gap);
        wait_for(ledger, gap, &inflicted);
        let fault = if due.is_empty() {
            faults[scene.dice.index(faults.len())]
        } else {
            due.swap_remove(scene.dice.index(due.len()))
        };
        (fault.inflict)(scene);
        *inflicted.entry(fault.name).or_default() += 1;
        if told_at.elapsed() > TELL_EVERY {
            println!("so far {}; {}", done(ledger), told(&inflicted));
            told_at = Instant::now();
        }
    }
    inflicted
}

/// Waits for this many more revocations; fails if there are none for too long.
fn wait_for(ledger: &Ledger, more: u64, inflicted: &BTreeMap<&'static str, u64>) {
    let goal = ledger.revoked() + more;
    while ledger.revoked() < goal {
        let before = ledger.revoked();
        ledger.wait_for(goal - before, STUCK);
        assert!(ledger.revoked() > before, "nothing is revoked any more: {}; {}", done(ledger), told(inflicted));
    }
}

fn done(ledger: &Ledger) -> String {
    let counts = &ledger.counts;
    let [logins, yes, no, unavailable, silent] =
        [&counts.logins, &counts.yes, &counts.no, &counts.unavailable, &counts.silent].map(read);
    let [revoked, revocations, all, mass, everybody, commands, unanswered] = [
        &counts.revoked,
        &counts.revocations,
        &counts.all,
        &counts.mass,
        &counts.everybody,
        &counts.commands,
        &counts.unanswered,
    ]
    .map(read);
    format!(
        "{logins} logins; checks: {yes} yes, {no} no, {unavailable} could not look, {silent} not answered; {revoked} \
         tokens revoked by {revocations} acknowledged requests ({all} of them for all sessions of a user, {mass} for all of a device, {everybody} for everybody's; {commands} commands), \
         {unanswered} requests to revoke without an acknowledgement"
    )
}

fn told(inflicted: &BTreeMap<&'static str, u64>) -> String {
    let mut text = "faults:".to_owned();
    for (index, (name, times)) in inflicted.iter().enumerate() {
        write!(text, "{} {name} {times}", if index == 0 { "" } else { "," }).expect("a text");
    }
    text
}

#[test]
fn no_kill_of_the_only_node_loses_or_revives_a_token() {
    sqlite::history_of_kills(&Scale::of_kills()).assert_clean();
}

#[test]
fn on_sqlite_no_answer_breaks_a_rule() {
    sqlite::history(&Scale::usual(), None).assert_clean();
}

#[cfg(feature = "postgres")]
#[test]
fn on_postgres_no_answer_breaks_a_rule() {
    if let Some(report) = postgres::history(&Scale::usual(), None) {
        report.assert_clean();
    }
}

#[test]
fn on_sqlite_the_remote_middleware_breaks_no_rule() {
    sqlite::history(&Scale::of_gates(Manner::Sound), None).assert_clean();
}

#[cfg(feature = "postgres")]
#[test]
fn on_postgres_the_remote_middleware_breaks_no_rule() {
    if let Some(report) = postgres::history(&Scale::of_gates(Manner::Sound), None) {
        report.assert_clean();
    }
}

/// What an application must not do.
#[test]
fn an_application_that_keeps_answers_is_found() {
    let scale = Scale { gates: Some(Manner::Keeping), ..Scale::small(&[sqlite::CHECKPOINT]) };
    let report = sqlite::history(&scale, None);
    println!("{}", report.summary);
    assert!(report.verdict.let_in > 0, "it was not found: {}", report.summary);
}

/// Harm that a kill could cause and that no planted bug causes. Here the server is correct and the ledger is falsified.
#[test]
fn what_a_kill_could_lose_revive_or_half_do_is_found() {
    let database = Database::migrated(Backend::Sqlite);
    let store = database.store();
    let (ledger, crowd, command) = (Ledger::default(), Crowd::gather(&store, 0), Command::on(&database.url));
    let nodes = [Node::start(&database.url, Kind::Child(None))];
    let stage = Stage { nodes: &nodes, ledger: &ledger, crowd: &crowd, command: &command };
    let mut actor = Actor::new(stage, Dice(1), false);
    let by = Responder::Node(0);
    let [revived, partial] = [0, 1].map(|slot| actor.log_in(&crowd.user(slot), 2).pop().expect("a token"));
    let now = Instant::now;
    ledger.end_one(&revived, by, now(), now(), Outcome::Done);
    for user in [crowd.user(1), crowd.user(2)] {
        // The server never saw these logins. Only the first user can have lost all sessions.
        ledger.login(&user, "a device", "0".repeat(40), (now(), now()));
    }
    ledger.end_all(&partial.user, by, now(), now(), Outcome::Silent);
    audit(stage, &ledger.tokens(), (0, 1));
    let verdict = Verdict::of(&ledger);
    let found = (verdict.let_in, verdict.revived, verdict.lost, verdict.partial, verdict.liar);
    assert_eq!(found, (1, 0, 1, 1, 0), "{:#?}", verdict.told);
}

/// The judge must find each planted bug; the tests above show that it finds nothing without them.
#[test]
fn on_sqlite_planted_bugs_are_found() {
    for bug in [Bug::LateCache, Bug::HastyLogout, Bug::ForgottenLogout] {
        let report = sqlite::history(&Scale::small(&[sqlite::CHECKPOINT]), Some(bug));
        println!("{bug:?}: {}", report.summary);
        assert!(report.verdict.let_in > 0, "{bug:?} was not found: {}", report.summary);
        let is_untold = report.verdict.untold > 0;
        assert!(is_untold || bug != Bug::ForgottenLogout, "the missing events were not found: {}", report.summary);
    }
}

#[cfg(feature = "postgres")]
#[test]
fn on_postgres_planted_bugs_are_found() {
    for bug in [Bug::LateCache, Bug::HastyLogout, Bug::ForgottenLogout, Bug::BlindRead] {
        let Some(report) = postgres::history(&Scale::small(&[postgres::TERMINATE]), Some(bug)) else { return };
        println!("{bug:?}: {}", report.summary);
        let found = if bug == Bug::BlindRead { report.verdict.lost } else { report.verdict.let_in };
        assert!(found > 0, "{bug:?} was not found: {}", report.summary);
    }
}
