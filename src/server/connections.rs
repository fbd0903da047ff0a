//! Connections: each of their states has a deadline, and none costs processor time while no byte moves.
//!
//! `actix-http` serves each connection over a [`Stream`], which tracks the requests of the client: it pauses
//! reading while enough is read ahead or waits to be written, and it ends when the sweeper says so. One thread
//! sweeps all connections regularly and ends those whose deadline has passed, so that no request registers a
//! timer. `docs/adr/0017-every-state-of-a-connection-has-an-end.md` has the reasons.
//!
//! An application that embeds this crate gets the same with [`Connections::listen`]:
//!
//! ```no_run
//! use actix_web::{App, HttpResponse, web};
//! use knoxide::server::connections::{ConnectionLimits, Connections};
//!
//! # fn main() -> std::io::Result<()> {
//! actix_web::rt::System::new().block_on(async {
//!     let connections = Connections::new(ConnectionLimits::default())?;
//!     let app = || App::new().route("/", web::get().to(HttpResponse::Ok));
//!     let listener = std::net::TcpListener::bind("127.0.0.1:8080")?;
//!     // As many connections as the limits allow, for one worker.
//!     let server = actix_server::Server::build().workers(1).max_concurrent_connections(10_000);
//!     connections.listen(server, listener, app)?.run().await
//! })
//! # }
//! ```

mod framing;
mod registry;
mod service;
mod state;
mod stream;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::body::MessageBody;
use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol, Request, Response};
use actix_server::ServerBuilder;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory, map_config,
};
use actix_web::dev::AppConfig;
use actix_web::rt::net::{TcpStream, UnixStream};

use self::registry::Registry;
use self::service::{Answering, Served};
use self::state::{Deadlines, State};
pub use self::stream::{Stream, Transport};
use super::periodic::PeriodicTask;
use crate::config::HttpSettings;
use crate::domain::policy::Network;
use crate::http::address::{Proxies, note_listener};

/// The limits and deadlines of connections.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// How long a head may take to arrive, and again a body. The time of the first head starts when the connection
    /// is accepted, that of a later one with its first byte.
    pub read: Duration,
    /// How long a connection may be unused between two requests.
    pub idle: Duration,
    /// How long a client may take nothing while a reply waits to be written.
    pub write: Duration,
    /// How long a client may go on sending a body that was answered already.
    pub drain: Duration,
    /// The largest head of a request, in bytes; the answer to a larger one is 431. The maximum is 96 KiB.
    pub head_bytes: usize,
    /// The maximum number of connections. When nine tenths are open, those that have gone longest
    /// without a complete request are closed, and no address may have more than half.
    pub max_connections: usize,
    /// Proxies, whose connections are not counted for one address: they serve many clients.
    pub proxies: Proxies,
}

/// The limits of the program, and 10,000 connections.
impl Default for ConnectionLimits {
    fn default() -> Self {
        super::connection_limits(&HttpSettings::default(), 10_000)
    }
}

impl ConnectionLimits {
    /// The interval of sweeps: a quarter of the shortest deadline, and at most one second.
    fn interval(&self) -> Duration {
        let shortest = self.read.min(self.idle).min(self.write).min(self.drain);
        (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}

/// All connections of a server; clones are handles.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

struct Shared {
    registry: Arc<Registry>,
    limits: ConnectionLimits,
    _sweeper: PeriodicTask,
}

/// A method that passes a listener of this kind to the method of a [`ServerBuilder`] with the same name.
macro_rules! listens {
    ($(#[$meta:meta])* $name:ident($listener:ty => $stream:ty)) => {
        $(#[$meta])*
        pub fn $name<F, I, S, B>(&self, server: ServerBuilder, listener: $listener, app: F) -> io::Result<ServerBuilder>
        where
            F: Fn() -> I + Send + Clone + 'static,
            I: IntoServiceFactory<S, Request>,
            S: ServiceFactory<Request, Config = AppConfig> + 'static,
            S::Error: Into<actix_web::Error> + 'static,
            S::InitError: fmt::Debug,
            S::Response: Into<Response<B>> + 'static,
            <S::Service as Service<Request>>::Future: 'static,
            B: MessageBody + 'static,
        {
            let connections = self.clone();
            let name = format!("http at {:?}", listener.local_addr()?);
            server.$name(name, listener, move || connections.factory::<$stream, _, _, B>(app()))
        }
    };
}

impl Connections {
    /// Starts the thread that sweeps connections.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(limits: ConnectionLimits) -> io::Result<Self> {
        let interval = limits.interval();
        let deadlines = Deadlines {
            read: millis(limits.read),
            idle: millis(limits.idle),
            write: millis(limits.write),
            drain: millis(limits.drain),
            grain: millis(interval),
        };
        let registry = Arc::new(Registry::new(limits.max_connections.max(1), deadlines));
        let swept = Arc::clone(&registry);
        let mut last = Instant::now();
        let sweeper = PeriodicTask::start("connections", interval, move |_| {
            swept.advance(&mut last);
            swept.sweep();
        })?;
        Ok(Self(Arc::new(Shared { registry, limits, _sweeper: sweeper })))
    }

    listens! {
        /// Has `server` accept connections from this listener, and serves the application that `app` makes.
        ///
        /// # Errors
        /// When the listener cannot be used.
        listen(TcpListener => TcpStream)
    }

    listens! {
        /// The same for a Unix socket.
        ///
        /// # Errors
        /// When the listener cannot be used.
        listen_uds(UnixListener => UnixStream)
    }

    /// A service factory for connections of any kind, one for each worker.
    ///
    /// A request can tell which kind of listener accepted it, as with [`note_listener`]. The application's
    /// [`AppConfig`] is the default one.
    pub fn factory<T, I, S, B>(
        &self,
        app: I,
    ) -> impl ServiceFactory<T, Config = (), Response = (), Error = DispatchError, InitError = ()> + use<T, I, S, B>
    where
        T: Transport,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<actix_web::Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        B: MessageBody + 'static,
    {
        let app = app.into_factory().map_err(|error: S::Error| error.into().error_response());
        let app = map_config(app, |()| AppConfig::default());
        let noted = apply_fn_factory(app, |request: Request, service: &_| {
            let state = request.conn_data::<Arc<State>>().map(Arc::clone);
            if let Some(state) = &state {
                state.called();
            }
            Answering::new(Service::call(service, request), state)
        });
        let http = HttpService::build()
            // The sweeper ends slow or unused connections, without a timer for each request.
            .client_request_timeout(Duration::ZERO)
            .keep_alive(KeepAlive::Os)
            .client_disconnect_timeout(self.0.limits.drain + CLOCK_GRAIN)
            .on_connect_ext(|stream: &Stream<T>, data| {
                note_listener(stream.transport(), data);
                data.insert(Arc::clone(stream.state()));
            })
            .finish::<_, B>(noted);
        let connections = self.clone();
        apply_fn_factory(http, move |transport: T, service: &_| {
            let peer = transport.peer();
            let (state, slot) = connections.0.registry.enter(connections.holder(peer));
            let stream = Stream::new(transport, Arc::clone(&state), connections.0.limits.head_bytes);
            Served::new(Service::call(service, (stream, Protocol::Http1, peer)), state, peer, slot)
        })
    }

    /// From now on a connection is closed as soon as it is idle.
    pub fn stop(&self) {
        self.0.registry.stop();
    }

    fn holder(&self, peer: Option<SocketAddr>) -> Option<Network> {
        // A client on a Unix socket has no address, and a proxy serves many clients.
        let address = peer?.ip().to_canonical();
        (!self.0.limits.proxies.trusts(address)).then(|| Network::of(Some(address)))
    }
}

/// `actix-http` reads its clock every half second: without this extra time, a deadline could pass too early.
const CLOCK_GRAIN: Duration = Duration::from_millis(500);

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
