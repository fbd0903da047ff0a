//! Databases that are filled without going through the server, and thrown away or kept for the next run.

use std::rc::Rc;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection, SqliteConnection};
use knoxide::store::diesel::{DieselStore, StoreOptions};

use crate::cluster::Cluster;
use crate::population::Block;
use crate::stage::Stage;
use crate::{Backend, Fallible, fill};

pub(crate) mod keep;

/// A plain connection to either database.
pub(crate) enum AnyConnection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Connects without the store.
pub(crate) fn connect(url: &str) -> Fallible<AnyConnection> {
    Ok(match url.strip_prefix("sqlite://") {
        Some(path) => {
            let mut connection = SqliteConnection::establish(path)?;
            connection.batch_execute("PRAGMA busy_timeout = 5000")?;
            AnyConnection::Sqlite(connection)
        }
        None => AnyConnection::Postgres(PgConnection::establish(url)?),
    })
}

/// A database with the newest schema and users in it.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) backend: Backend,
    pub(crate) url: String,
    /// The Postgres server that holds it, which stops when its last database is dropped.
    pub(crate) cluster: Option<Rc<Cluster>>,
}

impl Database {
    /// A new database with these users, who all have [`crate::population::PASSWORD`], hashed at `cost`.
    pub(crate) fn filled(stage: &mut Stage, backend: Backend, blocks: &[Block], cost: u32) -> Fallible<Self> {
        let (url, cluster) = stage.new_url(backend)?;
        migrate_and_fill(&url, blocks, cost)?;
        Ok(Self { backend, url, cluster })
    }

    /// The name of the database in results.
    pub(crate) const fn name(&self) -> &'static str {
        match self.backend {
            Backend::Sqlite => "SQLite",
            Backend::Postgres => "PostgreSQL",
        }
    }
}

fn migrate_and_fill(url: &str, blocks: &[Block], cost: u32) -> Fallible<()> {
    DieselStore::open(url, StoreOptions::default())?.migrate()?;
    fill::fill(url, blocks, cost)
}
