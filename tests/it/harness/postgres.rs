//! Postgres for tests: one server, and a database for each test.
//!
//! The server is the one that `KNOXIDE_TEST_POSTGRES` names (a superuser's URL), or else a private one that ends with
//! this process. `KNOXIDE_TEST_POSTGRES=skip` omits the Postgres half, deliberately and never in CI; without any
//! Postgres, the tests that need it fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, RunQueryDsl};

use super::setting;

pub(crate) mod cluster;

use cluster::Cluster;

/// Databases left behind by an earlier run are dropped after this time: no run takes that long.
const STALE_SECONDS: i64 = 2 * 60 * 60;

/// The server that the tests of this process share.
#[derive(Debug)]
pub(crate) struct Shared {
    url: String,
    /// The prefix of all names, which tells leftovers from databases in use.
    prefix: String,
    made: AtomicU32,
    templates: Mutex<BTreeMap<&'static str, String>>,
    /// Ends with the process, if the server is private.
    _own: Option<Cluster>,
}

/// A database of one test, dropped at its end.
#[derive(Debug)]
pub(crate) struct Database {
    url: String,
    name: String,
    server: String,
}

/// The shared server; `None` only if the Postgres half was deliberately omitted.
///
/// # Panics
/// When there is no Postgres.
pub(crate) fn shared() -> Option<&'static Shared> {
    static SHARED: OnceLock<Option<Shared>> = OnceLock::new();
    SHARED.get_or_init(Shared::from_environment).as_ref()
}

impl Shared {
    fn from_environment() -> Option<Self> {
        let in_ci = setting("CI").is_some_and(|ci| ci == "true");
        match setting("KNOXIDE_TEST_POSTGRES").as_deref() {
            Some("skip") if in_ci => panic!("the Postgres tests cannot be skipped in CI"),
            Some("skip") => {
                eprintln!("NOT RUN: the Postgres half of the tests, because KNOXIDE_TEST_POSTGRES=skip");
                None
            }
            Some(url) => Some(Self::at(url.to_owned(), None)),
            None => match Cluster::start() {
                Ok(own) => Some(Self::at(own.url(), Some(own))),
                Err(error) => panic!(
                    "the Postgres half of the tests was NOT RUN: {error}. Install PostgreSQL, or set \
                     KNOXIDE_TEST_POSTGRES to the URL of a superuser, or to skip"
                ),
            },
        }
    }

    fn at(url: String, own: Option<Cluster>) -> Self {
        let mut connection = connect(&url);
        let now: i64 = diesel::select(sql::<BigInt>("extract(epoch FROM now())::bigint"))
            .get_result(&mut connection)
            .expect("the server tells the time");
        let stale = format!(
            "datname FROM pg_database WHERE datname ~ '^knoxide_test_[0-9]+_' \
             AND split_part(datname, '_', 3)::bigint < {}",
            now - STALE_SECONDS
        );
        let stale: Vec<String> =
            diesel::select(sql::<Text>(&stale)).load(&mut connection).expect("the server lists its databases");
        for name in stale {
            // Another run may be doing the same.
            connection.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).ok();
        }
        let prefix = format!("knoxide_test_{now}_{}", std::process::id());
        Self { url, prefix, made: AtomicU32::new(0), templates: Mutex::default(), _own: own }
    }

    /// A new, empty database.
    pub(crate) fn empty_database(&self) -> Database {
        self.create("template1")
    }

    /// A new database: a copy of a template. The template is prepared once for each key, by `prepare`, which gets its
    /// URL.
    pub(crate) fn database(&self, key: &'static str, prepare: fn(&str)) -> Database {
        let template = {
            let mut templates = self.templates.lock().expect("a template could be prepared");
            templates.entry(key).or_insert_with(|| {
                let name = self.new_name();
                connect(&self.url).batch_execute(&format!("CREATE DATABASE {name}")).expect("a template is created");
                prepare(&with_database(&self.url, &name));
                name
            });
            templates[key].clone()
        };
        self.create(&template)
    }

    fn create(&self, template: &str) -> Database {
        let name = self.new_name();
        // The server waits up to five seconds for the last connection to the template to end.
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        connect(&self.url).batch_execute(&create).expect("a database is created");
        Database { url: with_database(&self.url, &name), name, server: self.url.clone() }
    }

    fn new_name(&self) -> String {
        format!("{}_{}", self.prefix, self.made.fetch_add(1, Ordering::Relaxed))
    }
}

impl Database {
    /// Its URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A failing test must show its own reason, not one found while cleaning up.
        PgConnection::establish(&self.server).ok().and_then(|mut server| server.batch_execute(&drop).ok());
    }
}

/// The URL of another database on the same server.
pub(crate) fn with_database(url: &str, name: &str) -> String {
    let (before, query) = url.split_once('?').map_or((url, None), |(before, query)| (before, Some(query)));
    let host = before.find("://").map_or(0, |at| at + 3);
    let end = before[host..].find('/').map_or(before.len(), |at| host + at);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}/{name}{query}", &before[..end])
}

/// Connects as the superuser.
pub(crate) fn connect(url: &str) -> PgConnection {
    // The error would quote the URL, whose password is secret.
    PgConnection::establish(url).unwrap_or_else(|_| panic!("no connection to the Postgres of the tests"))
}
