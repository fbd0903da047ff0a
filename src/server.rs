//! The program around the service: addresses, workers, and a stop that finishes open requests.

use std::fs::{Metadata, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use actix_server::ServerHandle;
use actix_web::{App, web};
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr, set_socket_send_buffer_size};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::config::{HttpSettings, ListenAddress, SocketMode};
use crate::http::HttpState;
use crate::http::middleware::request_log::RequestLog;
use crate::http::openapi::{self, ApiDocs};
#[cfg(feature = "pages")]
use crate::http::pages::account::AccountPages;
use crate::service::Auth;

mod admin;
mod bootstrap;
pub mod connections;
mod keys;
mod periodic;
pub mod process;
mod reserve;
mod start;
mod sweeper;

use self::admin::Mount;
use self::connections::{ConnectionLimits, Connections};
pub use admin::Administration;
pub use bootstrap::{ADMIN, FirstUser, PasswordDelivery};
pub use keys::KeyReloader;
pub use start::{Announcement, StartError, serve};

/// How many clients wait in the system's queue until they are accepted.
const BACKLOG: i32 = 1024;

/// The most connections to the administration API. Few enough to leave descriptors for the databases.
const ADMIN_CONNECTIONS: usize = 64;

/// How much the system buffers for a client that does not read, in bytes; Linux doubles it. By default it would
/// buffer megabytes, and thousands of requests of each such client would be answered.
const SEND_BUFFER: usize = 64 * 1024;

/// A server that is bound to its addresses; [`Server::run`] starts it.
pub struct Server {
    server: actix_server::Server,
    state: HttpState,
    connections: Connections,
    addresses: Vec<ListenAddress>,
    sockets: Vec<UnixSocketFile>,
}

/// What is served at one address.
#[derive(Clone)]
struct Mounted {
    state: HttpState,
    dialects: bool,
    admin: Option<Mount>,
    docs: Option<ApiDocs>,
    /// The pages of users.
    #[cfg(feature = "pages")]
    account: Option<AccountPages>,
}

impl Mounted {
    fn new(state: HttpState, dialects: bool, admin: Option<Mount>) -> Self {
        let of_admin = || admin.as_ref().map(|admin| admin.api().clone());
        let docs = state.options().api_docs.then(|| ApiDocs::new(dialects.then(|| state.clone()), of_admin()));
        Self {
            state,
            dialects,
            admin,
            docs,
            #[cfg(feature = "pages")]
            account: None,
        }
    }

    fn configure(&self, config: &mut web::ServiceConfig) {
        if let Some(admin) = &self.admin {
            admin.configure(config);
        }
        if let Some(docs) = &self.docs {
            openapi::configure(config, docs);
        }
        if self.dialects {
            #[cfg(feature = "pages")]
            crate::http::configure_with(config, &self.state, |config| {
                if let Some(pages) = &self.account {
                    crate::http::pages::account::configure(config, pages);
                }
            });
            #[cfg(not(feature = "pages"))]
            crate::http::configure(config, &self.state);
        } else if let Some(admin) = &self.admin {
            admin.configure_rest(config);
        }
    }
}

/// The server could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The server cannot listen on an address.
    #[error("cannot listen on {address}: {error}")]
    Address {
        /// The address.
        address: ListenAddress,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The server cannot listen on the address of the administration API.
    #[error(
        "cannot listen on {address} for administrators: {error}; set KNOXIDE_ADMIN_LISTEN to another address, or to off"
    )]
    Administration {
        /// The address.
        address: ListenAddress,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The thread that watches connections could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

impl Server {
    /// Binds all addresses of `http`, and mounts its dialects.
    ///
    /// # Errors
    /// For the first address that the server cannot listen on, or if no thread can be started.
    pub fn bind(http: &HttpSettings, auth: Auth) -> Result<Self, BindError> {
        Self::bind_beside(http, auth, None)
    }

    /// As [`Server::bind`], and serves the administration API at each of these addresses that its settings repeat.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub fn bind_beside(http: &HttpSettings, auth: Auth, admin: Option<&Administration>) -> Result<Self, BindError> {
        let state = HttpState::new(http.options.clone(), auth);
        let each = process::connections_each(http.workers, process::files());
        let listeners = http.listen.iter().map(|address| {
            let beside = admin.filter(|admin| admin.shares(address)).map(|admin| admin.mount(state.clone(), address));
            let mounted = Mounted::new(state.clone(), true, beside);
            #[cfg(feature = "pages")]
            let mounted = Mounted {
                account: http.options.account_pages.then(|| AccountPages::new(state.clone(), admin::ip_of(address))),
                ..mounted
            };
            (address, mounted)
        });
        Self::listen(http, (http.workers, each), state.clone(), listeners.collect())
    }

    /// Binds the address of the administration API, if it has one of its own.
    ///
    /// # Errors
    /// If the server cannot listen on it, or if no thread can be started.
    pub fn bind_administration(http: &HttpSettings, admin: &Administration) -> Result<Option<Self>, BindError> {
        let Some(address) = admin.own_address(&http.listen) else { return Ok(None) };
        let state = admin.http();
        // The mode in the settings is for clients, such as a proxy, and not for administrators.
        let own = HttpSettings { socket_mode: SocketMode(0o600), ..http.clone() };
        let mounted = Mounted::new(state.clone(), false, Some(admin.mount(state.clone(), address)));
        let server = Self::listen(&own, (1, ADMIN_CONNECTIONS), state, vec![(address, mounted)]);
        server.map(Some).map_err(|error| match error {
            BindError::Address { address, error } => BindError::Administration { address, error },
            error @ (BindError::Administration { .. } | BindError::Thread(_)) => error,
        })
    }

    /// A server with this number of workers, each of which accepts up to `each` connections.
    fn listen(
        http: &HttpSettings,
        (workers, each): (usize, usize),
        state: HttpState,
        listeners: Vec<(&ListenAddress, Mounted)>,
    ) -> Result<Self, BindError> {
        let mut server = actix_server::Server::build()
            .workers(workers)
            .max_concurrent_connections(each)
            .shutdown_timeout(http.shutdown_timeout.as_secs().max(1))
            .disable_signals();
        let mut addresses = Vec::new();
        let mut sockets = Vec::new();
        let connections = Connections::new(connection_limits(http, each * workers)).map_err(BindError::Thread)?;
        for (address, mounted) in listeners {
            let failed = |error| BindError::Address { address: address.clone(), error };
            let app = move || {
                let mounted = mounted.clone();
                App::new()
                    .wrap(RequestLog::new(mounted.state.clone()))
                    .configure(move |config| mounted.configure(config))
            };
            match address {
                ListenAddress::Tcp(socket) => {
                    let listener = bind_tcp(*socket, &http.listen).map_err(failed)?;
                    queue(&listener).map_err(failed)?;
                    addresses.push(ListenAddress::Tcp(listener.local_addr().map_err(failed)?));
                    server = connections.listen(server, listener, app).map_err(failed)?;
                }
                ListenAddress::Unix(path) => {
                    let (listener, file) = bind_unix(path, http.socket_mode.0).map_err(failed)?;
                    queue(&listener).map_err(failed)?;
                    server = connections.listen_uds(server, listener, app).map_err(failed)?;
                    sockets.push(file);
                    addresses.push(address.clone());
                }
            }
        }
        Ok(Self { server: server.run(), state, connections, addresses, sockets })
    }

    /// The addresses in use, with the real ports in place of port 0.
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

    /// A handle that stops the server.
    pub fn stopper(&self) -> Stopper {
        let connections = self.connections.clone();
        Stopper { server: self.server.handle(), state: self.state.clone(), connections }
    }

    /// Serves until it is stopped by its [`Stopper`].
    ///
    /// # Errors
    /// When accepting connections fails permanently.
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
    connections: Connections,
}

impl Stopper {
    /// From now on `/readyz` says "stopping" and each reply closes its connection, but the server goes on.
    pub fn announce(&self) {
        self.state.begin_stop();
    }

    /// As [`Stopper::announce`], and also accepts no new connections and finishes the accepted requests.
    pub async fn stop(&self) {
        self.state.begin_stop();
        self.connections.stop();
        self.server.stop(true).await;
    }
}

/// The limits of connections under these settings.
fn connection_limits(http: &HttpSettings, max_connections: usize) -> ConnectionLimits {
    ConnectionLimits {
        read: http.options.read_timeout,
        idle: http.keep_alive,
        write: http.write_timeout,
        drain: http.drain_timeout,
        head_bytes: http.head_limit,
        max_connections,
        proxies: http.options.proxies.clone(),
    }
}

/// Gives a listener a longer queue than the standard library does. The connections that it accepts
/// inherit the size of its buffer.
fn queue(listener: &impl AsFd) -> io::Result<()> {
    set_socket_send_buffer_size(listener, SEND_BUFFER)?;
    Ok(rustix::net::listen(listener, BACKLOG)?)
}

/// A listener at this address. On most systems `[::]` also accepts IPv4 connections, and so occupies the port of every
/// IPv4 address: if one of `all` has the same port, `[::]` is restricted to IPv6.
fn bind_tcp(address: SocketAddr, all: &[ListenAddress]) -> io::Result<TcpListener> {
    let has_port = |other: &ListenAddress| match other {
        ListenAddress::Tcp(other) => other.is_ipv4() && other.port() == address.port() && other.port() != 0,
        ListenAddress::Unix(_) => false,
    };
    if !address.is_ipv6() || !address.ip().is_unspecified() || !all.iter().any(has_port) {
        return TcpListener::bind(address);
    }
    let socket = socket_with(AddressFamily::INET6, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_ipv6_v6only(&socket, true)?;
    // As in the standard library, so that a server can be restarted at once.
    set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// A socket file of this server. It is removed when the server ends, unless another server that started in the
/// meantime has replaced it with its own.
struct UnixSocketFile {
    path: PathBuf,
    made: io::Result<Metadata>,
}

/// Whether both are the same file. The inode number alone does not tell: the system reuses it once the file is gone.
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

/// Replaces a socket file that a crashed server left behind, but not that of a live one. Accounts with write
/// permission for the file can connect.
fn bind_unix(path: &Path, mode: u32) -> io::Result<(UnixListener, UnixSocketFile)> {
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the path exists and is not a socket"));
        }
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens there"));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok((listener, UnixSocketFile { path: path.to_owned(), made: std::fs::symlink_metadata(path) }))
}
