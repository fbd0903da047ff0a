//! The real server on a database of its own, inside the test's process: on any free port, at the lowest cost of
//! hashing, and with a clock that the test moves.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use knoxide::config::{HttpSettings, JwtSettings, ListenAddress};
use knoxide::domain::audit::{Actor, AuditContext, Event, Origin};
use knoxide::domain::jwt::{Algorithm, KeySecret};
use knoxide::domain::password::Hasher;
use knoxide::domain::policy::{Policy, ThrottlePolicy};
use knoxide::domain::random::SystemRandom;
use knoxide::domain::time::{Clock, ManualClock, Timestamp};
use knoxide::domain::user::{NewUser, Password, UserId};
use knoxide::server::{KeyReloader, Server, Stopper};
use knoxide::service::Auth;
use knoxide::store::diesel::{DieselStore, StoreOptions};
use knoxide::store::{AdminStore, Connection, SharedEmail, Store, UserCreation};

use super::wire::{Framing, Reply, Request, Wire};

/// Turns a function that takes a [`Backend`] into one test of `$name` for each database.
macro_rules! on_each_database {
    ($($(#[$meta:meta])* fn $name:ident($backend:ident) $body:block)+) => {
        $(
            $(#[$meta])*
            mod $name {
                use super::*;

                fn on($backend: $crate::harness::app::Backend) $body

                #[test]
                fn sqlite() {
                    on($crate::harness::app::Backend::Sqlite);
                }

                #[cfg(feature = "postgres")]
                #[test]
                fn postgres() {
                    if $crate::harness::postgres::shared().is_some() {
                        on($crate::harness::app::Backend::Postgres);
                    }
                }
            }
        )+
    };
}
pub(crate) use on_each_database;

/// The kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

/// A database for one test, removed at its end.
pub(crate) struct Database {
    pub(crate) url: String,
    _guard: Box<dyn std::any::Any + Send + Sync>,
}

impl Database {
    /// An empty database.
    pub(crate) fn empty(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let folder = tempfile::tempdir().expect("a folder");
                let url = format!("sqlite://{}", folder.path().join("knoxide.db").display());
                Self { url, _guard: Box::new(folder) }
            }
            #[cfg(feature = "postgres")]
            Backend::Postgres => Self::postgres(super::postgres::Shared::empty_database),
        }
    }

    /// A database with the newest schema.
    pub(crate) fn migrated(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let database = Self::empty(backend);
                migrate(&database.url);
                database
            }
            #[cfg(feature = "postgres")]
            Backend::Postgres => Self::postgres(|shared| shared.database("migrated", migrate)),
        }
    }

    /// The database in this file, which the caller manages, with the newest schema.
    pub(crate) fn of_file(path: &std::path::Path) -> Self {
        let url = format!("sqlite://{}", path.display());
        migrate(&url);
        Self { url, _guard: Box::new(()) }
    }

    /// The database at this address, which the caller manages, with the newest schema.
    #[cfg(feature = "postgres")]
    pub(crate) fn at(url: String) -> Self {
        migrate(&url);
        Self { url, _guard: Box::new(()) }
    }

    #[cfg(feature = "postgres")]
    fn postgres(make: fn(&'static super::postgres::Shared) -> super::postgres::Database) -> Self {
        let database = make(super::postgres::shared().expect("a Postgres"));
        Self { url: database.url().to_owned(), _guard: Box::new(database) }
    }

    pub(crate) fn store(&self) -> Arc<DieselStore> {
        Arc::new(DieselStore::open(&self.url, StoreOptions::default()).expect("a store"))
    }
}

fn migrate(url: &str) {
    DieselStore::open(url, StoreOptions::default()).expect("a store").migrate().expect("migrations");
}

/// A running server.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<DieselStore>,
    pub(crate) auth: Auth,
    keys: Mutex<KeyReloader>,
    pub(crate) clock: ManualClock,
    served: Served,
    // Last, so that the database outlives its connections.
    pub(crate) database: Database,
}

/// A service served over HTTP until this is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

/// Options that differ between tests.
pub(crate) struct Setup {
    pub(crate) policy: Policy,
    pub(crate) http: HttpSettings,
    pub(crate) jwt: JwtSettings,
    /// How long a connection may be idle before it is probed.
    pub(crate) probe_idle_after: Duration,
    pub(crate) throttle: ThrottlePolicy,
}

impl Default for Setup {
    fn default() -> Self {
        let listen = vec![ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))];
        let http = HttpSettings { listen, workers: 1, ..HttpSettings::default() };
        let probe_idle_after = Duration::from_secs(30);
        Self {
            policy: Policy::default(),
            http,
            jwt: JwtSettings::default(),
            probe_idle_after,
            throttle: ThrottlePolicy::default(),
        }
    }
}

/// How JWTs are signed; without a secret, the database's own key is used.
pub(crate) fn jwt(algorithm: Algorithm, secret: Option<&str>) -> JwtSettings {
    JwtSettings { algorithm, secret: secret.map(|text| KeySecret::new(text.as_bytes().to_vec())) }
}

/// The start of the tests' clocks.
pub(crate) fn start_of_time() -> Timestamp {
    Timestamp::parse("2026-01-02T03:04:05.678901Z").expect("a time")
}

impl App {
    /// A server with an empty database.
    pub(crate) fn start(backend: Backend) -> Self {
        Self::on(Database::migrated(backend), Setup::default())
    }

    /// A server on this database.
    pub(crate) fn on(database: Database, setup: Setup) -> Self {
        let store = database.store();
        let clock = ManualClock::new(start_of_time());
        let opened = KeyReloader::open(Arc::clone(&store), setup.jwt, &SystemRandom, clock.now());
        let (keys, ring) = opened.expect("keys");
        let auth = Auth::builder(Arc::clone(&store))
            .policy(setup.policy)
            .throttle(setup.throttle)
            .keys(ring)
            .clock(clock.clone())
            .hasher(cheap_hasher())
            .password_threads(1)
            .check_timeout(setup.http.check_timeout)
            .probe_idle_after(setup.probe_idle_after)
            .build()
            .expect("a service");
        let served = Served::start(auth.clone(), setup.http);
        Self { address: served.address, store, auth, keys: Mutex::new(keys), clock, served, database }
    }

    /// Adds an active user.
    pub(crate) fn add_user(&self, name: &str, password: &str) -> UserId {
        add_user(&*self.store, name, password, self.clock.now())
    }

    /// A database connection for the test.
    pub(crate) fn connection(&self) -> Box<dyn Connection> {
        self.store.connect().expect("a connection")
    }

    /// An audit context for a test's writes.
    pub(crate) fn audit(&self, event: Event) -> AuditContext {
        AuditContext { event, actor: Actor::CommandLine, origin: Origin::default(), at: self.clock.now(), detail: None }
    }

    /// The same service again, served with other options.
    pub(crate) fn beside(&self, http: HttpSettings) -> Served {
        Served::start(self.auth.clone(), http)
    }

    /// Replaces the signing key, as the command line does, and makes the server load it.
    pub(crate) fn rotate_key(&self) {
        self.store
            .rotate_key(Algorithm::Hs256, None, &SystemRandom, &self.audit(Event::KeyRotated))
            .expect("a new key");
        self.reload_keys();
    }

    /// Makes the server load the keys of the database again.
    pub(crate) fn reload_keys(&self) {
        self.keys.lock().expect("no panic before").reload(&self.auth);
    }

    /// A new HTTP client.
    pub(crate) fn client(&self) -> Client {
        self.served.client()
    }
}

impl Served {
    /// Serves `auth`.
    pub(crate) fn start(auth: Auth, http: HttpSettings) -> Self {
        let (bound, bound_at) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = Server::bind(&http, auth).expect("a bound server");
                bound.send((server.tcp_address().expect("an address"), server.stopper())).expect("a test that waits");
                server.run().await.expect("a server that runs");
            });
        });
        let (address, stopper) = bound_at.recv().expect("a server");
        Self { address, stopper, thread: Some(thread) }
    }

    /// A new HTTP client.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }
}

impl Drop for Served {
    /// Stops the server and waits for its end.
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take().filter(|_| !std::thread::panicking()) {
            actix_web::rt::System::new().block_on(self.stopper.stop());
            thread.join().expect("a server that ends well");
        }
    }
}

/// Hashing at the lowest possible cost.
pub(crate) fn cheap_hasher() -> Hasher {
    Hasher::with_unsafe_cost(4).expect("a cost that bcrypt knows")
}

/// Adds an active user.
pub(crate) fn add_user(store: &dyn AdminStore, name: &str, password: &str, now: Timestamp) -> UserId {
    let hash = cheap_hasher().hash(&Password::new(password.to_owned()), &SystemRandom).expect("a hash");
    let new = NewUser {
        id: None,
        username: name.to_owned(),
        email: format!("{name}@example.com"),
        password: hash,
        is_active: true,
        is_staff: false,
        is_admin: false,
        created: now,
    };
    let audit = AuditContext {
        event: Event::UserCreated,
        actor: Actor::CommandLine,
        origin: Origin::default(),
        at: now,
        detail: None,
    };
    match store.create_user(&new, SharedEmail::Allow, &audit).expect("a write") {
        UserCreation::Created(id) => id,
        other @ (UserCreation::Taken | UserCreation::Lookalike(_) | UserCreation::EmailTaken(_)) => {
            panic!("{name}: {other:?}")
        }
    }
}

/// A client of the knox dialect.
pub(crate) struct Client {
    pub(crate) wire: Wire,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self { wire: Wire::connect(address).expect("a connection") }
    }

    pub(crate) fn ask(&mut self, request: &Request) -> Reply {
        self.wire.ask(request).expect("a reply")
    }

    /// Logs in and returns the whole reply.
    pub(crate) fn try_login(&mut self, name: &str, password: &str) -> Reply {
        self.ask(&login_request(name, password))
    }

    /// Logs in and returns the token.
    pub(crate) fn login(&mut self, name: &str, password: &str) -> String {
        let reply = self.try_login(name, password);
        assert_eq!(reply.status, 200, "{}", reply.text());
        token_of(&reply)
    }

    /// The status of a check.
    pub(crate) fn check(&mut self, token: &str) -> u16 {
        self.with_token("GET", "/auth/user/", token).status
    }

    pub(crate) fn logout(&mut self, token: &str) -> u16 {
        self.with_token("POST", "/auth/logout/", token).status
    }

    pub(crate) fn logout_all(&mut self, token: &str) -> u16 {
        self.with_token("POST", "/auth/logoutall/", token).status
    }

    pub(crate) fn with_token(&mut self, method: &str, path: &str, token: &str) -> Reply {
        self.ask(&token_request(method, path, token))
    }
}

pub(crate) fn login_request(name: &str, password: &str) -> Request {
    let body = serde_json::json!({ "username": name, "password": password }).to_string();
    let request = Request::new("POST", "/auth/login/").header("Content-Type", "application/json");
    request.body(body, Framing::Length)
}

pub(crate) fn token_request(method: &str, path: &str, token: &str) -> Request {
    let framing = if method == "POST" { Framing::Length } else { Framing::Unsaid };
    let request = Request::new(method, path).header("Authorization", format!("Token {token}"));
    request.body("", framing)
}

/// The token in the reply to a login.
pub(crate) fn token_of(login: &Reply) -> String {
    let body: serde_json::Value = serde_json::from_str(&login.text()).expect("JSON");
    body["token"].as_str().expect("a token").to_owned()
}
