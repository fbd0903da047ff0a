//! Clients: some log in and revoke, others only check.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::command::Command;
use super::crowd::Crowd;
use super::ledger::{Ledger, Token, User};
use super::lines::{Answer, Line};
use super::node::Node;
use super::outcome::Outcome;
use crate::harness::app::{login_request, token_of, token_request};
use crate::harness::dice::Dice;
use crate::harness::wire::Request;

pub(super) const PASSWORD: &str = "correct horse";

/// Out of a hundred rounds, this many revoke by the command line.
const BY_COMMAND: u64 = 2;

/// The pause of a client before its next request when its server is down.
const BREATH: Duration = Duration::from_millis(10);

/// The pause of a client that only checks, which leaves time for those that revoke.
const PACE: Duration = Duration::from_millis(2);

/// The state that all clients share.
#[derive(Clone, Copy)]
pub(super) struct Stage<'a> {
    pub(super) nodes: &'a [Node],
    pub(super) ledger: &'a Ledger,
    pub(super) crowd: &'a Crowd,
    pub(super) command: &'a Command,
}

/// A client that logs in, has the tokens checked at every node, and revokes them.
pub(super) struct Actor<'a> {
    stage: Stage<'a>,
    /// For checks; for logins and revocations; and for checks right after these.
    checks: Vec<Line<'a>>,
    others: Vec<Line<'a>>,
    rechecks: Vec<Line<'a>>,
    dice: Dice,
    /// The device name of its logins, which no other client uses.
    device: String,
    /// How often it has changed the device name.
    devices: u64,
    /// Whether it also uses nodes that are about to stop.
    is_bold: bool,
}

fn check_of(token: &Token) -> Request {
    token_request("GET", "/auth/user/", &token.text)
}

/// A device name that is never part of another one.
fn device_of(dice: &Dice, number: u64) -> String {
    format!("client {:016x} {number:08}", dice.0)
}

/// Whether a line may be used now.
fn is_open(line: &Line<'_>, bold: bool) -> bool {
    bold || !line.is_shunned()
}

/// Sends a check of a token to each of these nodes.
fn send_checks(lines: &mut [Line<'_>], token: &Token, bold: bool) {
    let request = check_of(token);
    for line in lines.iter_mut().filter(|line| is_open(line, bold)) {
        line.send(&request);
    }
}

impl<'a> Actor<'a> {
    pub(super) fn new(stage: Stage<'a>, dice: Dice, is_bold: bool) -> Self {
        let [checks, rechecks] = [(); 2].map(|()| Line::for_checks_to_all(stage.nodes));
        let others = Line::to_all(stage.nodes);
        let device = device_of(&dice, 0);
        Self { stage, checks, others, rechecks, dice, device, devices: 0, is_bold }
    }

    /// Runs until the history ends.
    pub(super) fn run(mut self) {
        while !self.stage.ledger.is_over() {
            self.round();
        }
    }

    fn round(&mut self) {
        let slot = self.dice.index(self.stage.crowd.slots());
        let user = self.stage.crowd.user(slot);
        let wanted = 1 + self.dice.below(4);
        let mut tokens = self.log_in(&user, wanted);
        if tokens.is_empty() {
            self.stage.ledger.wait_for(1, BREATH);
            return;
        }
        match self.dice.below(100) {
            0..20 => return self.stage.ledger.leave(tokens),
            20..45 => tokens.extend(self.stage.ledger.take_left(4)),
            _ => {}
        }
        match self.dice.below(100) {
            0..BY_COMMAND => self.by_command(slot, &tokens),
            BY_COMMAND..22 => {
                let one = self.dice.index(tokens.len());
                self.end_all(slot, &tokens[one]);
            }
            _ => tokens.iter().for_each(|token| self.end_one(token)),
        }
    }

    /// Logs in this many times, and has each token cached by every node that has a cache.
    pub(super) fn log_in(&mut self, user: &Arc<User>, wanted: u64) -> Vec<Arc<Token>> {
        let request = login_request(&user.name, PASSWORD).header("User-Agent", self.device.clone());
        let mut tokens = Vec::new();
        for _ in 0..wanted {
            let Some(line) = self.choose(true) else { break };
            let (place, answer) = (line.place, line.ask(&request));
            let reply = answer.reply.as_ref();
            match reply.map(|reply| reply.status) {
                Some(200) => {
                    let text = reply.map(token_of).unwrap_or_default();
                    let (ledger, device) = (self.stage.ledger, self.device.clone());
                    tokens.push(ledger.login(user, &device, text, (answer.asked, answer.got)));
                }
                Some(400) if user.is_closed.load(Ordering::SeqCst) => break,
                None | Some(503 | 408) => break,
                Some(_) => {
                    self.stage.ledger.strange("a login", place, reply);
                    break;
                }
            }
        }
        for _ in 0..=self.dice.below(2) {
            tokens.iter().for_each(|token| self.check_everywhere(token));
        }
        tokens
    }

    /// One of the nodes that may be used now.
    fn choose(&mut self, for_login: bool) -> Option<&mut Line<'a>> {
        let bold = self.is_bold;
        let fits = |line: &&mut Line<'_>| is_open(line, bold) && (!for_login || line.takes_logins());
        let mut open: Vec<_> = self.others.iter_mut().filter(fits).collect();
        if open.is_empty() {
            return None;
        }
        let index = self.dice.index(open.len());
        Some(open.swap_remove(index))
    }

    pub(super) fn check_everywhere(&mut self, token: &Token) {
        send_checks(&mut self.checks, token, self.is_bold);
        receive_checks(self.stage.ledger, &mut self.checks, token);
    }

    /// Sends a revocation to any node, with checks running at all nodes and others right afterwards.
    fn revoke(&mut self, token: &Token, path: &str) -> Option<(super::ledger::Responder, Answer)> {
        let (bold, ledger) = (self.is_bold, self.stage.ledger);
        let request = token_request("POST", path, &token.text);
        if self.dice.below(4) > 0 {
            send_checks(&mut self.checks, token, bold);
        }
        let asked = self.choose(false).map(|line| (line.place, line.ask(&request)));
        if asked.is_some() {
            send_checks(&mut self.rechecks, token, bold);
        }
        receive_checks(ledger, &mut self.checks, token);
        receive_checks(ledger, &mut self.rechecks, token);
        asked
    }

    /// Logs in the users whose sessions end only when everybody's do.
    pub(super) fn begin_quiet(&mut self) {
        self.stage.ledger.forget_quiet();
        for user in &self.stage.crowd.quiet {
            self.log_in(user, 6).into_iter().for_each(|token| self.stage.ledger.keep_quiet(token));
        }
    }

    pub(super) fn end_one(&mut self, token: &Token) {
        let Some((place, answer)) = self.revoke(token, "/auth/logout/") else { return };
        let outcome = self.stage.ledger.outcome("a logout", place, answer.reply.as_ref());
        self.stage.ledger.end_one(token, place, answer.asked, answer.got, outcome);
    }

    /// Ends all sessions of the token's user, who has or had this slot of the crowd.
    pub(super) fn end_all(&mut self, slot: usize, token: &Token) {
        let Some((place, answer)) = self.revoke(token, "/auth/logoutall/") else { return };
        let outcome = self.stage.ledger.outcome("a logout everywhere", place, answer.reply.as_ref());
        match outcome {
            Outcome::Refused => self.stage.ledger.end_one(token, place, answer.asked, answer.got, outcome),
            Outcome::Done => self.stage.ledger.end_all(&token.user, place, answer.asked, answer.got, outcome),
            Outcome::Unavailable | Outcome::Silent | Outcome::Strange => {
                // The end may still happen, at any time, so no client logs in as this user from now on.
                self.stage.crowd.replace(slot, &token.user);
                self.stage.ledger.end_all(&token.user, place, answer.asked, answer.got, outcome);
            }
        }
        self.check_everywhere(token);
    }

    fn by_command(&mut self, slot: usize, tokens: &[Arc<Token>]) {
        let token = &tokens[0];
        send_checks(&mut self.checks, token, self.is_bold);
        let is_everybodys = self.stage.command.revoke(&self.stage, slot, token, &mut self.dice);
        // Sent after the command had ended.
        for token in tokens {
            send_checks(&mut self.rechecks, token, self.is_bold);
            receive_checks(self.stage.ledger, &mut self.rechecks, token);
        }
        receive_checks(self.stage.ledger, &mut self.checks, token);
        if is_everybodys {
            self.begin_quiet();
        }
        if self.stage.ledger.is_spent(&self.device) {
            self.devices += 1;
            self.device = device_of(&self.dice, self.devices);
        }
    }
}

/// Records the results of the checks that were sent.
pub(super) fn receive_checks(ledger: &Ledger, lines: &mut [Line<'_>], token: &Token) {
    for line in lines {
        if let Some(Answer { asked, got, reply }) = line.receive() {
            ledger.check(token, line.place, asked, got, reply.as_ref());
        }
    }
}

/// Checks at one node, mostly tokens used recently, until the run ends.
pub(super) fn watch(stage: Stage<'_>, number: usize, mut dice: Dice) {
    let mut line = Line::for_checks(&stage.nodes[number], number);
    while !stage.ledger.is_over() {
        let token = match dice.below(10) {
            0..4 => stage.ledger.newest(32, |length| dice.index(length)),
            4..8 => stage.ledger.left(|length| dice.index(length)),
            8 => stage.ledger.quiet(|length| dice.index(length)),
            _ => stage.ledger.newest(usize::MAX, |length| dice.index(length)),
        };
        let answered = token.is_some_and(|token| {
            let Answer { asked, got, reply } = line.ask(&check_of(&token));
            stage.ledger.check(&token, line.place, asked, got, reply.as_ref());
            reply.is_some()
        });
        stage.ledger.wait_for(1, if answered { PACE } else { BREATH });
    }
}

/// Checks each of these tokens once more, after all faults have ended; now every check must be answered.
pub(super) fn audit(stage: Stage<'_>, tokens: &[Arc<Token>], share: (usize, usize)) {
    let mut lines = Line::for_checks_to_all(stage.nodes);
    let (first, step) = share;
    for (index, token) in tokens.iter().enumerate().skip(first).step_by(step) {
        let nodes = lines.len();
        let line = &mut lines[(index / step) % nodes];
        let answered = (0..20).any(|_| {
            let Answer { asked, got, reply } = line.ask(&check_of(token));
            stage.ledger.check(token, line.place, asked, got, reply.as_ref());
            let is_answered = reply.is_some_and(|reply| matches!(reply.status, 200 | 401));
            if !is_answered {
                stage.ledger.wait_for(1, 10 * BREATH);
            }
            is_answered
        });
        assert!(answered, "after all faults have ended, {:?} does not answer", line.place);
    }
}

/// Checks of these tokens, each over its own connection, sent to a node that cannot answer yet.
pub(super) struct Ambush<'a> {
    ledger: &'a Ledger,
    shots: Vec<(Arc<Token>, Line<'a>)>,
}

impl<'a> Ambush<'a> {
    pub(super) fn lay(stage: Stage<'a>, number: usize, tokens: &[Arc<Token>]) -> Self {
        let shoot = |token: &Arc<Token>| {
            let mut line = Line::for_checks(&stage.nodes[number], number);
            line.send(&check_of(token));
            (Arc::clone(token), line)
        };
        Self { ledger: stage.ledger, shots: tokens.iter().map(shoot).collect() }
    }

    /// Waits for the answers, and checks twice more.
    pub(super) fn spring(mut self) {
        for (token, line) in &mut self.shots {
            receive_checks(self.ledger, std::slice::from_mut(line), token);
        }
        for _ in 0..2 {
            for (token, line) in &mut self.shots {
                line.send(&check_of(token));
                receive_checks(self.ledger, std::slice::from_mut(line), token);
            }
        }
    }
}
