//! Connections to the database that broke while idle, and commits whose answer was lost.

#[cfg(feature = "postgres")]
mod idle;
#[cfg(feature = "postgres")]
mod lost_commits;
#[cfg(feature = "postgres")]
mod standby;

#[cfg(feature = "postgres")]
use std::net::{SocketAddr, ToSocketAddrs as _};
#[cfg(feature = "postgres")]
use std::time::Duration;

#[cfg(feature = "postgres")]
use knoxide::config::HttpSettings;
#[cfg(feature = "postgres")]
use knoxide::store::AdminStore as _;

#[cfg(feature = "postgres")]
use crate::harness::app::{App, Backend, Client, Database, Setup};
#[cfg(feature = "postgres")]
use crate::harness::postgres::{connect, shared};
#[cfg(feature = "postgres")]
use crate::harness::proxy::Proxy;

#[cfg(feature = "postgres")]
const USER: &str = "alice";
#[cfg(feature = "postgres")]
const PASSWORD: &str = "correct horse";

/// A Knoxide server, and a proxy between it and its database.
#[cfg(feature = "postgres")]
struct Behind {
    app: App,
    proxy: Proxy,
    /// The database's URL without the proxy.
    direct: String,
    _database: Database,
}

#[cfg(feature = "postgres")]
impl Behind {
    /// `None` if the Postgres half of the tests is omitted.
    fn proxy(setup: Setup) -> Option<Self> {
        shared()?;
        let setup = patient(setup);
        let database = Database::migrated(Backend::Postgres);
        let direct = database.url.clone();
        let proxy = Proxy::to(address_in(&direct)).expect("a proxy");
        let app = App::on(Database::at(with_address(&direct, proxy.address())), setup);
        app.add_user(USER, PASSWORD);
        Some(Self { app, proxy, direct, _database: database })
    }

    /// Makes every thread that holds a connection open it.
    fn warm_up(&self) {
        let mut clients: Vec<Client> = (0..8).map(|_| self.app.client()).collect();
        for _ in 0..2 {
            let tokens: Vec<String> = clients.iter_mut().map(|client| client.login(USER, PASSWORD)).collect();
            for (client, token) in clients.iter_mut().zip(&tokens) {
                assert_eq!((client.check(token), client.logout(token), client.check(token)), (200, 200, 401));
            }
        }
        self.app.store.list_keys().expect("an answer");
    }

    /// Waits until the database server has no connection from Knoxide.
    fn wait_until_unconnected(&self) {
        let left = "SELECT count(*) FROM pg_stat_activity, (SELECT pg_sleep(0.02)) AS pause \
                    WHERE datname = current_database() AND application_name = 'knoxide'";
        while self.count(left) > 0 {}
    }

    /// A single number from the database.
    fn count(&self, what: &str) -> i64 {
        number(&mut connect(&self.direct), what)
    }
}

/// The result of a query with a single number.
#[cfg(feature = "postgres")]
fn number(connection: &mut diesel::PgConnection, query: &str) -> i64 {
    use diesel::RunQueryDsl as _;
    let number = diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(&format!("({query})")));
    number.get_result(connection).expect("a number")
}

/// Connecting may take long on a busy machine; the test is about whether it works, not how fast.
#[cfg(feature = "postgres")]
fn patient(setup: Setup) -> Setup {
    let http = HttpSettings { check_timeout: Duration::from_secs(20), ..setup.http };
    Setup { http, ..setup }
}

#[cfg(feature = "postgres")]
fn split(url: &str) -> (&str, &str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    let host = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
    (&url[..host], &url[host..end], &url[end..])
}

#[cfg(feature = "postgres")]
fn address_in(url: &str) -> SocketAddr {
    let (_, host, _) = split(url);
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:5432") };
    host.to_socket_addrs().expect("an address").next().expect("an address")
}

#[cfg(feature = "postgres")]
fn with_address(url: &str, address: SocketAddr) -> String {
    let (before, _, after) = split(url);
    format!("{before}{address}{after}")
}
