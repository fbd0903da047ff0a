//! The program around the service: addresses, workers, a stop that loses nothing.

use std::fs::Metadata;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer};

use crate::config::{ContractMode, HttpSettings, ListenAddress};
use crate::http::address::Proxies;
use crate::http::request_log::RequestLog;
use crate::http::{Contract, HttpOptions, HttpState};
use crate::service::Auth;

mod first_start;
mod keys;
mod repeating;
mod reserve;
mod start;
mod sweeper;

pub use first_start::{ADMIN, FirstUser, Handover};
pub use keys::LiveKeys;
pub use start::{Announcement, StartError, serve};

/// Actix judges slow heads by a clock that it reads every half second. Without this much on top, a
/// short time-out would be over before it began.
const CLOCK_GRAIN: Duration = Duration::from_millis(500);

/// The most connections that one worker holds.
const MOST_CONNECTIONS: usize = 25_000;

/// A server that is bound to its addresses, and runs once it is told to.
pub struct Server {
    server: actix_web::dev::Server,
    state: HttpState,
    addresses: Vec<ListenAddress>,
    sockets: Vec<UnixSocketFile>,
}

/// An address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}")]
pub struct BindError {
    /// The address.
    pub address: ListenAddress,
    /// Why.
    #[source]
    pub error: io::Error,
}

impl Server {
    /// Binds all addresses of `http`, and mounts its dialects.
    ///
    /// # Errors
    /// The first address that cannot be listened on.
    pub fn bind(http: &HttpSettings, auth: Auth) -> Result<Self, BindError> {
        let options = HttpOptions {
            dialects: http.dialects.clone(),
            contract: match http.contract {
                ContractMode::Seed => Contract::Seed,
                ContractMode::Package => Contract::Package,
            },
            body_limit: http.body_limit,
            read_timeout: http.read_timeout,
            proxies: Proxies { networks: http.trusted_proxies.networks.clone(), unix: http.trusted_proxies.unix },
        };
        let state = HttpState::new(options, auth);
        let app_state = state.clone();
        let mut server = HttpServer::new(move || {
            App::new()
                .wrap(RequestLog::new(app_state.clone()))
                .configure(|config| crate::http::configure(config, &app_state))
        })
        .on_connect(crate::http::address::note_listener)
        .workers(http.workers)
        .max_connections(connections_each(http.workers))
        .client_request_timeout(http.read_timeout + CLOCK_GRAIN)
        .client_disconnect_timeout(Duration::from_secs(1))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(http.shutdown_timeout.as_secs().max(1))
        .disable_signals();
        let mut addresses = Vec::new();
        let mut sockets = Vec::new();
        for address in &http.listen {
            let failed = |error| BindError { address: address.clone(), error };
            match address {
                ListenAddress::Tcp(socket) => {
                    let listener = TcpListener::bind(socket).map_err(failed)?;
                    addresses.push(ListenAddress::Tcp(listener.local_addr().map_err(failed)?));
                    server = server.listen(listener).map_err(failed)?;
                }
                ListenAddress::Unix(path) => {
                    let (listener, file) = bind_unix(path).map_err(failed)?;
                    server = server.listen_uds(listener).map_err(failed)?;
                    sockets.push(file);
                    addresses.push(address.clone());
                }
            }
        }
        Ok(Self { server: server.run(), state, addresses, sockets })
    }

    /// The addresses in use, with the ports that were chosen for port 0.
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// The first TCP address, if there is one.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.addresses.iter().find_map(|address| match address {
            ListenAddress::Tcp(socket) => Some(*socket),
            ListenAddress::Unix(_) => None,
        })
    }

    /// A handle that stops the server from elsewhere.
    pub fn stopper(&self) -> Stopper {
        Stopper { server: self.server.handle(), state: self.state.clone() }
    }

    /// Serves until it is stopped by its [`Stopper`].
    ///
    /// # Errors
    /// When accepting connections fails for good.
    pub async fn run(self) -> io::Result<()> {
        let result = self.server.await;
        drop(self.sockets);
        result
    }
}

/// Stops a running [`Server`].
#[derive(Clone)]
pub struct Stopper {
    server: ServerHandle,
    state: HttpState,
}

impl Stopper {
    /// Says "not ready" from now on, and hangs up after each answer, but serves on.
    pub fn announce(&self) {
        self.state.begin_stop();
    }

    /// Says "not ready" from now on, accepts nothing new, finishes what was accepted.
    pub async fn stop(&self) {
        self.state.begin_stop();
        self.server.stop(true).await;
    }
}

/// How many connections each worker may hold, so that the descriptors that this process may open
/// last for its databases too: whoever comes later waits in the system's queue.
fn connections_each(workers: usize) -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let kept = (limit / 2).min(128);
    ((limit - kept) / workers.max(1)).clamp(1, MOST_CONNECTIONS)
}

/// A socket file of ours, removed when the server ends; but not when another server, which came
/// while this one was finishing, has put its own in the place.
struct UnixSocketFile {
    path: PathBuf,
    made: io::Result<Metadata>,
}

/// Whether two looks saw one file: a number is given out again once its file is gone.
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    one.dev() == other.dev() && one.ino() == other.ino() && one.created().ok() == other.created().ok()
}

impl Drop for UnixSocketFile {
    fn drop(&mut self) {
        if let (Ok(made), Ok(found)) = (&self.made, std::fs::symlink_metadata(&self.path))
            && is_same_file(made, &found)
        {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Takes the place of a socket file that a crashed server left behind, but not of a live one.
fn bind_unix(path: &Path) -> io::Result<(UnixListener, UnixSocketFile)> {
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the path exists and is no socket"));
        }
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens there"));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    Ok((listener, UnixSocketFile { path: path.to_owned(), made: std::fs::symlink_metadata(path) }))
}
