//! The API of administrators, `/admin/api/…` (`docs/admin-api.md`), for a listener of its own.
//!
//! [`ROUTES`] is the table of its endpoints: it says who may call each, and which function answers. A request is judged
//! in this order: the name of the host, the path and the method, the token, a recent password where one is needed, the
//! fields. The use cases run on the threads of a [`Desk`], never on those that serve checks.

pub(in crate::http) mod access;
pub(in crate::http) mod call;
mod clients;
mod description;
pub(in crate::http) mod error;
pub(in crate::http) mod events;
pub(in crate::http) mod explain;
pub(in crate::http) mod fields;
pub(in crate::http) mod hosts;
pub(in crate::http) mod keys;
pub(in crate::http) mod login;
pub(in crate::http) mod page;
pub(in crate::http) mod reply;
mod routes;
pub(in crate::http) mod sessions;
pub(in crate::http) mod throttle;
pub(in crate::http) mod tokens;
pub(in crate::http) mod users;

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};

use self::access::authenticate;
use self::call::Call;
use self::error::ApiError;
use self::fields::Fields;
pub use self::hosts::{BadHost, HostName, Hosts};
use self::reply::Answer;
use self::routes::Endpoint;
pub use self::routes::{Needs, ROUTES};
use super::HttpState;
use super::drf::body::declared_length;
use super::drf::media::joined;
use super::middleware::request_log::{Facts, note};
use super::openapi::document::Document;
use super::routes::{find, paths};
use crate::domain::jwt::{Algorithm, KeySecret};
use crate::service::admin::desk::Desk;

/// The settings that some endpoints need.
#[derive(Debug, Clone)]
pub struct AdminOptions {
    /// The algorithm for access tokens.
    pub algorithm: Algorithm,
    /// The secret of HS256, if the settings have one.
    pub jwt_secret: Option<KeySecret>,
    /// For how long ended sessions are kept.
    pub session_retention: Duration,
}

/// The state that all handlers share; clones are handles to it.
#[derive(Clone)]
pub struct AdminState(Arc<Shared>);

struct Shared {
    http: HttpState,
    desk: Desk,
    hosts: Hosts,
    settings: AdminOptions,
}

impl AdminState {
    /// Handlers over the service of `http`, with the use cases of `desk`, for requests to these hosts.
    pub fn new(http: HttpState, desk: Desk, hosts: Hosts, settings: AdminOptions) -> Self {
        Self(Arc::new(Shared { http, desk, hosts, settings }))
    }

    pub(in crate::http) fn http(&self) -> &HttpState {
        &self.0.http
    }

    pub(in crate::http) fn desk(&self) -> &Desk {
        &self.0.desk
    }

    /// The refusal of a request whose host is not served.
    pub(super) fn refuse_other_hosts(&self, request: &HttpRequest) -> Option<HttpResponse> {
        self.0.hosts.check(request).err().map(ApiError::reply)
    }

    pub(in crate::http) fn settings(&self) -> &AdminOptions {
        &self.0.settings
    }

    /// The hosts that are served.
    #[cfg(feature = "pages")]
    pub(in crate::http) fn hosts(&self) -> &Hosts {
        &self.0.hosts
    }
}

/// Mounts the endpoints, each with and without its final slash.
pub fn configure(config: &mut web::ServiceConfig, state: &AdminState) {
    config.app_data(web::Data::new(state.clone()));
    for path in paths(ROUTES) {
        let handler = move |request, payload, state| serve(path, request, payload, state);
        for path in [path, path.trim_end_matches('/')] {
            config.service(web::resource(path).to(handler));
        }
    }
}

/// Adds the endpoints to the OpenAPI document.
pub(super) fn document(document: &mut Document) {
    description::document(document, ROUTES);
}

/// Answers paths that do not exist: 404, or 421 if the host is not served either.
pub async fn not_found(request: HttpRequest, state: web::Data<AdminState>) -> HttpResponse {
    state.0.hosts.check(&request).err().unwrap_or_else(ApiError::not_found).reply()
}

async fn serve(
    path: &'static str,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AdminState>,
) -> HttpResponse {
    answer(path, &request, payload.into_inner(), &state).await.unwrap_or_else(|error| {
        note(&request, |facts| facts.refused(error.reason()));
        error.reply()
    })
}

async fn answer(path: &str, request: &HttpRequest, payload: Payload, state: &AdminState) -> Answer {
    state.0.hosts.check(request)?;
    let endpoint = find(ROUTES, path, request.method().as_str())
        .map_err(|methods| ApiError::method_not_allowed(methods.join(", ")))?;
    if endpoint.is_read() {
        note(request, Facts::read_only);
    }
    let acting = match endpoint.needs {
        Needs::Nothing => None,
        Needs::Admin | Needs::RecentPassword => Some(authenticate(state, request).await?),
    };
    let mut call = Call::new(state.clone(), request.clone(), acting);
    if endpoint.needs == Needs::RecentPassword {
        call.require_recent_password().await?;
    }
    call.fields = read_fields(endpoint, request, payload, state).await?;
    (endpoint.handler)(call).await
}

/// The fields: of a read, those of its query; of everything else, those of its body.
async fn read_fields(
    endpoint: &Endpoint,
    request: &HttpRequest,
    payload: Payload,
    state: &AdminState,
) -> Result<Fields, ApiError> {
    if endpoint.is_read() {
        return Ok(Fields::of_query(request.query_string()).declared_by(endpoint.extra));
    }
    if !request.query_string().is_empty() {
        return Err(ApiError::invalid("this request has its fields in the body, and none in the query"));
    }
    let headers = request.headers();
    let content_type = joined(headers, &CONTENT_TYPE).unwrap_or_default();
    let declared = declared_length(headers);
    let fields = Fields::of_body(&content_type, declared, payload, state.http().options()).await?;
    Ok(fields.declared_by(endpoint.extra))
}
