//! Three nodes on one Postgres, each behind a proxy, one of them through PgBouncer as well; and
//! their faults.

use std::sync::{Mutex, MutexGuard};

use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;
use knoxide::domain::time::{Clock as _, SystemClock};
use knoxide::store::SweepPolicy;
use knoxide::store::diesel::{DieselStore, StoreOptions};

use super::faults::{Fault, Scene, kill, pause, pause_and_prune};
use super::node::{Kind, Node};
use super::planted::Bug;
use super::{Report, Scale, run};
use crate::harness::app::Database;
use crate::harness::pgbouncer::{PgBouncer, Statements};
use crate::harness::postgres::cluster::Cluster;
use crate::harness::postgres::{connect, shared};
use crate::harness::proxy::{Proxy, Towards};
use crate::harness::{program, setting};

/// Rows of the log that an old transaction makes every poll skip: more than the limit.
const LONG_LOG: &str = "INSERT INTO revocation_log (session_id)
    SELECT decode(md5(number::text), 'hex') FROM generate_series(1, 3000) number";

/// The environment of the nodes.
struct World {
    // In this order, so that clients end before servers.
    proxies: Vec<Proxy>,
    pooler: PgBouncer,
    url: String,
    cluster: Mutex<Cluster>,
}

/// A fault that makes every node fail for a moment.
pub(super) const TERMINATE: &str = "end of all sessions of Postgres";

const FAULTS: &[Fault<World>] = &[
    Fault { name: "kill -9 of a node", inflict: kill },
    Fault { name: "stop of a node", inflict: pause },
    Fault { name: "stop of a node and pruning", inflict: |scene| pause_and_prune(scene, World::prune) },
    Fault { name: "silent connections", inflict: silence },
    Fault { name: "cut connections", inflict: cut },
    Fault { name: "stranded connections", inflict: strand },
    Fault { name: "connections cut in mid-answer", inflict: break_off },
    Fault { name: "stop of PgBouncer", inflict: stop_pooler },
    Fault {
        name: "stop of Postgres",
        inflict: |scene| scene.outage(|on| on.cluster().freeze(), |on| on.cluster().thaw()),
    },
    Fault { name: "kill -9 of Postgres", inflict: |scene| scene.outage(|on| on.cluster().kill(), resume) },
    Fault { name: "restart of Postgres", inflict: |scene| scene.outage(|on| on.cluster().stop(), resume) },
    Fault { name: TERMINATE, inflict: terminate },
    Fault { name: "old transaction", inflict: old_transaction },
];

impl World {
    fn connect(&self) -> PgConnection {
        connect(&self.url)
    }

    /// What the pruner does in two steps an hour apart, done here at once.
    fn prune(&self) {
        let store = DieselStore::open(&self.url, StoreOptions::default()).expect("a store");
        for _ in 0..2 {
            self.connect().batch_execute("UPDATE revocation_horizon SET next_taken = 0").expect("an update");
            store.sweep(SystemClock.now(), &SweepPolicy::default(), &|| true).expect("a sweep");
        }
    }
}

impl Scene<'_, World> {
    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.world.cluster.lock().expect("no panic")
    }
}

fn resume(scene: &Scene<'_, World>) {
    scene.cluster().resume().expect("Postgres starts again");
}

/// No data passes between a node and its database, and neither notices.
fn silence(scene: &mut Scene<'_, World>) {
    let number = scene.any_node();
    let proxy = &scene.world.proxies[number];
    scene.betray(number, |_| proxy.freeze(), |_| proxy.thaw());
}

fn cut(scene: &mut Scene<'_, World>) {
    let number = scene.any_node();
    let proxy = &scene.world.proxies[number];
    let begin = |_: &_| {
        proxy.refuse(true);
        proxy.cut();
    };
    scene.betray(number, begin, |_| proxy.refuse(false));
}

/// Open connections fall silent permanently, while new connections are accepted.
fn strand(scene: &mut Scene<'_, World>) {
    let number = scene.any_node();
    let proxy = &scene.world.proxies[number];
    scene.betray(number, |_| proxy.strand(), |_| proxy.cut());
}

/// Each connection ends in the middle of a message.
fn break_off(scene: &mut Scene<'_, World>) {
    let number = scene.any_node();
    let proxy = &scene.world.proxies[number];
    for way in [Towards::Server, Towards::Client] {
        proxy.break_off(Some((way, 1_000 + scene.dice.below(20_000))));
        scene.hold(20, 500);
    }
    proxy.break_off(None);
    proxy.cut();
}

/// All nodes behind the pooler wait.
fn stop_pooler(scene: &mut Scene<'_, World>) {
    let id = scene.world.pooler.id().to_string();
    let last = scene.stage.nodes.len() - 1;
    let signal = |name: &str| drop(program::tool("sh", &["-c", &format!("kill -{name} {id}")]));
    scene.betray(last, |_| signal("STOP"), |_| signal("CONT"));
}

/// The server ends every session but the current one.
fn terminate(scene: &mut Scene<'_, World>) {
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    for _ in 0..3 {
        scene.world.connect().batch_execute(end).expect("a command");
        scene.hold(10, 300);
    }
}

/// A transaction with an id stays open: every snapshot taken meanwhile treats all newer rows as new, and there are more
/// than a node may skip.
fn old_transaction(scene: &mut Scene<'_, World>) {
    let mut old = scene.world.connect();
    old.batch_execute("BEGIN; SELECT pg_current_xact_id()").expect("a transaction");
    scene.hold(20, 500);
    scene.world.connect().batch_execute(LONG_LOG).expect("rows");
    scene.hold(50, 1_000);
    pause(scene);
    old.batch_execute("COMMIT").expect("a commit");
    scene.hold(20, 500);
}

/// Runs three nodes: the first as it is shipped, the second with this bug if there is one, the third through PgBouncer.
/// `None` if the Postgres half of the tests is omitted.
pub(super) fn history(scale: &Scale, bug: Option<Bug>) -> Option<Report> {
    shared()?;
    let cluster = Cluster::start().expect("a server");
    let mode = setting("KNOXIDE_HISTORY_POOL").unwrap_or_else(|| "session".to_owned());
    let pooler = PgBouncer::before(cluster.address(), &mode, Statements::Known);
    let pooler =
        pooler.expect("PgBouncer is not installed, or too old for this mode; on Debian, scripts/test installs it");
    let behind = [cluster.address(), cluster.address(), pooler.address()];
    let proxies: Vec<_> = behind.into_iter().map(|target| Proxy::to(target).expect("a proxy")).collect();
    let database = Database::at(cluster.url());
    let world = World { proxies, pooler, url: cluster.url(), cluster: Mutex::new(cluster) };
    let kinds = [Kind::Shipped, Kind::Child(bug), Kind::Child(None)];
    let start = |proxies: &[Proxy]| {
        let urls = proxies.iter().map(|proxy| format!("postgres://postgres@{}/postgres", proxy.address()));
        urls.zip(kinds).map(|(url, kind)| Node::start(&url, kind)).collect()
    };
    let store = database.store();
    Some(run("Postgres", scale, (&world.url, &store), || start(&world.proxies), (&world, FAULTS)))
}
