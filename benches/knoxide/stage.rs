//! Everything that the scenarios share: the machine, folders, a Postgres, and which process runs where.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

use crate::child::{Child, Role};
use crate::cluster::Cluster;
use crate::databases::Database;
use crate::load::Span;
use crate::machine::{self, Machine};
use crate::meter::Meter;
use crate::{Backend, Fallible, Options};

/// Warm-up at the start of each measurement, which is not counted.
const WARM_UP: Duration = Duration::from_millis(500);

/// The context of the scenarios. Dropping it removes everything that it started.
pub(crate) struct Stage {
    pub(crate) machine: Machine,
    pub(crate) tokens: u64,
    /// Tokens of the database whose start is measured.
    pub(crate) largest: u64,
    /// Tokens that are revoked and checked afterwards.
    pub(crate) revocations: u64,
    pub(crate) connections: u16,
    pub(crate) rounds: u32,
    pub(crate) seconds: f64,
    patience: Duration,
    pub(crate) backends: Vec<Backend>,
    /// The measured server has this core to itself, if there are two; the load and Postgres share another.
    server_core: Vec<usize>,
    /// The same for servers on two cores, if there are three.
    two_cores: Option<[usize; 2]>,
    /// Where filled databases are kept.
    pub(crate) cache: PathBuf,
    /// The kept databases that this run uses.
    pub(crate) kept: HashMap<PathBuf, Database>,
    cluster: Option<Rc<Cluster>>,
    folder: TempDir,
    made: AtomicU32,
}

impl Stage {
    pub(crate) fn set(options: &Options) -> Fallible<Self> {
        let machine = Machine::look(&options.directory)?;
        let cores = machine::cores();
        // Postgres, which is started later, inherits this process's cores.
        let (server_core, two_cores) = match *cores {
            [first, second, third, ..] => {
                machine::pin_to(&[third])?;
                (vec![first], Some([first, second]))
            }
            [first, second] => {
                machine::pin_to(&[second])?;
                (vec![first], None)
            }
            _ => (Vec::new(), None),
        };
        allow_many_connections()?;
        Ok(Self {
            machine,
            tokens: options.tokens,
            largest: options.largest,
            revocations: options.revocations,
            connections: options.connections,
            rounds: options.rounds,
            seconds: options.seconds,
            patience: Duration::from_secs(options.patience),
            backends: options.databases.clone(),
            server_core,
            two_cores,
            cache: options.cache.clone(),
            kept: HashMap::new(),
            cluster: None,
            folder: tempfile::Builder::new().prefix("knoxide-bench-").tempdir_in(&options.directory)?,
            made: AtomicU32::new(0),
        })
    }

    /// The directory for everything that lasts as long as this run.
    pub(crate) fn base(&self) -> Fallible<&Path> {
        Ok(self.folder.path().parent().ok_or("no folder")?)
    }

    /// Keeps this run's files, and returns their directory: the logs show what went wrong.
    pub(crate) fn keep_files(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }

    /// The address of a new database (a SQLite file yet to be created, or an empty database), and its server.
    pub(crate) fn new_url(&mut self, backend: Backend) -> Fallible<(String, Option<Rc<Cluster>>)> {
        let name = format!("bench_{}", self.made.fetch_add(1, Ordering::Relaxed));
        match backend {
            Backend::Sqlite => {
                Ok((format!("sqlite://{}", self.folder.path().join(format!("{name}.db")).display()), None))
            }
            Backend::Postgres => {
                let cluster = match &self.cluster {
                    Some(cluster) => Rc::clone(cluster),
                    None => Rc::new(Cluster::start_in(self.base()?)?),
                };
                self.cluster = Some(Rc::clone(&cluster));
                PgConnection::establish(&cluster.url())?.batch_execute(&format!("CREATE DATABASE {name}"))?;
                // Over its Unix socket, as usual for a server on the same machine.
                let (socket, port) = (cluster.directory().display(), cluster.address().port());
                Ok((format!("postgres:///{name}?host={socket}&port={port}&user=postgres"), Some(cluster)))
            }
        }
    }

    /// Starts a server or a yardstick on the measured core.
    pub(crate) fn start(&self, role: &Role) -> Fallible<Child> {
        Child::start(role, &self.server_core, self.folder.path())
    }

    /// The same on two cores; `None` if the machine has too few.
    pub(crate) fn start_on_two(&self, role: &Role) -> Fallible<Option<Child>> {
        let cores = self.two_cores.as_ref();
        cores.map(|cores| Child::start(role, cores, self.folder.path())).transpose()
    }

    /// Starts the program as it is shipped, on the measured core. It does not listen yet.
    pub(crate) fn start_shipped(&self, database: &Database) -> Fallible<Child> {
        self.start(&Role::Shipped { url: database.url.clone(), listen: free_address()? })
    }

    /// Measures a child, and the database server if it uses one on Postgres.
    pub(crate) fn meter<'a>(&self, child: &Child, database: Option<&'a Database>) -> Meter<'a> {
        Meter::new(child.id(), database.and_then(|database| database.cluster.as_deref()))
    }

    /// The duration of one measurement.
    pub(crate) fn span(&self) -> Span {
        Span { patience: self.patience, warm_up: WARM_UP, counted: Duration::from_secs_f64(self.seconds) }
    }
}

/// An address that was free a moment ago; no other process is likely to take it.
fn free_address() -> Fallible<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A thousand connections need more descriptors than many systems allow a process.
fn allow_many_connections() -> Fallible<()> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(16_384, |most| most.min(16_384));
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })?;
    }
    Ok(())
}
