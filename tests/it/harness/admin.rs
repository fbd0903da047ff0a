//! The administration API over the service of an [`App`], on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use knoxide::config::{AdminSettings, HttpSettings, ListenAddress, Settings};
use knoxide::domain::audit::{Actor, Origin};
use knoxide::domain::policy::Policy;
use knoxide::domain::random::SystemRandom;
use knoxide::domain::session::SessionId;
use knoxide::domain::time::Clock;
use knoxide::domain::user::{User, UserId};
use knoxide::server::{Administration, Server, Stopper};
use knoxide::service::admin::{Admin, AdminError, SessionMatch, SessionQuery};
use knoxide::store::diesel::DieselStore;
use knoxide::store::{AdminStore, LastAdmin};
use serde_json::Value;

use super::app::{App, Client, cheap_hasher};
use super::documented::Documented;
use super::wire::{Framing, Reply, Request};

/// A running administration API.
pub(crate) struct AdminApi {
    pub(crate) address: SocketAddr,
    /// The document of the API, with which each reply is compared.
    pub(crate) documented: Documented,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl AdminApi {
    /// Serves it for the users of `app`.
    pub(crate) fn start(app: &App) -> Self {
        let listen = Some(ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))));
        let admin = AdminSettings { listen, ..AdminSettings::default() };
        let settings = Settings { admin, ..Settings::default() };
        let (auth, store) = (app.auth.clone(), Arc::clone(&app.store));
        let (bound, bound_at) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let admin = Administration::new(&settings, auth, store, (Arc::new(SystemRandom), cheap_hasher()));
            actix_web::rt::System::new().block_on(async {
                let server = Server::bind_administration(&HttpSettings::default(), &admin).expect("a bound server");
                let server = server.expect("an address of its own");
                bound.send((server.tcp_address().expect("an address"), server.stopper())).expect("a test that waits");
                server.run().await.expect("a server that runs");
            });
            admin.close();
        });
        let (address, stopper) = bound_at.recv().expect("a server");
        Self { address, documented: Documented::of(address), stopper, thread: Some(thread) }
    }

    /// Sends a request on a new connection, with a token and a JSON body if given.
    pub(crate) fn ask(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Reply {
        let reply = Client::connect(self.address).ask(&request(method, path, token, body));
        assert_eq!(self.documented.differences(method, path, &reply), Vec::<String>::new());
        reply
    }

    /// Logs an administrator in, and returns the token.
    pub(crate) fn log_in(&self, name: &str, password: &str) -> String {
        let body = serde_json::json!({ "username": name, "password": password });
        let reply = self.ask("POST", "/admin/api/login/", None, Some(&body));
        assert_eq!(reply.status, 200, "{}", reply.text());
        json_of(&reply)["token"].as_str().expect("a token").to_owned()
    }
}

impl App {
    /// Runs an administrators' use case on the user with this id.
    pub(crate) fn change<T>(&self, id: UserId, work: impl FnOnce(&Admin, &User) -> Result<T, AdminError>) -> T {
        let admin = self.admin();
        let user = admin.user_by_id(id).expect("the user");
        work(&admin, &user).expect("an act that succeeds")
    }

    /// The live sessions of a user, newest first.
    pub(crate) fn sessions_of(&self, id: UserId) -> Vec<SessionId> {
        let query = SessionQuery { matching: SessionMatch::of_user(id), limit: 100, ..SessionQuery::default() };
        let sessions = self.admin().search_sessions(query).expect("a list");
        sessions.into_iter().map(|entry| entry.session.id).collect()
    }

    /// The use cases of administrators, as the command line calls them.
    pub(crate) fn admin(&self) -> Admin {
        administrator(Arc::<DieselStore>::clone(&self.store), self.clock.clone())
    }
}

/// The use cases of administrators of a store, as the command line calls them.
pub(crate) fn administrator(store: Arc<dyn AdminStore>, clock: impl Clock) -> Admin {
    Admin {
        store,
        clock: Arc::new(clock),
        random: Arc::new(SystemRandom),
        hasher: cheap_hasher(),
        policy: Policy::default(),
        actor: Actor::CommandLine,
        origin: Origin::default(),
        last_admin: LastAdmin::Keep,
    }
}

impl Drop for AdminApi {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take().filter(|_| !std::thread::panicking()) {
            actix_web::rt::System::new().block_on(self.stopper.stop());
            thread.join().expect("a server that ends well");
        }
    }
}

/// A request with a token and a JSON body if given.
pub(crate) fn request(method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Request {
    let mut request = Request::new(method, path);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    match body {
        Some(body) => request.header("Content-Type", "application/json").body(body.to_string(), Framing::Length),
        None if method == "GET" => request,
        None => request.body("", Framing::Length),
    }
}

/// The JSON of a reply.
pub(crate) fn json_of(reply: &Reply) -> Value {
    serde_json::from_str(&reply.text()).unwrap_or_else(|_| panic!("no JSON: {} {}", reply.status, reply.text()))
}
