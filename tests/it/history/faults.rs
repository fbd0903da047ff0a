//! Faults while the clients work, on any database.

use std::time::Duration;

use super::clients::{Actor, Ambush, Stage};
use crate::harness::dice::Dice;

/// How many tokens a node has cached at the moment of a fault.
pub(super) const VICTIMS: u64 = 10;

/// A fault in this world.
pub(super) struct Fault<W> {
    pub(super) name: &'static str,
    pub(super) inflict: fn(&mut Scene<'_, W>),
}

/// The environment in which faults happen.
pub(super) struct Scene<'a, W> {
    pub(super) stage: Stage<'a>,
    pub(super) world: &'a W,
    pub(super) actor: Actor<'a>,
    pub(super) dice: Dice,
}

impl<'a, W> Scene<'a, W> {
    /// Gives one node a fault from `begin` to `end`. Meanwhile, tokens that it has cached are revoked at other nodes,
    /// and checks of them are already sent to it when it returns.
    pub(super) fn betray(&mut self, number: usize, begin: impl FnOnce(&Self), end: impl FnOnce(&Self)) {
        let (stage, node) = (self.stage, &self.stage.nodes[number]);
        let slot = self.dice.index(stage.crowd.slots());
        let victims = self.actor.log_in(&stage.crowd.user(slot), VICTIMS);
        node.shun(true);
        // Gives cautious clients time to get their last answers from it.
        stage.ledger.wait_for(10, Duration::from_millis(30));
        begin(self);
        let (singly, together) = victims.split_at(victims.len() / 2);
        for token in singly {
            let before = stage.ledger.revoked();
            self.actor.end_one(token);
            if stage.ledger.revoked() == before {
                // The others cannot write: the node was stopped while it held the database's lock.
                break;
            }
        }
        if let Some(token) = together.first() {
            self.actor.end_all(slot, token);
        }
        self.hold(30, 1_000);
        let ambush = Ambush::lay(stage, number, &victims);
        end(self);
        ambush.spring();
        node.shun(false);
    }

    /// Gives all nodes a fault.
    pub(super) fn outage(&mut self, begin: impl FnOnce(&Self), end: impl FnOnce(&Self)) {
        begin(self);
        let length = self.dice.millis(100, 1_500);
        // The time of the fault is what the test varies.
        std::thread::sleep(length);
        end(self);
    }

    /// Waits for this many revocations, but not longer than this many milliseconds.
    pub(super) fn hold(&self, revocations: u64, at_most: u64) {
        self.stage.ledger.wait_for(revocations, Duration::from_millis(at_most));
    }

    /// A random node.
    pub(super) fn any_node(&mut self) -> usize {
        self.dice.index(self.stage.nodes.len())
    }
}

/// `kill -9`, and a restart.
pub(super) fn kill<W>(scene: &mut Scene<'_, W>) {
    let number = scene.any_node();
    scene.betray(number, |scene| scene.stage.nodes[number].kill(), |scene| scene.stage.nodes[number].restart());
}

/// The node is frozen for a while, without noticing.
pub(super) fn pause<W>(scene: &mut Scene<'_, W>) {
    let number = scene.any_node();
    scene.betray(number, |scene| scene.stage.nodes[number].stop(), |scene| scene.stage.nodes[number].go_on());
}

/// As [`pause`], and `prune` deletes what the node would have to read when it continues.
pub(super) fn pause_and_prune<W>(scene: &mut Scene<'_, W>, prune: impl FnOnce(&W)) {
    let number = scene.any_node();
    let wake = |scene: &Scene<'_, W>| {
        prune(scene.world);
        scene.stage.nodes[number].go_on();
    };
    scene.betray(number, |scene| scene.stage.nodes[number].stop(), wake);
}
