//! Two nodes on one file of SQLite, and what can go wrong with it.

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};

use super::faults::{Fault, Scene, kill, pause, pause_and_prune};
use super::node::{Kind, Node};
use super::planted::Bug;
use super::{Report, Scale, run};
use crate::support::app::{Backend, Database};

/// The file.
struct World {
    path: String,
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
];

impl World {
    fn connect(&self) -> SqliteConnection {
        let mut connection = SqliteConnection::establish(&self.path).expect("the file opens");
        connection.batch_execute("PRAGMA busy_timeout = 10000").expect("a setting");
        connection
    }

    /// As the pruner does when the log is long: the newest row stays.
    fn prune(&self) {
        let prune = "DELETE FROM revocation_log WHERE seq < (SELECT max(seq) FROM revocation_log)";
        // A node may have been stopped while it held the lock.
        self.connect().batch_execute(&format!("PRAGMA busy_timeout = 200; {prune}")).ok();
    }
}

/// Somebody else writes for long: nobody else can.
fn lock(scene: &mut Scene<'_, World>) {
    let mut connection = scene.world.connect();
    let length = scene.dice.millis(100, 1_500);
    connection.batch_execute("BEGIN IMMEDIATE; UPDATE sweep_state SET id = id").expect("the lock");
    // The moment is the very thing that is tried out.
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

/// Runs two nodes, the first as it is shipped, the second with this bug if there is one.
pub(super) fn history(scale: &Scale, bug: Option<Bug>) -> Report {
    let database = Database::migrated(Backend::Sqlite);
    let path = database.url.strip_prefix("sqlite://").expect("a file").to_owned();
    let store = database.store();
    let start = || vec![Node::start(&database.url, Kind::Shipped), Node::start(&database.url, Kind::Child(bug))];
    run("SQLite", scale, (&database.url, &store), start, (&World { path }, FAULTS))
}
