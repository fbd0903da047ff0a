//! The answers that the clients got about each token, in a form in which their order does not matter: a few moments on
//! one monotonic clock, enough to judge by at the end.
//!
//! The moment of a request is taken before its first byte is sent, and that of an answer after its last byte was
//! received. So every answer that is judged too late really was too late.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use knoxide::domain::audit::Event;

use super::acts::Acts;
use super::counts::{Counts, add, read};
use super::group::{End, Group};
use super::outcome::Outcome;
use crate::harness::wire::Reply;

/// The text of this many unexpected answers is kept.
const STRANGE_KEPT: usize = 20;

/// A failed command may still take effect within this time.
const LATE: Duration = Duration::from_secs(30);

/// The process that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Responder {
    Node(usize),
    CommandLine,
}

/// A moment, and the process that answered then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) at: Instant,
    pub(super) by: Responder,
}

/// The facts about a token.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// When a client first tried to revoke it, answered or not.
    pub(super) tried: Option<Instant>,
    /// Whether a client tried to end this session without ending all of the user's.
    pub(super) tried_alone: bool,
    /// How often a client tried to log it out, or to end its session with a command.
    pub(super) tried_times: u32,
    /// When a client first tried to end it together with others.
    pub(super) tried_with_others: Option<Instant>,
    /// When its logout was acknowledged.
    pub(super) logged_out: Option<Instant>,
    /// When a revocation was first acknowledged.
    pub(super) revoked: Option<Told>,
    /// When a check was first answered with a refusal.
    pub(super) refused: Option<Told>,
    /// When the last accepted check was sent.
    pub(super) accepted: Option<Told>,
    /// Its session, according to the first good check.
    pub(super) session: Option<String>,
}

/// A token from the reply to a login.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) user: Arc<User>,
    /// The device name of the login.
    pub(super) device: String,
    /// When the login was sent, and when it was answered.
    pub(super) asked: Instant,
    pub(super) got: Instant,
    facts: Mutex<Facts>,
}

impl Token {
    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().expect("no panic")
    }

    /// Whether it is older than this moment, and no client tried to end it alone.
    pub(super) fn shares_its_end(&self, at: Instant) -> bool {
        self.got < at && !self.facts().tried_alone
    }

    pub(super) fn try_at(&self, at: Instant) {
        let mut facts = self.facts();
        facts.tried = Some(facts.tried.map_or(at, |before| before.min(at)));
    }
}

/// A user who logs in.
#[derive(Debug)]
pub(super) struct User {
    pub(super) name: String,
    /// From now on a login may be refused: a client is about to lock the user out.
    pub(super) is_closed: AtomicBool,
    state: Mutex<Group>,
}

impl User {
    pub(super) fn new(name: String) -> Arc<Self> {
        Arc::new(Self { name, is_closed: AtomicBool::new(false), state: Mutex::default() })
    }

    /// When the end of all sessions was first requested, if that was never acknowledged.
    pub(super) fn unanswered_end(&self) -> Option<Instant> {
        let ends = &self.state.lock().expect("no panic").ends;
        let is_open = ends.iter().all(|end| end.acknowledged.is_none());
        ends.iter().map(|end| end.asked).min().filter(|_| is_open)
    }
}

impl Counts {
    pub(super) fn revoke(&self, token: &Token, told: Told) {
        let mut facts = token.facts();
        match facts.revoked {
            None => {
                facts.revoked = Some(told);
                add(&self.revoked);
            }
            Some(before) if told.at < before.at => facts.revoked = Some(told),
            Some(_) => {}
        }
    }
}

/// All answers that the clients got.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) counts: Counts,
    pub(super) acts: Acts,
    tokens: Mutex<Vec<Arc<Token>>>,
    /// By device name.
    devices: Mutex<HashMap<String, Group>>,
    everybody: Mutex<Group>,
    /// Tokens of users whose sessions no client ends, unless it ends those of everybody.
    quiet: Mutex<Vec<Arc<Token>>>,
    /// Good tokens that a client will end later.
    reserve: Mutex<VecDeque<Arc<Token>>>,
    strange: Mutex<Vec<String>>,
    is_over: AtomicBool,
    progress: (Mutex<()>, Condvar),
}

impl Ledger {
    /// Records a login of `user` from a device, which was answered with a token.
    pub(super) fn login(
        &self,
        user: &Arc<User>,
        device: &str,
        text: String,
        (asked, got): (Instant, Instant),
    ) -> Arc<Token> {
        add(&self.counts.logins);
        let (user, device) = (Arc::clone(user), device.to_owned());
        let token = Arc::new(Token { text, user, device, asked, got, facts: Mutex::default() });
        token.user.state.lock().expect("no panic").add(&token, &self.counts);
        let mut devices = self.devices.lock().expect("no panic");
        devices.entry(token.device.clone()).or_default().add(&token, &self.counts);
        drop(devices);
        self.everybody.lock().expect("no panic").add(&token, &self.counts);
        self.tokens.lock().expect("no panic").push(Arc::clone(&token));
        token
    }

    /// Records a check, which was answered or not.
    pub(super) fn check(&self, token: &Token, by: Responder, asked: Instant, got: Instant, reply: Option<&Reply>) {
        let outcome = Outcome::of(reply);
        match outcome {
            Outcome::Done => {
                add(&self.counts.yes);
                let body = reply.map(Reply::text).unwrap_or_default();
                self.identify(token, by, &body);
                let mut facts = token.facts();
                if facts.accepted.is_none_or(|before| before.at < asked) {
                    facts.accepted = Some(Told { at: asked, by });
                }
            }
            Outcome::Refused => {
                add(&self.counts.no);
                refuse(token, Told { at: got, by });
            }
            Outcome::Unavailable => add(&self.counts.unavailable),
            Outcome::Silent => add(&self.counts.silent),
            Outcome::Strange => self.strange("a check", by, reply),
        }
    }

    /// Whether the answer names the token's own user and session.
    fn identify(&self, token: &Token, by: Responder, body: &str) {
        let named = format!(r#","username":"{}","email":"#, token.user.name);
        let session = body.split_once(r#""session":{"id":""#).and_then(|(_, rest)| rest.split_once('"'));
        let session = session.map(|(id, _)| id).unwrap_or_default();
        let mut facts = token.facts();
        let known = facts.session.get_or_insert_with(|| session.to_owned());
        if !body.contains(&named) || known != session || session.is_empty() {
            drop(facts);
            self.lie(format!("{by:?} took a token of {} for {body}", token.user.name));
        }
    }

    /// Records a request to end one token's session.
    pub(super) fn end_one(&self, token: &Token, by: Responder, asked: Instant, got: Instant, outcome: Outcome) {
        match outcome {
            Outcome::Refused => return refuse(token, Told { at: got, by }),
            Outcome::Done => self.counts.revoke(token, Told { at: got, by }),
            Outcome::Unavailable | Outcome::Silent | Outcome::Strange => {}
        }
        let mut facts = token.facts();
        facts.tried_alone = true;
        facts.tried_times += 1;
        if outcome == Outcome::Done && matches!(by, Responder::Node(_)) {
            facts.logged_out = Some(got);
        }
        drop(facts);
        token.try_at(asked);
        self.count_revocation(outcome == Outcome::Done);
    }

    /// Records a request to end all sessions of a user, which was not refused.
    pub(super) fn end_all(&self, user: &User, by: Responder, asked: Instant, got: Instant, outcome: Outcome) {
        let acknowledged = (outcome == Outcome::Done).then_some(Told { at: got, by });
        let end = End { is_whole: true, before: None, asked, acknowledged, latest: None };
        user.state.lock().expect("no panic").end(end, &self.counts);
        if acknowledged.is_some() {
            add(&self.counts.all);
        }
        if matches!(by, Responder::Node(_)) {
            self.acts.add(Event::LogoutAll, acknowledged.is_some());
        }
        self.count_revocation(acknowledged.is_some());
    }

    /// Records a request to end all sessions from a device. Without an acknowledgement, some of them may have ended.
    pub(super) fn end_device(&self, device: &str, by: Responder, asked: Instant, got: Instant, outcome: Outcome) {
        let acknowledged = (outcome == Outcome::Done).then_some(Told { at: got, by });
        let end = End { is_whole: false, before: None, asked, acknowledged, latest: None };
        let mut devices = self.devices.lock().expect("no panic");
        devices.entry(device.to_owned()).or_default().end(end, &self.counts);
        drop(devices);
        if acknowledged.is_some() {
            add(&self.counts.mass);
        }
        self.acts.add(Event::MassEndDone, acknowledged.is_some());
        self.count_revocation(acknowledged.is_some());
    }

    /// Records a request to end everybody's sessions, or those that were opened before a moment.
    pub(super) fn end_everybody(
        &self,
        before: Option<Instant>,
        by: Responder,
        (asked, got): (Instant, Instant),
        outcome: Outcome,
    ) {
        let acknowledged = (outcome == Outcome::Done).then_some(Told { at: got, by });
        let end = End { is_whole: false, before, asked, acknowledged, latest: Some(got + LATE) };
        self.everybody.lock().expect("no panic").end(end, &self.counts);
        if acknowledged.is_some() {
            add(&self.counts.everybody);
        }
        let event = if before.is_none() { Event::AllSessionsEnded } else { Event::OldSessionsEnded };
        self.acts.add(event, acknowledged.is_some());
        self.count_revocation(acknowledged.is_some());
    }

    /// Whether a request to end a device's sessions was never acknowledged: it may still take effect at any time.
    pub(super) fn is_spent(&self, device: &str) -> bool {
        let devices = self.devices.lock().expect("no panic");
        devices.get(device).is_some_and(|group| group.ends.iter().any(|end| end.acknowledged.is_none()))
    }

    /// Applies all ends to all tokens once more, after all requests have ended: an end that was recorded late may have
    /// missed tokens that a later end had removed from the list.
    pub(super) fn settle(&self) {
        for token in self.tokens() {
            let of_user = token.user.state.lock().expect("no panic").ends.clone();
            let devices = self.devices.lock().expect("no panic");
            let of_device = devices.get(&token.device).map(|group| group.ends.clone()).unwrap_or_default();
            drop(devices);
            let of_all = self.everybody.lock().expect("no panic").ends.clone();
            for end in of_user.into_iter().chain(of_device).chain(of_all) {
                end.strike(&token, &self.counts);
            }
        }
    }

    fn count_revocation(&self, acknowledged: bool) {
        add(if acknowledged { &self.counts.revocations } else { &self.counts.unanswered });
        self.progress.1.notify_all();
    }

    /// The outcome of a request that revokes.
    pub(super) fn outcome(&self, what: &str, by: Responder, reply: Option<&Reply>) -> Outcome {
        let outcome = Outcome::of(reply);
        if outcome == Outcome::Strange {
            self.strange(what, by, reply);
        }
        outcome
    }

    /// Records an answer that is not allowed.
    pub(super) fn strange(&self, what: &str, by: Responder, reply: Option<&Reply>) {
        let reply = reply.map(|reply| (reply.status, reply.text()));
        self.lie(format!("{what} was answered by {by:?} with {reply:?}"));
    }

    fn lie(&self, text: String) {
        add(&self.counts.strange);
        let mut strange = self.strange.lock().expect("no panic");
        if strange.len() < STRANGE_KEPT {
            strange.push(text);
        }
    }

    pub(super) fn lies(&self) -> Vec<String> {
        self.strange.lock().expect("no panic").clone()
    }

    /// All tokens of the run.
    pub(super) fn tokens(&self) -> Vec<Arc<Token>> {
        self.tokens.lock().expect("no panic").clone()
    }

    /// One of the `last` newest tokens, or of all if there are fewer.
    pub(super) fn newest(&self, last: usize, choose: impl FnOnce(usize) -> usize) -> Option<Arc<Token>> {
        let tokens = self.tokens.lock().expect("no panic");
        let eligible = tokens.len().min(last);
        (eligible > 0).then(|| Arc::clone(&tokens[tokens.len() - 1 - choose(eligible)]))
    }

    pub(super) fn keep_quiet(&self, token: Arc<Token>) {
        self.quiet.lock().expect("no panic").push(token);
    }

    /// Forgets the quiet users' tokens, since everybody's sessions may have ended.
    pub(super) fn forget_quiet(&self) {
        self.quiet.lock().expect("no panic").clear();
    }

    /// One of the tokens that no client ends.
    pub(super) fn quiet(&self, choose: impl FnOnce(usize) -> usize) -> Option<Arc<Token>> {
        let quiet = self.quiet.lock().expect("no panic");
        (!quiet.is_empty()).then(|| Arc::clone(&quiet[choose(quiet.len())]))
    }

    /// Leaves tokens for a client to end later.
    pub(super) fn leave(&self, tokens: Vec<Arc<Token>>) {
        self.reserve.lock().expect("no panic").extend(tokens);
    }

    /// Takes this many of the tokens that were left, the oldest first, if there are more than that.
    pub(super) fn take_left(&self, wanted: usize) -> Vec<Arc<Token>> {
        let mut reserve = self.reserve.lock().expect("no panic");
        if reserve.len() <= wanted { Vec::new() } else { reserve.drain(..wanted).collect() }
    }

    /// One of the tokens that were left.
    pub(super) fn left(&self, choose: impl FnOnce(usize) -> usize) -> Option<Arc<Token>> {
        let reserve = self.reserve.lock().expect("no panic");
        (!reserve.is_empty()).then(|| Arc::clone(&reserve[choose(reserve.len())]))
    }

    /// Stops all clients.
    pub(super) fn finish(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// The number of tokens whose revocation was acknowledged so far.
    pub(super) fn revoked(&self) -> u64 {
        read(&self.counts.revoked)
    }

    /// Waits for this many more revoked tokens, for at most this time; returns whether they were reached.
    pub(super) fn wait_for(&self, more: u64, at_most: Duration) -> bool {
        let goal = self.revoked() + more;
        let guard = self.progress.0.lock().expect("no panic");
        let reached = |_: &mut ()| self.revoked() < goal;
        let (_guard, waited) = self.progress.1.wait_timeout_while(guard, at_most, reached).expect("no panic");
        !waited.timed_out()
    }
}

fn refuse(token: &Token, told: Told) {
    let mut facts = token.facts();
    if facts.refused.is_none_or(|before| told.at < before.at) {
        facts.refused = Some(told);
    }
}
