//! The HTTP interface: endpoints, middleware and extractors over the service.
//!
//! All dialects read requests and write errors as Django REST framework does (`docs/contract.md`): that is in
//! [`drf`]. [`dialects`] has what differs between them. [`middleware`] protects the handlers of an application.

pub mod account;
pub mod address;
pub mod admin;
pub mod browser;
pub mod dialects;
pub mod drf;
pub mod forward_auth;
pub mod health;
pub mod jwks;
pub mod middleware;
pub mod oauth;
pub mod openapi;
#[cfg(feature = "pages")]
pub mod pages;
mod routes;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::header::{HeaderValue, USER_AGENT, X_FORWARDED_FOR};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Responder, web};

use self::browser::Origins;
use self::browser::cors::Cors;
use self::browser::jar::Jar;
pub use self::routes::Route;
use crate::domain::audit::Origin;
pub use crate::domain::dialect::Mount;
use crate::domain::dialect::PerDialect;
use crate::domain::time::Timestamp;
use crate::service::Auth;

/// How requests are read and answered; the defaults for embedding are those of the program.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// The settings of each dialect.
    pub dialects: PerDialect<Mount>,
    /// Which replies are sent where the documented contract and the Django package differ.
    pub compat: Compat,
    /// The longest request body, in bytes.
    pub body_limit: usize,
    /// How long a client may take to send a body.
    pub read_timeout: Duration,
    /// The proxies that are trusted to report a client's address.
    pub proxies: address::Proxies,
    /// How proxies ask whether a request may pass.
    pub forward_auth: forward_auth::options::ForwardAuthOptions,
    /// Whether the program serves the document of its API.
    pub api_docs: bool,
    /// Whether services can ask about tokens: introspection, revocation and checks of many tokens.
    pub introspection: bool,
    /// Where clients reach the server. No URL is ever made from what a request says about its host.
    pub public_url: Option<oauth::public_url::PublicUrl>,
    /// The origins, besides that of the public URL, whose pages may log in with cookies, and send requests other than
    /// GET and HEAD with them.
    pub origins: Origins,
    /// Which pages of other origins may read replies. [`configure`] mounts it; an application brings its own.
    pub cors: browser::cors::CorsOptions,
    /// Whether users have pages about their own account, in a build with the feature `pages`.
    pub account_pages: bool,
}

/// Which replies are sent where the documented contract and the Django package differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compat {
    /// As the contract is documented: logging out answers 200.
    Documented,
    /// As the Django package does: logging out answers 204.
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
            forward_auth: forward_auth::options::ForwardAuthOptions::default(),
            api_docs: true,
            introspection: true,
            public_url: None,
            origins: Origins::default(),
            cors: browser::cors::CorsOptions::default(),
            account_pages: true,
        }
    }
}

impl HttpOptions {
    /// The origins whose pages may use cookies.
    fn page_origins(&self) -> Origins {
        self.origins.with(self.public_url.as_ref().map(oauth::public_url::PublicUrl::as_str))
    }
}

/// What all handlers share; clones are handles.
#[derive(Clone)]
pub struct HttpState(Arc<Shared>);

struct Shared {
    auth: Auth,
    options: HttpOptions,
    guard: middleware::guard::Guard,
    /// The cookies with tokens, if there are any.
    jar: Option<Jar>,
    stopping: AtomicBool,
    proxy_warning: LastWarning,
}

impl HttpState {
    /// Handlers over `auth`.
    pub fn new(options: HttpOptions, auth: Auth) -> Self {
        let guard = middleware::guard::Guard::of_dialects(auth.clone(), &options.dialects);
        // Asking who one is counts as use of the session only if the settings say so.
        let guard = if auth.policy().user_counts_as_use { guard } else { guard.without_activity() };
        let jar = Jar::of(&options, dialects::refresh_paths);
        let guard = match &jar {
            Some(jar) => guard.reading(jar.cookies().clone()),
            None => guard,
        };
        Self(Arc::new(Shared {
            guard,
            jar,
            auth,
            options,
            stopping: AtomicBool::new(false),
            proxy_warning: LastWarning::default(),
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

    /// The cookies with tokens; `None` if no dialect has any.
    fn jar(&self) -> Option<&Jar> {
        self.0.jar.as_ref()
    }

    fn client_address(&self, request: &HttpRequest) -> Option<IpAddr> {
        self.0.options.proxies.client(address::Peer::of(request), request.headers())
    }

    /// Where a request came from, for the audit trail.
    fn origin(&self, request: &HttpRequest) -> Origin {
        self.warn_about_unknown_proxy(request);
        let agent = request.headers().get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        Origin {
            address: self.client_address(request),
            user_agent: agent.map(|agent| agent.chars().filter(|c| !c.is_control()).take(256).collect()),
            request_id: middleware::request_log::request_id(request).map(|id| id.to_string()),
        }
    }
}

/// The interval between warnings about a proxy that is not trusted.
const PROXY_WARNING_INTERVAL: Duration = Duration::from_secs(600);

/// When a warning was logged last.
#[derive(Default)]
struct LastWarning(Mutex<Option<Timestamp>>);

impl LastWarning {
    /// Whether to log it again; if so, notes the time.
    fn is_due(&self, interval: Duration, now: Timestamp) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back suppresses no warning.
        let is_due = last.is_none_or(|last| last > now || now.since(last) >= interval);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

impl HttpState {
    /// Warns that a peer that is not trusted sends `X-Forwarded-For`: if it is a proxy, all its
    /// clients appear as one, and share the limits of one address. Any client can send the header, so the warning
    /// is repeated: a proxy sends the header with every request, and so is named sooner or later.
    fn warn_about_unknown_proxy(&self, request: &HttpRequest) {
        let Shared { options, proxy_warning, .. } = &*self.0;
        if !request.headers().contains_key(X_FORWARDED_FOR) || options.proxies.believes(address::Peer::of(request)) {
            return;
        }
        if proxy_warning.is_due(PROXY_WARNING_INTERVAL, self.auth().now()) {
            let peer = request.peer_addr().map_or_else(|| "a Unix socket".to_owned(), |peer| peer.ip().to_string());
            log::warn!(peer = peer.as_str();
                "X-Forwarded-For is ignored, since the peer is not a trusted proxy, and all clients behind it count \
                 as one: if it is your proxy, name it in KNOXIDE_TRUSTED_PROXIES");
        }
    }
}

/// Mounts the dialects, the public keys and the endpoints for services and for proxies in an application.
pub fn mount(config: &mut web::ServiceConfig, state: &HttpState) {
    // actix tries the paths in this order, and a pattern takes it longer than a fixed path: what is called most often
    // comes first, and the patterns last.
    config
        .configure(|config| mount_checks(config, state))
        .configure(|config| forward_auth::configure(config, state))
        .configure(|config| mount_rest(config, state));
}

/// Mounts what clients call most often.
fn mount_checks(config: &mut web::ServiceConfig, state: &HttpState) {
    config.app_data(web::Data::new(state.clone())).configure(|config| account::configure_checks(config, state));
}

/// Mounts the rest of what clients call.
fn mount_rest(config: &mut web::ServiceConfig, state: &HttpState) {
    config
        .configure(|config| oauth::configure(config, state))
        .configure(|config| dialects::configure(config, state))
        .configure(jwks::configure)
        .configure(|config| account::configure(config, state));
}

/// Mounts everything that the program serves: the dialects, the health endpoints, and a 404
/// `{"detail":"Not found."}` for all other paths.
pub fn configure(config: &mut web::ServiceConfig, state: &HttpState) {
    configure_with(config, state, |_| {});
}

/// The same, and something else that pages of other origins may not read. That comes after everything that clients
/// call, or before it where CORS is on.
pub(crate) fn configure_with(
    config: &mut web::ServiceConfig,
    state: &HttpState,
    besides: impl FnOnce(&mut web::ServiceConfig),
) {
    let cors = &state.options().cors;
    if cors.is_on() {
        // Outside, so that no preflight is answered there.
        config.configure(|config| forward_auth::configure(config, state)).configure(besides);
        let readable = web::scope("")
            .wrap(Cors::new(cors.clone()))
            .configure(|config| mount_checks(config, state))
            .configure(|config| mount_rest(config, state))
            .configure(health::configure);
        config.service(readable.default_service(web::to(not_found)));
    } else {
        config
            .configure(|config| mount(config, state))
            .configure(health::configure)
            .configure(besides)
            .default_service(web::to(not_found));
    }
}

/// What the document says about all that [`configure`] mounts with these options.
fn document(document: &mut openapi::document::Document, state: &HttpState) {
    dialects::document(document, state);
    if state.options().forward_auth.enabled {
        forward_auth::document(document, &openapi::document::header_schemes(&state.options().dialects));
    }
    if state.options().introspection {
        oauth::document(document, state.options().public_url.is_some());
    }
    jwks::document(document);
    health::document(document);
}

/// Serves `GET` and `HEAD` at a path. The answer to other methods is 405.
fn read_at<F, Args>(config: &mut web::ServiceConfig, path: &str, handler: F)
where
    F: Handler<Args> + Clone,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let resource = web::resource(path).route(web::get().to(handler.clone())).route(web::head().to(handler));
    config.service(resource.default_service(web::to(only_reads)));
}

async fn only_reads(request: HttpRequest) -> HttpResponse {
    static READS: HeaderValue = HeaderValue::from_static("GET, HEAD");
    drf::reply::Replies::new(Some(&READS), true).method_not_allowed(request.method().as_str())
}

async fn not_found(request: HttpRequest) -> HttpResponse {
    let with_body = request.method() != actix_web::http::Method::HEAD;
    drf::reply::Replies::new(None, with_body).detail(actix_web::http::StatusCode::NOT_FOUND, "Not found.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_repeated_after_an_interval() {
        let (last, start) = (LastWarning::default(), Timestamp::from_micros(1_700_000_000_000_000));
        let is_due = |seconds| last.is_due(Duration::from_secs(10), start.saturating_add(Duration::from_secs(seconds)));
        assert_eq!([100, 100, 109, 110, 119, 120].map(is_due), [true, false, false, true, false, true]);
        // The clock was set back.
        assert_eq!([0, 9, 10].map(is_due), [true, false, true]);
    }
}
