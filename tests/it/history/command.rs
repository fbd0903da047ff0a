//! Revocations by the program's command line, while the servers run.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use knoxide::domain::time::{Clock as _, SystemClock};

use super::clients::Stage;
use super::counts::add;
use super::crowd::HASH;
use super::gate::Credentials;
use super::ledger::{Responder, Token, User};
use super::outcome::Outcome;
use crate::harness::dice::Dice;
use crate::harness::program::Program;

/// The age at which sessions are ended as old ones.
const AGE: Duration = Duration::from_millis(500);

/// The program, on the nodes' database.
pub(super) struct Command {
    program: Program,
}

impl Command {
    pub(super) fn on(url: &str) -> Self {
        Self { program: Program::bare().set("DATABASE_URL", url) }
    }

    /// Registers the client whose credentials the gates use.
    pub(super) fn register_gate(&self) -> Credentials {
        let client = self.program.json(&["client", "add", "gate", "--rights", "batch", "--limit", "none"]);
        let member = |name: &str| client[name].as_str().expect("a text").to_owned();
        Credentials { id: member("id"), secret: member("secret") }
    }

    /// Revokes a token in one of several ways; its user has or had this slot. Returns whether that may have ended
    /// everybody's sessions.
    pub(super) fn revoke(&self, stage: &Stage<'_>, slot: usize, token: &Token, dice: &mut Dice) -> bool {
        let user = &*token.user.name;
        let session = token.facts().session.clone();
        add(&stage.ledger.counts.commands);
        match dice.below(12) {
            0 | 1 => {
                let Some(session) = session else { return false };
                let (asked, outcome) = self.run(&["session", "revoke", &session]);
                stage.ledger.end_one(token, Responder::CommandLine, asked, Instant::now(), outcome);
            }
            2 => self.end_all(stage, slot, token, &["session", "revoke", "--user", user]),
            // The password stays the same, so that logins still work.
            3 => self.end_all(stage, slot, token, &["user", "passwd", user, "--password-hash", HASH]),
            4 => {
                self.shut_out(stage, slot, token, &["user", "deactivate", user]);
                if dice.below(2) == 0 {
                    // This must revive nothing.
                    self.run(&["user", "activate", user]);
                }
            }
            5 => self.shut_out(stage, slot, token, &["user", "delete", "--yes", user]),
            6 => {
                let (asked, outcome) = self.run(&["session", "revoke", "--all", "--yes"]);
                stage.ledger.end_everybody(None, Responder::CommandLine, (asked, Instant::now()), outcome);
                return true;
            }
            7 => {
                // The servers' clock is that of this process.
                let (moment, before) = (SystemClock.now().saturating_sub(AGE), Instant::now() - AGE);
                let (asked, outcome) = self.run(&["session", "revoke", "--before", &moment.to_string(), "--yes"]);
                stage.ledger.end_everybody(Some(before), Responder::CommandLine, (asked, Instant::now()), outcome);
                return true;
            }
            // Sessions of several users, one after another.
            _ => {
                let device = &*token.device;
                let (asked, outcome) = self.run(&["session", "revoke", "--device", device, "--yes"]);
                stage.ledger.end_device(device, Responder::CommandLine, asked, Instant::now(), outcome);
            }
        }
        false
    }

    fn end_all(&self, stage: &Stage<'_>, slot: usize, token: &Token, arguments: &[&str]) {
        let (asked, outcome) = self.run(arguments);
        if outcome != Outcome::Done {
            // The act may have happened, and logins now may precede or follow it.
            stage.crowd.replace(slot, &token.user);
        }
        stage.ledger.end_all(&token.user, Responder::CommandLine, asked, Instant::now(), outcome);
    }

    fn shut_out(&self, stage: &Stage<'_>, slot: usize, token: &Token, arguments: &[&str]) {
        let user: &User = &token.user;
        user.is_closed.store(true, Ordering::SeqCst);
        stage.crowd.replace(slot, &token.user);
        self.end_all(stage, slot, token, arguments);
    }

    fn run(&self, arguments: &[&str]) -> (Instant, Outcome) {
        let asked = Instant::now();
        let done = self.program.run(arguments);
        (asked, if done.code == Some(0) { Outcome::Done } else { Outcome::Unavailable })
    }
}
