//! One or two nodes on one SQLite file, and their faults.

use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::sql_types::Text;
use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection};

use super::clients::audit;
use super::faults::{Fault, Scene, VICTIMS, kill, pause, pause_and_prune};
use super::node::{Kind, Node};
use super::planted::Bug;
use super::{Report, Scale, run};
use crate::harness::app::{Backend, Database};
use crate::harness::small_disk::SmallDisk;

/// The file, and a separate disk for it, if this user is allowed to mount one.
struct World {
    path: String,
    disk: Option<SmallDisk>,
}

/// A fault that costs no time.
pub(super) const CHECKPOINT: &str = "checkpoint by another";

const FAULTS: &[Fault<World>] = &[
    Fault { name: "kill -9 of a node", inflict: kill },
    Fault { name: "stop of a node", inflict: pause },
    Fault { name: "stop of a node and pruning", inflict: |scene| pause_and_prune(scene, World::prune) },
    Fault { name: "lock held by another", inflict: lock },
    Fault { name: CHECKPOINT, inflict: checkpoint },
    Fault { name: "VACUUM by another", inflict: vacuum },
    // The last one, which is omitted if there is no disk to fill.
    Fault { name: "full disk", inflict: fill },
];

/// Faults of the only node of a file.
const KILLS: &[Fault<World>] = &[
    Fault { name: "kill -9", inflict: |scene| kill_the_only_node(scene, false) },
    // SQLite may be repairing the file when the second signal arrives.
    Fault { name: "kill -9, and again while it starts", inflict: |scene| kill_the_only_node(scene, true) },
];

/// The number of tokens that are checked after each kill: the newest, about as many as are revoked between two kills.
const AUDITED: usize = 100;

impl World {
    fn connect(&self) -> SqliteConnection {
        let mut connection = SqliteConnection::establish(&self.path).expect("the file opens");
        connection.batch_execute("PRAGMA busy_timeout = 10000").expect("a setting");
        connection
    }

    fn check_integrity(&self) {
        for check in ["integrity_check", "foreign_key_check"] {
            let damage = sql::<Text>(&format!("PRAGMA {check}")).load::<String>(&mut self.connect());
            let damage = damage.expect("a verdict");
            assert!(damage.iter().all(|line| line == "ok"), "{check}: {damage:?}");
        }
    }

    /// As the pruner does when the log is long: the newest row stays.
    fn prune(&self) {
        let prune = "DELETE FROM revocation_log WHERE seq < (SELECT max(seq) FROM revocation_log)";
        // A node may have been stopped while it held the lock.
        self.connect().batch_execute(&format!("PRAGMA busy_timeout = 200; {prune}")).ok();
    }
}

/// Kills the only node at a random moment, and checks what it knows after its restart.
fn kill_the_only_node(scene: &mut Scene<'_, World>, twice: bool) {
    let node = &scene.stage.nodes[0];
    let (moment, next) = (scene.dice.millis(0, 30), scene.dice.millis(0, 40));
    // The time of the kill is what the test varies.
    std::thread::sleep(moment);
    node.kill();
    if twice {
        node.kill_while_it_starts(next);
    }
    node.restart();
    let tokens = scene.stage.ledger.tokens();
    audit(scene.stage, &tokens[tokens.len().saturating_sub(AUDITED)..], (0, 1));
}

/// Another process holds the write lock for long, so that no node can write.
fn lock(scene: &mut Scene<'_, World>) {
    let mut connection = scene.world.connect();
    let length = scene.dice.millis(100, 1_500);
    connection.batch_execute("BEGIN IMMEDIATE; UPDATE sweep_state SET id = id").expect("the lock");
    // The length of the lock is what the test varies.
    std::thread::sleep(length);
    connection.batch_execute("COMMIT").expect("a commit");
}

fn checkpoint(scene: &mut Scene<'_, World>) {
    let mut connection = scene.world.connect();
    for _ in 0..5 {
        connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").ok();
        scene.hold(5, 100);
    }
}

fn vacuum(scene: &mut Scene<'_, World>) {
    scene.world.connect().batch_execute("VACUUM").ok();
    scene.hold(5, 100);
}

/// The disk is full for a while. Tokens are revoked meanwhile.
fn fill(scene: &mut Scene<'_, World>) {
    let Some(disk) = &scene.world.disk else { return };
    let slot = scene.dice.index(scene.stage.crowd.slots());
    let victims = scene.actor.log_in(&scene.stage.crowd.user(slot), VICTIMS);
    disk.fill();
    victims.iter().for_each(|token| scene.actor.end_one(token));
    scene.hold(20, 500);
    disk.clear();
}

/// The database on a separate disk, so large that only the fault fills it.
fn on_small_disk(scale: &Scale) -> Option<(SmallDisk, Database)> {
    let mib = 128 + scale.revoked / 200;
    let disk = SmallDisk::of(u32::try_from(mib).expect("a disk"))?;
    let database = Database::of_file(&disk.path().join("knoxide.db"));
    Some((disk, database))
}

/// Runs one node, and kills it repeatedly.
pub(super) fn history_of_kills(scale: &Scale) -> Report {
    let database = Database::migrated(Backend::Sqlite);
    let world = World { path: database.url.strip_prefix("sqlite://").expect("a file").to_owned(), disk: None };
    let store = database.store();
    let start = || vec![Node::start(&database.url, Kind::Child(None))];
    let report = run("SQLite, one node", scale, (&database.url, &store), start, (&world, KILLS));
    world.check_integrity();
    report
}

/// Runs two nodes: the first as it is shipped, the second with this bug if there is one.
pub(super) fn history(scale: &Scale, bug: Option<Bug>) -> Report {
    let on_disk = if bug.is_none() { on_small_disk(scale) } else { None };
    let (disk, database) = on_disk.map_or((None, None), |(disk, database)| (Some(disk), Some(database)));
    let database = database.unwrap_or_else(|| Database::migrated(Backend::Sqlite));
    let faults = if disk.is_some() { FAULTS } else { FAULTS.split_last().map_or(FAULTS, |(_, others)| others) };
    let path = database.url.strip_prefix("sqlite://").expect("a file").to_owned();
    let store = database.store();
    let start = || vec![Node::start(&database.url, Kind::Shipped), Node::start(&database.url, Kind::Child(bug))];
    run("SQLite", scale, (&database.url, &store), start, (&World { path, disk }, faults))
}
