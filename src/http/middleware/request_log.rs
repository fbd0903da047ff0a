//! One log line per request, without secrets: ids, never tokens; routes, never paths or methods that
//! a client made up.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready as wait_for};
use std::time::Instant;

use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::http::{ConnectionType, Method};
use actix_web::{HttpMessage, HttpRequest};
use pin_project_lite::pin_project;
use siphasher::sip::SipHasher13;

use crate::domain::client::ClientId;
use crate::domain::random::{Random, SystemRandom};
use crate::domain::session::{SessionId, Verified};
use crate::domain::user::UserId;
use crate::http::HttpState;
use crate::service::AccountLabel;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Browsers must not guess another content type than the declared one.
static NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// How many hexadecimal digits distinguish the request ids of one worker from those of all others, of
/// this process and of every other.
const WORKER_DIGITS: usize = 10;
/// The length of a request id, in bytes: those digits, a hyphen, and 64 bits in hexadecimal digits.
const ID_LENGTH: usize = WORKER_DIGITS + 1 + 16;

/// The id of a request in the log, the audit trail and the header `X-Request-Id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    worker: [u8; WORKER_DIGITS],
    number: u64,
}

/// Makes the ids of one worker: hashes of a counter under a secret key, so that they do not
/// reveal how many requests there are.
#[derive(Debug)]
struct RequestIds {
    worker: [u8; WORKER_DIGITS],
    key: SipHasher13,
    counter: Cell<u64>,
}

impl RequestIds {
    /// For a new worker, from these random bytes.
    fn new(random: [u8; 16 + WORKER_DIGITS / 2]) -> Self {
        let (key, name) = random.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        let mut worker = [b'0'; WORKER_DIGITS];
        // Fails only for a wrong length, and then the zeros are good enough.
        let _ = hex::encode_to_slice(name, &mut worker);
        Self { worker, key: SipHasher13::new_with_key(key), counter: Cell::new(0) }
    }

    fn next(&self) -> RequestId {
        let count = self.counter.get();
        self.counter.set(count.wrapping_add(1));
        RequestId { worker: self.worker, number: self.key.hash(&count.to_le_bytes()) }
    }
}

impl RequestId {
    /// The id in ASCII.
    fn text(self) -> [u8; ID_LENGTH] {
        let mut text = [b'-'; ID_LENGTH];
        let (worker, number) = text.split_at_mut(WORKER_DIGITS);
        worker.copy_from_slice(&self.worker);
        if let Some((_hyphen, digits)) = number.split_first_mut() {
            // Fails only for a wrong length, and then the hyphens are good enough.
            let _ = hex::encode_to_slice(self.number.to_be_bytes(), digits);
        }
        text
    }
}

/// Such as `00c0ffee00-0123456789abcdef`.
impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

/// Who a request was from, or about.
#[derive(Debug, Clone, Copy)]
enum Who {
    Account(AccountLabel),
    Client(ClientId),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => account.fmt(f),
            Self::Client(client) => write!(f, "client:{client}"),
        }
    }
}

/// What a handler reports about its request for the log line at its end.
#[derive(Debug)]
pub struct Facts {
    request_id: RequestId,
    session: Cell<Option<SessionId>>,
    user: Cell<Option<Who>>,
    reason: Cell<Option<&'static str>>,
    quiet: Cell<bool>,
}

impl Facts {
    const fn new(request_id: RequestId) -> Self {
        Self {
            request_id,
            session: Cell::new(None),
            user: Cell::new(None),
            reason: Cell::new(None),
            quiet: Cell::new(false),
        }
    }

    /// Notes the user and session of the request.
    pub fn verified(&self, who: &Verified) {
        self.opened(who.session.id, who.user.id);
    }

    /// Notes which session the request opened.
    pub fn opened(&self, session: SessionId, user: UserId) {
        self.session.set(Some(session));
        self.of_user(user);
    }

    /// Notes which user the request was about.
    pub fn of_user(&self, user: UserId) {
        self.user.set(Some(Who::Account(AccountLabel::User(user))));
    }

    /// Notes which registered client asks.
    pub fn of_client(&self, client: ClientId) {
        self.user.set(Some(Who::Client(client)));
    }

    /// Notes why the request was refused.
    pub fn refused(&self, reason: &'static str) {
        self.reason.set(Some(reason));
    }

    /// Notes why a login was refused, and which account it was for.
    pub fn refused_login(&self, reason: &'static str, account: AccountLabel) {
        self.reason.set(Some(reason));
        self.user.set(Some(Who::Account(account)));
    }

    /// A request that changed nothing: logged at debug level if it succeeds.
    pub fn read_only(&self) {
        self.quiet.set(true);
    }
}

/// Notes something about `request`, if it will be logged.
pub fn note(request: &HttpRequest, what: impl FnOnce(&Facts)) {
    if let Some(facts) = request.extensions().get::<Facts>() {
        what(facts);
    }
}

/// The id of `request`, if it has one.
pub fn request_id(request: &HttpRequest) -> Option<RequestId> {
    request.extensions().get::<Facts>().map(|facts| facts.request_id)
}

/// Middleware that gives each request an id, which is returned as `X-Request-Id` with
/// `X-Content-Type-Options: nosniff`, and logs it after the
/// answer: successful reads at debug level, the server's failures as warnings, everything else at info
/// level.
pub struct RequestLog {
    state: Rc<HttpState>,
}

impl RequestLog {
    /// Logs the requests of an application that shares this state.
    pub fn new(state: HttpState) -> Self {
        Self { state: Rc::new(state) }
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequestLog
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
{
    type Response = ServiceResponse<B>;
    type Error = actix_web::Error;
    type Transform = RequestLogService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let mut random = [0; 16 + WORKER_DIGITS / 2];
        // Ids only have to differ; without random bytes those of several workers are equal.
        if let Err(error) = SystemRandom.fill(&mut random) {
            log::warn!("request ids repeat after each start: {error}");
        }
        let ids = RequestIds::new(random);
        ready(Ok(RequestLogService { service, state: Rc::clone(&self.state), ids }))
    }
}

/// The service that [`RequestLog`] wraps around an application.
pub struct RequestLogService<S> {
    service: S,
    state: Rc<HttpState>,
    ids: RequestIds,
}

impl<S, B> Service<ServiceRequest> for RequestLogService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
{
    type Response = ServiceResponse<B>;
    type Error = actix_web::Error;
    type Future = Logged<S::Future>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let begun = Instant::now();
        let id = self.ids.next();
        request.extensions_mut().insert(Facts::new(id));
        Logged { answer: self.service.call(request), state: Rc::clone(&self.state), id, begun }
    }
}

pin_project! {
    /// A running request, until it is answered and logged.
    pub struct Logged<F> {
        #[pin]
        answer: F,
        state: Rc<HttpState>,
        id: RequestId,
        begun: Instant,
    }
}

impl<F, B> Future for Logged<F>
where
    F: Future<Output = Result<ServiceResponse<B>, actix_web::Error>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = wait_for!(this.answer.poll(context))?;
        if let Ok(value) = HeaderValue::from_bytes(&this.id.text()) {
            response.headers_mut().insert(REQUEST_ID.clone(), value);
        }
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF.clone());
        if this.state.is_stopping() {
            // The client's next request should go to another server, not to a connection that is closing.
            response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        }
        if let Some(facts) = response.request().extensions().get::<Facts>() {
            log_answer(&response, facts, this.state, *this.begun);
        }
        Poll::Ready(Ok(response))
    }
}

fn log_answer<B>(response: &ServiceResponse<B>, facts: &Facts, state: &HttpState, begun: Instant) {
    let status = response.status();
    let level = if status.is_server_error() {
        log::Level::Warn
    } else if status.is_success() && facts.quiet.get() {
        log::Level::Debug
    } else {
        log::Level::Info
    };
    if !log::log_enabled!(target: "knoxide::request", level) {
        return;
    }
    let route = response.request().match_pattern().unwrap_or_else(|| "-".to_owned());
    let session = facts.session.get().map_or_else(|| "-".to_owned(), |session| session.to_string());
    let user = facts.user.get().map_or_else(|| "-".to_owned(), |user| user.to_string());
    let address = state.client_address(response.request()).map(|address| address.to_string());
    let request_id = facts.request_id.to_string();
    log::log!(
        target: "knoxide::request", level,
        method = known(response.request().method()),
        route = route.as_str(),
        status = status.as_u16(),
        micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
        request_id = request_id.as_str(),
        address = address.as_deref().unwrap_or("-"),
        session = session.as_str(),
        user = user.as_str(),
        reason = facts.reason.get().unwrap_or("-");
        "request"
    );
}

/// The method, or a placeholder if a client made it up.
fn known(method: &Method) -> &str {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
    ];
    if known.contains(method) { method.as_str() } else { "-" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_tell_workers_apart_and_count_nothing() {
        let id = |number| RequestId { worker: *b"00c0ffee00", number }.to_string();
        assert_eq!(id(0), "00c0ffee00-0000000000000000");
        assert_eq!(id(0x2af), "00c0ffee00-00000000000002af");
        assert_eq!(id(u64::MAX), "00c0ffee00-ffffffffffffffff");
        let mut random = [7; 16 + WORKER_DIGITS / 2];
        let ids = RequestIds::new(random);
        let made: Vec<RequestId> = (0..1000).map(|_| ids.next()).collect();
        assert!(made.iter().all(|id| id.worker == *b"0707070707"));
        let distinct: std::collections::HashSet<u64> = made.iter().map(|id| id.number).collect();
        assert_eq!(distinct.len(), made.len());
        let mut sorted: Vec<u64> = made.iter().map(|id| id.number).collect();
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] > 1) && made[0].number != sorted[0]);
        // Another key gives other ids, though the worker has the same name.
        random[0] = 8;
        assert_ne!(RequestIds::new(random).next().number, made[0].number);
    }
}
