//! The private Postgres servers.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, RunQueryDsl};

use crate::harness::postgres::cluster::Cluster;
use crate::harness::postgres::{connect, shared, with_database};
use crate::harness::proxy::Proxy;

fn number(connection: &mut PgConnection, expression: &str) -> Result<i64, diesel::result::Error> {
    diesel::select(sql::<BigInt>(expression)).get_result(connection)
}

fn prepare(url: &str) {
    connect(url).batch_execute("CREATE TABLE t (n BIGINT); INSERT INTO t VALUES (7)").expect("prepared");
}

#[test]
fn each_test_has_a_database_of_its_own_from_one_template() {
    let Some(server) = shared() else { return };
    let one = server.database("harness", prepare);
    let two = server.database("harness", prepare);
    connect(one.url()).batch_execute("UPDATE t SET n = 8").expect("written");
    assert_eq!(number(&mut connect(one.url()), "n FROM t"), Ok(8));
    assert_eq!(number(&mut connect(two.url()), "n FROM t"), Ok(7));
    assert!(number(&mut connect(server.empty_database().url()), "n FROM t").is_err());
}

#[test]
fn databases_are_made_by_many_tests_at_once() {
    let Some(server) = shared() else { return };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| server.database("crowd", prepare))).collect();
        for thread in threads {
            let database = thread.join().expect("a database");
            assert_eq!(number(&mut connect(database.url()), "n FROM t"), Ok(7));
        }
    });
}

#[test]
fn a_dropped_database_is_gone_although_somebody_is_connected() {
    let Some(server) = shared() else { return };
    let database = server.empty_database();
    let url = database.url().to_owned();
    let mut open = connect(&url);
    drop(database);
    assert!(number(&mut open, "1::bigint").is_err());
    assert!(PgConnection::establish(&url).is_err());
}

#[test]
fn a_private_server_is_durable_and_survives_a_crash() {
    let Some(_) = shared() else { return };
    let mut cluster = Cluster::start().expect("a server");
    let mut connection = connect(&cluster.url());
    let fsync: String =
        diesel::select(sql::<Text>("current_setting('fsync')")).get_result(&mut connection).expect("it");
    assert_eq!(fsync, "on");
    prepare(&cluster.url());
    cluster.kill();
    assert!(number(&mut connection, "1::bigint").is_err());
    assert!(PgConnection::establish(&cluster.url()).is_err());
    cluster.resume().expect("it starts again");
    assert_eq!(number(&mut connect(&cluster.url()), "n FROM t"), Ok(7));
    cluster.stop();
    assert!(PgConnection::establish(&cluster.url()).is_err());
    cluster.resume().expect("it starts once more");
    assert_eq!(number(&mut connect(&cluster.url()), "n FROM t"), Ok(7));
}

#[test]
fn a_frozen_server_is_silent_until_it_thaws() {
    let Some(_) = shared() else { return };
    let cluster = Cluster::start().expect("a server");
    let mut connection = connect(&cluster.url());
    assert_eq!(number(&mut connection, "1::bigint"), Ok(1));
    let (send, receive) = std::sync::mpsc::channel();
    cluster.freeze();
    std::thread::scope(|scope| {
        scope.spawn(move || send.send(number(&mut connection, "2::bigint")));
        assert!(receive.recv_timeout(Duration::from_millis(300)).is_err());
        cluster.thaw();
        assert_eq!(receive.recv_timeout(Duration::from_secs(30)), Ok(Ok(2)));
    });
}

#[test]
fn a_proxy_stands_before_a_private_server() {
    let Some(_) = shared() else { return };
    let cluster = Cluster::start().expect("a server");
    let proxy = Proxy::to(cluster.address()).expect("a proxy");
    let url = format!("postgres://postgres@{}/postgres", proxy.address());
    let mut connection = connect(&url);
    assert_eq!(number(&mut connection, "1::bigint"), Ok(1));
    proxy.cut();
    assert!(number(&mut connection, "1::bigint").is_err());
    assert_eq!(number(&mut connect(&url), "1::bigint"), Ok(1));
}

#[test]
fn a_dropped_server_leaves_nothing_behind() {
    let Some(_) = shared() else { return };
    let cluster = Cluster::start().expect("a server");
    let url = cluster.url();
    let mut connection = connect(&url);
    let query = sql::<Text>("current_setting('data_directory')");
    let directory: String = diesel::select(query).get_result(&mut connection).expect("its directory");
    assert!(std::path::Path::new(&directory).exists());
    let asked = Instant::now();
    drop(cluster);
    assert!(!std::path::Path::new(&directory).exists(), "after {:?}", asked.elapsed());
    assert!(PgConnection::establish(&url).is_err());
}

#[test]
fn urls_name_another_database() {
    for (url, expected) in [
        ("postgres://u:p@h:1/a", "postgres://u:p@h:1/b"),
        ("postgres://h", "postgres://h/b"),
        ("postgresql://h/a?sslmode=disable&x=/y", "postgresql://h/b?sslmode=disable&x=/y"),
    ] {
        assert_eq!(with_database(url, "b"), expected);
    }
}
