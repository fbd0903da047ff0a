//! Postgres is killed, stopped, disconnected and silenced under load.

use std::time::{Duration, Instant};

use knoxide::config::HttpSettings;

use super::{Answer, CHECK_LIMIT, Load, PASSWORD, PATIENCE, SLACK, USER, is_live, is_unavailable, wait_for_return};
use crate::harness::app::{App, Database, Setup};
use crate::harness::postgres::cluster::Cluster;
use crate::harness::postgres::shared;
use crate::harness::proxy::Proxy;

/// A pool gives up a thread that is silent for longer.
const SILENT_FOR: Duration = Duration::from_secs(2);

/// A Knoxide server, and its own Postgres behind a proxy.
struct Scene {
    load: Load,
    // In this order, so that clients end before servers.
    _app: App,
    proxy: Proxy,
    cluster: Cluster,
    with_logins: bool,
}

impl Scene {
    /// `None` if the Postgres half of the tests is omitted.
    fn set(check_timeout: Duration, with_logins: bool) -> Option<Self> {
        shared()?;
        let cluster = Cluster::start().expect("a server");
        let proxy = Proxy::to(cluster.address()).expect("a proxy");
        let database = Database::at(format!("postgres://postgres@{}/postgres", proxy.address()));
        let defaults = Setup::default();
        let http = HttpSettings { check_timeout, ..defaults.http };
        let app = App::on(database, Setup { http, ..defaults });
        app.add_user(USER, PASSWORD);
        let load = Load::start(app.address, USER, PASSWORD, with_logins);
        Some(Self { load, _app: app, proxy, cluster, with_logins })
    }

    /// Causes an outage of at least `length`, during which every check must be answered 503, and after which everything
    /// must work again.
    fn outage(&mut self, name: &str, length: Duration, begin: fn(&mut Self), end: fn(&mut Self)) {
        begin(self);
        let begun = Instant::now();
        let late = move |answer: &Answer| is_unavailable(answer) && answer.asked > begun + length;
        self.load.wait_for(&format!("a 503 during: {name}"), begun, begun + length + PATIENCE, late);
        let during = self.load.between(begun, Instant::now());
        let others: Vec<_> = during.iter().filter(|answer| answer.status != 503).take(8).collect();
        assert!(others.is_empty(), "during {name}: {others:#?}");
        end(self);
        wait_for_return(&self.load, name, Instant::now(), self.with_logins);
    }

    /// Whether checks work again, over new connections, after all open ones fell silent.
    fn survives_silence_for_ever(&self) -> bool {
        self.proxy.strand();
        let begun = Instant::now();
        let enough = begun + SILENT_FOR + CHECK_LIMIT + SLACK;
        let settled = |answer: &Answer| is_live(answer) || answer.asked > enough;
        is_live(&self.load.wait_for("an answer", begun, enough + PATIENCE, settled))
    }
}

#[test]
fn killed_stopped_cut_off_and_silenced_it_costs_503s_and_nothing_else() {
    let Some(mut scene) = Scene::set(CHECK_LIMIT, true) else { return };
    for _ in 0..3 {
        scene.outage(
            "a crash",
            Duration::ZERO,
            |scene| scene.cluster.kill(),
            |scene| scene.cluster.resume().expect("it starts again"),
        );
        // Long enough that all threads are given up and replaced.
        let long = SILENT_FOR + Duration::from_secs(1);
        scene.outage("a stop", long, |scene| scene.cluster.freeze(), |scene| scene.cluster.thaw());
        scene.outage(
            "a cut",
            Duration::ZERO,
            |scene| {
                scene.proxy.refuse(true);
                scene.proxy.cut();
            },
            |scene| scene.proxy.refuse(false),
        );
        scene.outage("silence", Duration::from_millis(500), |scene| scene.proxy.freeze(), |scene| scene.proxy.thaw());
        scene.outage(
            "silence and a cut",
            Duration::ZERO,
            |scene| scene.proxy.freeze(),
            |scene| {
                scene.proxy.cut();
                scene.proxy.thaw();
            },
        );
    }
    // Connections that break without any other fault.
    for _ in 0..10 {
        scene.proxy.cut();
        wait_for_return(&scene.load, "a short cut", Instant::now(), true);
    }
    scene.load.finish(CHECK_LIMIT + SLACK);
}

#[test]
fn however_often_it_stops_no_thread_is_lost() {
    let check_timeout = Duration::from_millis(100);
    let Some(mut scene) = Scene::set(check_timeout, true) else { return };
    for _ in 0..12 {
        scene.outage("a stop", Duration::ZERO, |scene| scene.cluster.freeze(), |scene| scene.cluster.thaw());
    }
    scene.load.finish(check_timeout + SLACK);
}

/// Here every open connection stays silent, and none is closed: each time, the threads on them are given up and
/// replaced. Once all spare threads are given up too, only closing the silent connections helps, and makes the spare
/// threads available again.
#[test]
fn connections_that_are_silent_for_ever_cost_spare_threads() {
    let Some(scene) = Scene::set(CHECK_LIMIT, false) else { return };
    for _ in 0..2 {
        let mut survived = 0;
        while scene.survives_silence_for_ever() {
            survived += 1;
            assert!(survived < 12, "the number of spare threads has a bound");
        }
        assert!(survived >= 2, "the threads were not replaced");
        scene.proxy.cut();
        wait_for_return(&scene.load, "silence for ever", Instant::now(), false);
    }
    scene.load.finish(CHECK_LIMIT + SLACK);
}
