//! From settings to a running server, and to its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::signal::unix::{SignalKind, signal};

use super::bootstrap::{self, FirstUser, Made, Making, PasswordDelivery};
use super::process::{self, TooFewFiles};
use super::sweeper::clocks_agree;
use super::{Administration, BindError, KeyReloader, Server, Stopper, reserve, sweeper};
use crate::config::{ListenAddress, Settings};
use crate::domain::password::{CostOutOfRange, Hasher};
use crate::domain::random::{Random, RandomError};
use crate::domain::time::Clock;
use crate::service::Auth;
use crate::store::diesel::{DieselStore, StoreOptions};
use crate::store::{AdminStore, KeyError, Store, StoreError, UserFilter};

/// Events at the start and the end, for the terminal or the log.
#[derive(Debug)]
pub enum Announcement<'a> {
    /// Migrations that ran.
    Migrated(&'a [String]),
    /// The first user was created.
    FirstUser(&'a FirstUser),
    /// The start failed while the first user was being created: its password may be in use.
    PerhapsFirstUser(&'a FirstUser),
    /// The server accepts requests at these addresses.
    Listening(&'a [ListenAddress]),
    /// It accepts requests of administrators at these addresses.
    Administration(&'a [ListenAddress]),
    /// The server received a signal to stop.
    Stopping,
}

/// Why the server did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// There are no random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The signing keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The cost of hashing is out of range.
    #[error(transparent)]
    Cost(#[from] CostOutOfRange),
    /// The server cannot listen on an address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The process may not open enough files.
    #[error(transparent)]
    Files(#[from] TooFewFiles),
    /// The operating system refused something.
    #[error("{0}")]
    System(#[from] std::io::Error),
    /// The file with the random password could not be written.
    #[error("the first password could not be written to a file in {}: {error}", folder.display())]
    PasswordFile {
        /// Its folder.
        folder: PathBuf,
        /// The error.
        #[source]
        error: std::io::Error,
    },
}

/// Starts the server and serves until SIGTERM or SIGINT, then finishes the accepted requests.
///
/// Migrates the database first, and creates the first user if there is none.
///
/// # Errors
/// Why it did not start, or could not continue.
pub fn serve(
    mut settings: Settings,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    delivery: &PasswordDelivery,
    announce: &mut dyn FnMut(Announcement<'_>),
) -> Result<(), StartError> {
    process::raise_files()?;
    if let Err(error) = process::forbid_core_dumps() {
        log::warn!("a crash may write the memory of this process to a file: {error}");
    }
    let options = StoreOptions { create: settings.database.create, ..StoreOptions::default() };
    let store = Arc::new(DieselStore::open_url(settings.database.url.clone(), options)?);
    let migrated = store.migrate()?;
    if !migrated.is_empty() {
        announce(Announcement::Migrated(&migrated));
    }
    clocks_agree(&store, &*clock)?;
    if let Some((language, cure)) = store.foreign_messages()? {
        log::warn!(language;
            "Postgres reports errors in a language in which some are not recognised; as a superuser, run: {cure}");
    }
    let hasher = Hasher::new(settings.passwords.bcrypt_cost)?;
    let mut connection = store.connect()?;
    connection.ping()?;
    if store.list_users(&UserFilter { limit: 1, ..UserFilter::default() })?.is_empty() {
        let given = settings.passwords.admin.take();
        let making = Making { given, delivery, hasher: &hasher, random: &*random, now: clock.now() };
        match bootstrap::make_admin(&*store, making)? {
            Made::Here(first) => announce(Announcement::FirstUser(&first)),
            Made::ByAnother => {}
            Made::Perhaps(first, error) => {
                announce(Announcement::PerhapsFirstUser(&first));
                return Err(error.into());
            }
        }
    } else if let Some(given) = settings.passwords.admin.take() {
        bootstrap::tell_if_useless(&given, &mut *connection, &hasher)?;
    }
    let folder = PasswordDelivery::folder(&settings.database.url);
    if let Some(first) = bootstrap::settle(&folder, &mut *connection, &hasher)? {
        announce(Announcement::FirstUser(&first));
    }
    drop(connection);
    let (keys, ring) = KeyReloader::open(Arc::clone(&store), settings.jwt.clone(), &*random, clock.now())?;
    let drawn = Arc::clone(&random);
    let auth = Auth::builder(Arc::clone(&store))
        .policy(settings.tokens.policy.clone())
        .keys(ring)
        .clock(Arc::clone(&clock))
        .random(random)
        .hasher(hasher)
        .throttle(settings.throttle.clone())
        .password_threads(settings.passwords.threads)
        .check_timeout(settings.http.check_timeout)
        .cached_tokens(settings.http.cache_tokens)
        .build()
        .map_err(KeyError::Bad)?;
    let admin = settings.admin.listen.is_some().then(|| {
        Administration::new(&settings, auth.clone(), Arc::clone(&store) as Arc<dyn AdminStore>, (drawn, hasher))
    });
    let following = keys.follow(auth.clone())?;
    let reserving = reserve::follow(Arc::clone(&store))?;
    let emptying = sweeper::start_emptying(Arc::clone(&store), settings.tokens.sweep_interval)?;
    let sweeping = sweeper::start(store, clock, settings.tokens.sweep_interval, settings.sweep_policy())?;
    let result = actix_web::rt::System::new().block_on(run(&settings, auth.clone(), admin.as_ref(), announce));
    if let Some(admin) = admin {
        admin.close();
    }
    auth.close(Duration::from_secs(2));
    drop((sweeping, emptying, following, reserving));
    result
}

async fn run(
    settings: &Settings,
    auth: Auth,
    admin: Option<&Administration>,
    announce: &mut dyn FnMut(Announcement<'_>),
) -> Result<(), StartError> {
    let server = Server::bind_beside(&settings.http, auth, admin)?;
    let apart = admin.map(|admin| Server::bind_administration(&settings.http, admin)).transpose()?.flatten();
    let stoppers: Vec<_> = std::iter::once(&server).chain(&apart).map(Server::stopper).collect();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    announce(Announcement::Listening(server.addresses()));
    if let Some(admin) = admin {
        let beside = settings.http.listen.iter().filter(|address| admin.shares(address)).cloned();
        let addresses: Vec<_> = beside.chain(apart.iter().flat_map(Server::addresses).cloned()).collect();
        announce(Announcement::Administration(&addresses));
    }
    let stop_on_signal = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stoppers.iter().for_each(Stopper::announce);
        announce(Announcement::Stopping);
        tokio::time::sleep(settings.http.shutdown_delay).await;
        join_all(stoppers.iter().map(Stopper::stop)).await;
    };
    let mut serving = std::pin::pin!(try_join_all(std::iter::once(server).chain(apart).map(Server::run)));
    tokio::select! {
        ended = &mut serving => ended?,
        () = stop_on_signal => serving.await?,
    };
    Ok(())
}
