//! Everything that the scenarios share: the machine, a folder, a Postgres, and who runs where.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use tempfile::TempDir;

use crate::child::{Child, Role};
use crate::cluster::Cluster;
use crate::databases::Database;
use crate::load::Span;
use crate::machine::{self, Machine};
use crate::meter::Meter;
use crate::{Backend, Fallible, Options};

/// Not counted at the start of each measurement.
const WARM_UP: Duration = Duration::from_millis(500);

/// What the scenarios work with. All that it started is gone when it is dropped.
pub(crate) struct Stage {
    pub(crate) machine: Machine,
    pub(crate) tokens: u64,
    pub(crate) connections: u16,
    pub(crate) rounds: u32,
    pub(crate) seconds: f64,
    patience: Duration,
    pub(crate) backends: Vec<Backend>,
    /// What is measured has this core for itself; the load and Postgres share another.
    server_core: Option<usize>,
    cluster: Option<Cluster>,
    folder: TempDir,
    made: AtomicU32,
}

impl Stage {
    pub(crate) fn set(options: &Options) -> Fallible<Self> {
        let machine = Machine::look(&options.directory)?;
        let cores = machine::cores();
        let server_core = match *cores {
            // Postgres, which is started later, stays with this process.
            [first, second, ..] => {
                machine::pin_to(second)?;
                Some(first)
            }
            _ => None,
        };
        Ok(Self {
            machine,
            tokens: options.tokens,
            connections: options.connections,
            rounds: options.rounds,
            seconds: options.seconds,
            patience: Duration::from_secs(options.patience),
            backends: options.databases.clone(),
            server_core,
            cluster: None,
            folder: tempfile::Builder::new().prefix("knoxide-bench-").tempdir_in(&options.directory)?,
            made: AtomicU32::new(0),
        })
    }

    /// Where a new database is: a SQLite file yet to be made, or an empty database.
    pub(crate) fn new_url(&mut self, backend: Backend) -> Fallible<String> {
        let name = format!("bench_{}", self.made.fetch_add(1, Ordering::Relaxed));
        match backend {
            Backend::Sqlite => Ok(format!("sqlite://{}", self.folder.path().join(format!("{name}.db")).display())),
            Backend::Postgres => {
                let base = self.folder.path().parent().ok_or("no folder")?;
                let cluster = match &mut self.cluster {
                    Some(cluster) => cluster,
                    None => self.cluster.insert(Cluster::start_in(base)?),
                };
                let url = cluster.url();
                PgConnection::establish(&url)?.batch_execute(&format!("CREATE DATABASE {name}"))?;
                let server = url.strip_suffix("/postgres").ok_or("another URL than was thought")?;
                Ok(format!("{server}/{name}"))
            }
        }
    }

    /// Starts a server or a yardstick on the core that is measured.
    pub(crate) fn start(&self, role: &Role) -> Fallible<Child> {
        Child::start(role, self.server_core, self.folder.path())
    }

    /// Watches a child, and the database if it uses one.
    pub(crate) fn meter(&self, child: &Child, database: Option<&Database>) -> Meter<'_> {
        let postgres = database.filter(|database| database.backend == Backend::Postgres);
        Meter::new(child.id(), postgres.and(self.cluster.as_ref()))
    }

    /// One measurement.
    pub(crate) fn span(&self) -> Span {
        Span { patience: self.patience, warm_up: WARM_UP, counted: Duration::from_secs_f64(self.seconds) }
    }
}
