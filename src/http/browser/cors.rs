//! Cross-origin resource sharing: which pages of other origins may read replies (Fetch standard, "CORS protocol").
//!
//! It opens replies to pages and decides nothing else: what a page may do with a cookie is the matter of
//! `src/http/browser/site.rs`.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::str::FromStr;
use std::task::{Context, Poll};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    CACHE_CONTROL, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, body::BoxBody};
use pin_project_lite::pin_project;

use super::cookie::only;
use super::origins::Origins;
use crate::http::middleware::request_log::{Facts, note};

static ANY: HeaderValue = HeaderValue::from_static("*");
static TRUE: HeaderValue = HeaderValue::from_static("true");
static BY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");
static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Every method of an endpoint that clients call.
static METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, DELETE");
/// What clients send, besides the headers that every page may send.
static SENT: HeaderValue = HeaderValue::from_static("Authorization, Content-Type, X-Session-Name");
/// What clients need of a reply, besides the headers that every page may read.
static EXPOSED: HeaderValue = HeaderValue::from_static("Retry-After, WWW-Authenticate, X-Request-Id");
/// For how many seconds a browser may remember the answer to a preflight.
static PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("600");

/// Which pages of other origins may read replies; by default none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorsOptions {
    /// The pages.
    pub origins: CorsOrigins,
    /// Whether they may read replies to requests with cookies. Never counts for [`CorsOrigins::Any`].
    pub credentials: bool,
}

/// Pages that may read replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// All pages, in a browser that sends no cookies with their requests.
    Any,
    /// Those of these origins; if there are none, CORS is off.
    Of(Origins),
}

impl Default for CorsOrigins {
    fn default() -> Self {
        Self::Of(Origins::default())
    }
}

/// `*`, or a comma list of origins.
impl FromStr for CorsOrigins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "*" { Ok(Self::Any) } else { text.parse().map(Self::Of) }
    }
}

impl fmt::Display for CorsOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Of(origins) => origins.fmt(f),
        }
    }
}

impl CorsOptions {
    /// Whether any page may read anything.
    pub const fn is_on(&self) -> bool {
        match &self.origins {
            CorsOrigins::Any => true,
            CorsOrigins::Of(origins) => !origins.is_empty(),
        }
    }

    /// Whether replies to requests with cookies may be read.
    const fn with_credentials(&self) -> bool {
        self.credentials && matches!(self.origins, CorsOrigins::Of(_))
    }

    /// The value of `Access-Control-Allow-Origin`, if the page that sent the request may read the reply.
    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = only(request, &ORIGIN)?;
        match &self.origins {
            CorsOrigins::Any => Some(ANY.clone()),
            CorsOrigins::Of(origins) => origins.contains(origin.as_bytes()).then(|| origin.clone()),
        }
    }

    /// The headers that every reply to a page gets which may read it, and the one that all replies get, so that no
    /// cache gives one page what was meant for another.
    fn mark(&self, reply: &mut HeaderMap, allowed: Option<&HeaderValue>) {
        reply.append(VARY, BY_ORIGIN.clone());
        let Some(origin) = allowed else { return };
        reply.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.with_credentials() {
            reply.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE.clone());
        }
    }

    /// The answer to a preflight: 204 with what the page may send, or 403.
    fn answer_preflight(&self, allowed: Option<&HeaderValue>) -> HttpResponse {
        let status = if allowed.is_some() { StatusCode::NO_CONTENT } else { StatusCode::FORBIDDEN };
        let mut reply = HttpResponse::new(status);
        let headers = reply.headers_mut();
        self.mark(headers, allowed);
        headers.insert(CACHE_CONTROL, NO_STORE.clone());
        if allowed.is_some() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, SENT.clone());
            headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE.clone());
        }
        reply
    }
}

/// Whether a browser asks what a page may send, before it sends that.
fn is_preflight(request: &ServiceRequest) -> bool {
    let has = |name| request.headers().contains_key(name);
    *request.method() == Method::OPTIONS && has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Middleware that answers preflights before anything is checked, and marks replies that pages may read.
///
/// Never around the endpoints of forward authentication: a proxy would take the answer to a preflight for leave to let
/// the request pass.
pub(in crate::http) struct Cors(Rc<CorsOptions>);

impl Cors {
    /// With these options.
    pub(in crate::http) fn new(options: CorsOptions) -> Self {
        Self(Rc::new(options))
    }
}

impl<S, B> Transform<S, ServiceRequest> for Cors
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = CorsService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(CorsService { service, options: Rc::clone(&self.0) }))
    }
}

/// The service that [`Cors`] wraps around others.
pub(in crate::http) struct CorsService<S> {
    service: S,
    options: Rc<CorsOptions>,
}

impl<S, B> Service<ServiceRequest> for CorsService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = Answer<S::Future, B>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let allowed = self.options.allowed(request.headers());
        if is_preflight(&request) {
            note(request.request(), |facts: &Facts| match allowed {
                Some(_) => facts.read_only(),
                None => facts.refused("origin_not_allowed"),
            });
            let answer = self.options.answer_preflight(allowed.as_ref());
            return Answer::Preflight { answer: Some(request.into_response(answer).map_into_right_body()) };
        }
        Answer::Serving { answer: self.service.call(request), allowed, options: Rc::clone(&self.options) }
    }
}

pin_project! {
    /// A request inside [`Cors`].
    #[project = AnswerProjection]
    pub(in crate::http) enum Answer<F, B> {
        /// The answer is there; `None` once it was returned.
        Preflight { answer: Option<ServiceResponse<EitherBody<B, BoxBody>>> },
        /// The service works on it.
        Serving { #[pin] answer: F, allowed: Option<HeaderValue>, options: Rc<CorsOptions> },
    }
}

impl<F, B> Future for Answer<F, B>
where
    F: Future<Output = Result<ServiceResponse<B>, actix_web::Error>>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, actix_web::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            AnswerProjection::Preflight { answer } => {
                answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer)))
            }
            AnswerProjection::Serving { answer, allowed, options } => answer.poll(context).map_ok(|mut reply| {
                options.mark(reply.headers_mut(), allowed.as_ref());
                if allowed.is_some() {
                    reply.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED.clone());
                }
                reply.map_into_left_body()
            }),
        }
    }
}
