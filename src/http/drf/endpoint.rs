//! The form of an endpoint of a dialect, and the order in which a request to it is checked
//! (`docs/contract.md#order-of-judgement`).
//!
//! Each file with endpoints has one list of them, from which they are mounted, and described in the document of the API
//! and in the replies to `OPTIONS`.

use actix_web::error::PayloadError;
use actix_web::guard::fn_guard;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, Route, web};
use bytes::Bytes;
use futures_util::Stream;
use serde_json::{Map, Value, json};

use crate::domain::dialect::Dialect;
use crate::http::drf::body::value::Document;
use crate::http::drf::body::{self, BodyError, Limits, declared_length};
use crate::http::drf::media::joined;
use crate::http::drf::negotiate::negotiate;
use crate::http::drf::reply::Replies;
use crate::http::drf::request::Mounted;
use crate::http::openapi::document::Section;
use crate::http::openapi::operation::Operation;

/// The result of a step or a handler: a value to continue with, or the reply to send.
pub type EndpointResult<T = HttpResponse> = Result<T, HttpResponse>;

/// The reply, from either side of the result.
pub fn respond(answer: EndpointResult) -> HttpResponse {
    answer.unwrap_or_else(|refusal| refusal)
}

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Reading: `GET` and `HEAD`.
    Get,
    /// An action: `POST`.
    Post,
    /// Ending something: `DELETE`.
    Delete,
}

impl Verb {
    /// Its name in a request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    fn accepts(self, method: &Method) -> bool {
        match self {
            Self::Get => method == Method::GET || method == Method::HEAD,
            Self::Post => method == Method::POST,
            Self::Delete => method == Method::DELETE,
        }
    }
}

/// What can be the id of a session. Everything else in its place is another path.
const ID: &str = "{id:[0-9a-fA-F-]{36}}";

/// A path, with all its methods.
#[derive(Debug)]
pub(in crate::http) struct Endpoint {
    /// The path below the prefix, without outer slashes. `{id}` stands for the id of a session.
    pub(in crate::http) path: &'static str,
    /// The name in the reply to `OPTIONS`.
    name: &'static str,
    /// The methods, besides `OPTIONS`.
    pub(in crate::http) actions: &'static [Action],
    /// The header with them.
    allow: HeaderValue,
}

/// What a method of a path does.
#[derive(Debug)]
pub(in crate::http) struct Action {
    /// The method.
    pub(in crate::http) verb: Verb,
    /// The fields in the reply to `OPTIONS`; none for dialects that do not describe them.
    pub(in crate::http) fields: &'static [&'static str],
    /// What the document says about it.
    pub(in crate::http) described: Described,
    route: fn(Mounted) -> Route,
}

type Described = fn(&mut Section<'_>) -> Operation;

/// `GET` and `HEAD`.
pub(in crate::http) const fn get(route: fn(Mounted) -> Route, described: Described) -> Action {
    Action { verb: Verb::Get, fields: &[], described, route }
}

/// `POST`.
pub(in crate::http) const fn post(
    fields: &'static [&'static str],
    route: fn(Mounted) -> Route,
    described: Described,
) -> Action {
    Action { verb: Verb::Post, fields, described, route }
}

/// `DELETE`.
pub(in crate::http) const fn delete(route: fn(Mounted) -> Route, described: Described) -> Action {
    Action { verb: Verb::Delete, fields: &[], described, route }
}

/// The endpoint at `path`, whose reply to `OPTIONS` has this name.
pub(in crate::http) const fn endpoint(path: &'static str, name: &'static str, actions: &'static [Action]) -> Endpoint {
    // A constant: a value that is put together at runtime would count its references with each reply.
    let allow = match actions {
        [Action { verb: Verb::Get, .. }] => "GET, HEAD, OPTIONS",
        [Action { verb: Verb::Post, .. }] => "POST, OPTIONS",
        [Action { verb: Verb::Delete, .. }] => "DELETE, OPTIONS",
        [Action { verb: Verb::Get, .. }, Action { verb: Verb::Post, .. }] => "GET, HEAD, POST, OPTIONS",
        _ => panic!("say above what `Allow` is for these methods"),
    };
    Endpoint { path, name, actions, allow: HeaderValue::from_static(allow) }
}

impl Endpoint {
    /// Mounts it at both of its paths: a redirect from one to the other would lose the body of a
    /// POST. Each path is a separate resource, because actix compares a single fixed path as text, but
    /// several paths with regular expressions, for each resource before the right one.
    pub(in crate::http) fn mount(&'static self, config: &mut web::ServiceConfig, prefix: &str, dialect: Dialect) {
        let Some((last, others)) = self.actions.split_last() else { return };
        let route = |action: &Action| (action.route)(Mounted { endpoint: self, verb: action.verb, dialect });
        let path = self.path.replace("{id}", ID);
        for slash in ["/", ""] {
            let mut resource = web::resource(format!("{prefix}/{path}{slash}"));
            for action in others {
                let is_its = fn_guard(|asked| action.verb.accepts(&asked.head().method));
                resource = resource.route(route(action).guard(is_its));
            }
            // The last one also gets all other methods, and refuses them.
            config.service(resource.route(route(last)));
        }
    }

    /// Steps 2 and 3: whether the client accepts JSON.
    ///
    /// # Errors
    /// The refusal to send, 404 or 406.
    pub(in crate::http) fn open<'r>(&'static self, request: &'r HttpRequest) -> EndpointResult<Negotiated<'r>> {
        let with_body = request.method() != Method::HEAD;
        let accept = joined(request.headers(), &ACCEPT);
        let replies = Replies::new(Some(&self.allow), with_body);
        negotiate(request.query_string(), accept.as_deref())
            .map_err(|error| replies.detail(error.status(), &error.to_string()))?;
        Ok(Negotiated { endpoint: self, request, replies })
    }

    fn metadata(&self) -> Value {
        let mut metadata = json!({
            "name": self.name,
            "description": "",
            "renders": ["application/json"],
            "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
        });
        let fields = |action: &Action| {
            let fields = action.fields.iter().map(|name| ((*name).to_owned(), field_metadata(name)));
            (action.verb.name().to_owned(), Value::Object(fields.collect()))
        };
        let actions: Map<_, _> = self.actions.iter().filter(|action| !action.fields.is_empty()).map(fields).collect();
        if let (Some(object), false) = (metadata.as_object_mut(), actions.is_empty()) {
            object.insert("actions".to_owned(), Value::Object(actions));
        }
        metadata
    }
}

fn field_metadata(name: &str) -> Value {
    let (first, rest) = name.split_at_checked(1).unwrap_or_default();
    let label = first.to_uppercase() + &rest.replace('_', " ");
    json!({ "type": "string", "required": true, "read_only": false, "label": label })
}

/// A request whose client accepts JSON.
#[derive(Debug)]
pub(in crate::http) struct Negotiated<'r> {
    endpoint: &'static Endpoint,
    request: &'r HttpRequest,
    replies: Replies,
}

impl Negotiated<'_> {
    /// Writes replies to this request.
    pub(in crate::http) const fn replies(&self) -> &Replies {
        &self.replies
    }

    /// Step 5: the method.
    ///
    /// # Errors
    /// What to send instead: 405, or the description of the endpoint for `OPTIONS`.
    pub(in crate::http) fn check_method(&self) -> EndpointResult<()> {
        let method = self.request.method();
        if self.endpoint.actions.iter().any(|action| action.verb.accepts(method)) {
            Ok(())
        } else if method == Method::OPTIONS {
            Err(self.replies.json(StatusCode::OK, &self.endpoint.metadata()))
        } else {
            Err(self.replies.method_not_allowed(method.as_str()))
        }
    }

    /// Steps 6 to 8: the content type, the body's size, and its parsing.
    ///
    /// # Errors
    /// The refusal to send.
    pub(in crate::http) async fn document<S>(&self, payload: S, limits: Limits) -> EndpointResult<Document>
    where
        S: Stream<Item = Result<Bytes, PayloadError>>,
    {
        let headers = self.request.headers();
        let content_type = joined(headers, &CONTENT_TYPE).unwrap_or_default();
        let length = declared_length(headers);
        body::read(&content_type, length, payload, limits).await.map_err(|error| self.body_refusal(&error))
    }

    fn body_refusal(&self, error: &BodyError) -> HttpResponse {
        if error.ends_connection() {
            self.replies.last(error.status(), &error.to_string())
        } else {
            self.replies.detail(error.status(), &error.to_string())
        }
    }
}

#[cfg(test)]
mod tests;
