//! One log line a request, without secrets: ids, never tokens; routes, never paths that a
//! client made up.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest};

use crate::session::Verified;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a handler learns about its request, for the log line at its end.
#[derive(Debug, Default)]
pub struct Facts {
    /// The request's id, also sent back as `X-Request-Id`.
    pub request_id: String,
    who: RefCell<Option<(String, i64)>>,
    reason: Cell<Option<&'static str>>,
    quiet: Cell<bool>,
}

impl Facts {
    /// Notes whose request it was.
    pub fn verified(&self, who: &Verified) {
        self.who.replace(Some((who.session.id.to_string(), who.user.id.0)));
    }

    /// Notes why the request was refused.
    pub fn refused(&self, reason: &'static str) {
        self.reason.set(Some(reason));
    }

    /// A request that changed nothing: logged at debug level if it succeeds.
    pub fn read_only(&self) {
        self.quiet.set(true);
    }
}

/// The facts of `request`; a request outside of [`log_request`] has facts that nobody reads.
pub fn facts(request: &HttpRequest) -> Rc<Facts> {
    request.extensions().get::<Rc<Facts>>().cloned().unwrap_or_default()
}

/// Gives each request an id, and logs it when it is answered: good reads at debug level, the
/// server's failures as warnings, everything else at info level.
pub async fn log_request(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let begun = Instant::now();
    let facts = Rc::new(Facts { request_id: next_request_id(), ..Facts::default() });
    request.extensions_mut().insert(Rc::clone(&facts));
    let mut response = next.call(request).await?;
    if let Ok(id) = HeaderValue::from_str(&facts.request_id) {
        response.headers_mut().insert(REQUEST_ID.clone(), id);
    }
    let status = response.status();
    let level = if status.is_server_error() {
        log::Level::Warn
    } else if status.is_success() && facts.quiet.get() {
        log::Level::Debug
    } else {
        log::Level::Info
    };
    if log::log_enabled!(target: "knoxide::request", level) {
        let route = response.request().match_pattern().unwrap_or_else(|| "-".to_owned());
        let who = facts.who.borrow();
        let (session, user) = who.as_ref().map_or(("-", None), |(session, user)| (session.as_str(), Some(*user)));
        let address = super::client_address(response.request()).map(|address| address.to_string());
        log::log!(
            target: "knoxide::request", level,
            method = response.request().method().as_str(),
            route = route.as_str(),
            status = status.as_u16(),
            micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            request_id = facts.request_id.as_str(),
            address = address.as_deref().unwrap_or("-"),
            session = session,
            user = user.unwrap_or(0),
            reason = facts.reason.get().unwrap_or("-");
            "request"
        );
    }
    Ok(response)
}

/// Unique while the process lives, and told apart from other processes by the time of its start.
fn next_request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static STARTED: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let started = STARTED.get_or_init(|| {
        use crate::time::Clock as _;
        let micros = crate::time::SystemClock.now().as_micros();
        format!("{:010x}", (micros ^ (i64::from(std::process::id()) << 24)) & 0xff_ffff_ffff)
    });
    format!("{started}-{:x}", NEXT.fetch_add(1, Ordering::Relaxed))
}
