//! Translating between HTTP and the service.
//!
//! All dialects read requests and word refusals as Django REST framework does (`docs/contract.md`): that is in
//! [`drf`]. [`dialects`] has what differs between them. [`middleware`] protects the handlers of an application.

pub mod address;
pub mod dialects;
pub mod drf;
pub mod health;
pub mod jwks;
pub mod middleware;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::header::{USER_AGENT, X_FORWARDED_FOR};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::audit::Origin;
pub use crate::domain::dialect::Mount;
use crate::domain::dialect::PerDialect;
use crate::domain::time::Timestamp;
use crate::service::Auth;

/// How requests are read and answered; for embedding, the defaults are those of the program.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// What is particular to each dialect.
    pub dialects: PerDialect<Mount>,
    /// Which replies are given where the documented contract and the Django package differ.
    pub compat: Compat,
    /// The longest request body, in bytes.
    pub body_limit: usize,
    /// How long a client may take to send a body.
    pub read_timeout: Duration,
    /// Whose word about a client's address is believed.
    pub proxies: address::Proxies,
}

/// Which replies are given where the documented contract and the Django package differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compat {
    /// As the contract is documented: logging out answers 200.
    Documented,
    /// As the package does: logging out answers 204.
    Package,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            dialects: PerDialect::from_fn(Mount::default_of),
            compat: Compat::Documented,
            body_limit: 16 * 1024,
            read_timeout: Duration::from_secs(5),
            proxies: address::Proxies::default(),
        }
    }
}

/// What all handlers share; clones are handles.
#[derive(Clone)]
pub struct HttpState(Arc<Shared>);

struct Shared {
    auth: Auth,
    options: HttpOptions,
    guard: middleware::guard::Guard,
    stopping: AtomicBool,
    warned_of_proxy: LastTold,
}

impl HttpState {
    /// Handlers over `auth`.
    pub fn new(options: HttpOptions, auth: Auth) -> Self {
        let guard = middleware::guard::Guard::of_dialects(auth.clone(), &options.dialects);
        // Looking at oneself is no use of the session, unless the operator says so.
        let guard = if auth.policy().user_counts_as_use { guard } else { guard.without_activity() };
        Self(Arc::new(Shared {
            guard,
            auth,
            options,
            stopping: AtomicBool::new(false),
            warned_of_proxy: LastTold::default(),
        }))
    }

    /// The service.
    pub fn auth(&self) -> &Auth {
        &self.0.auth
    }

    /// How requests are read and answered.
    pub fn options(&self) -> &HttpOptions {
        &self.0.options
    }

    /// From now on, `/readyz` says that the server is stopping.
    pub fn begin_stop(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    fn guard(&self) -> &middleware::guard::Guard {
        &self.0.guard
    }

    fn client_address(&self, request: &HttpRequest) -> Option<IpAddr> {
        self.0.options.proxies.client(address::Peer::of(request), request.headers())
    }

    /// Where a request came from, for the cause of what it writes.
    fn origin(&self, request: &HttpRequest) -> Origin {
        self.warn_of_unknown_proxy(request);
        let agent = request.headers().get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        Origin {
            address: self.client_address(request),
            user_agent: agent.map(|agent| agent.chars().filter(|c| !c.is_control()).take(256).collect()),
            request_id: middleware::request_log::request_id(request).map(|id| id.to_string()),
        }
    }
}

/// How often the log tells of a proxy that is not trusted.
const WARN_OF_PROXY_EVERY: Duration = Duration::from_secs(600);

/// When the log was last told of something.
#[derive(Default)]
struct LastTold(Mutex<Option<Timestamp>>);

impl LastTold {
    /// Whether it is to be told again, and notes that it is.
    fn is_due(&self, interval: Duration, now: Timestamp) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back silences nobody.
        let is_due = told.is_none_or(|told| told > now || now.since(told) >= interval);
        if is_due {
            *told = Some(now);
        }
        is_due
    }
}

impl HttpState {
    /// Tells the log that somebody speaks for others and is not believed: if it is a proxy, all its
    /// clients are taken for one, and share what is counted by address. Any client can send the header, so this
    /// is repeated: the proxy, which sends it with every request, is named sooner or later.
    fn warn_of_unknown_proxy(&self, request: &HttpRequest) {
        let Shared { options, warned_of_proxy, .. } = &*self.0;
        if !request.headers().contains_key(X_FORWARDED_FOR) || options.proxies.believes(address::Peer::of(request)) {
            return;
        }
        if warned_of_proxy.is_due(WARN_OF_PROXY_EVERY, self.auth().now()) {
            let peer = request.peer_addr().map_or_else(|| "a Unix socket".to_owned(), |peer| peer.ip().to_string());
            log::warn!(peer = peer.as_str();
                "X-Forwarded-For from a peer that is no trusted proxy is not believed, and all that come through it \
                 are one client: if it is your proxy, name it in KNOXIDE_TRUSTED_PROXIES");
        }
    }
}

/// Mounts the dialects in somebody else's application.
pub fn mount(config: &mut web::ServiceConfig, state: &HttpState) {
    config
        .app_data(web::Data::new(state.clone()))
        .configure(|config| dialects::configure(config, state.options()))
        .configure(jwks::configure);
}

/// Mounts everything that the program serves: the dialects, the health endpoints, and a 404
/// `{"detail":"Not found."}` for all other paths.
pub fn configure(config: &mut web::ServiceConfig, state: &HttpState) {
    config.configure(|config| mount(config, state)).configure(health::configure).default_service(web::to(not_found));
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    let with_body = request.method() != actix_web::http::Method::HEAD;
    drf::reply::Replies::new(None, with_body).detail(actix_web::http::StatusCode::NOT_FOUND, "Not found.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_told_again_after_an_interval() {
        let (told, start) = (LastTold::default(), Timestamp::from_micros(1_700_000_000_000_000));
        let is_due = |seconds| told.is_due(Duration::from_secs(10), start.saturating_add(Duration::from_secs(seconds)));
        assert_eq!([100, 100, 109, 110, 119, 120].map(is_due), [true, false, false, true, false, true]);
        // The clock was set back.
        assert_eq!([0, 9, 10].map(is_due), [true, false, true]);
    }
}
