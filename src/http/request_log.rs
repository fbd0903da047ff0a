//! One log line a request, without secrets: ids, never tokens; routes, never paths or methods that
//! a client made up.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, web};

use super::HttpState;
use crate::session::{SessionId, Verified};
use crate::user::UserId;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a handler learns about its request, for the log line at its end.
#[derive(Debug, Default)]
pub struct Facts {
    /// The request's id, also sent back as `X-Request-Id`.
    pub request_id: String,
    who: Cell<Option<(SessionId, UserId)>>,
    reason: Cell<Option<&'static str>>,
    quiet: Cell<bool>,
}

impl Facts {
    /// Notes whose request it was.
    pub fn verified(&self, who: &Verified) {
        self.opened(who.session.id, who.user.id);
    }

    /// Notes which session the request opened.
    pub fn opened(&self, session: SessionId, user: UserId) {
        self.who.set(Some((session, user)));
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
    let Some(state) = request.app_data::<web::Data<HttpState>>().cloned() else {
        return next.call(request).await;
    };
    let facts = Rc::new(Facts { request_id: state.next_request_id(), ..Facts::default() });
    request.extensions_mut().insert(Rc::clone(&facts));
    let mut response = next.call(request).await?;
    if let Ok(id) = HeaderValue::from_str(&facts.request_id) {
        response.headers_mut().insert(REQUEST_ID.clone(), id);
    }
    if state.is_stopping() {
        // The client's next request shall find another server, not a connection that just ended.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
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
        let (session, user) = match facts.who.get() {
            Some((session, user)) => (session.to_string(), user.to_string()),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let address = state.client_address(response.request()).map(|address| address.to_string());
        log::log!(
            target: "knoxide::request", level,
            method = known(response.request().method()),
            route = route.as_str(),
            status = status.as_u16(),
            micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            request_id = facts.request_id.as_str(),
            address = address.as_deref().unwrap_or("-"),
            session = session.as_str(),
            user = user.as_str(),
            reason = facts.reason.get().unwrap_or("-");
            "request"
        );
    }
    Ok(response)
}

/// The method, unless a client made it up.
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
