//! The order in which a request is checked (`docs/contract.md#order-of-judgement`), for endpoints of any
//! dialect.
//!
//! A handler takes the steps one after the other and ends at the first refusal:
//!
//! ```no_run
//! use actix_web::http::StatusCode;
//! use actix_web::{HttpRequest, HttpResponse, web};
//! use knoxide::http::drf::body::Limits;
//! use knoxide::http::drf::fields::{Field, Trim};
//! use knoxide::http::drf::endpoint::{EndpointResult, Endpoint, Verb, respond};
//! use serde_json::json;
//!
//! const GREETING: Endpoint = Endpoint {
//!     name: "Greeting",
//!     description: "",
//!     verb: Verb::Post,
//!     actions: &[],
//! };
//!
//! async fn greeting(request: HttpRequest, payload: web::Payload, limits: web::Data<Limits>) -> HttpResponse {
//!     respond(greet(&request, payload, **limits).await)
//! }
//!
//! async fn greet(request: &HttpRequest, payload: web::Payload, limits: Limits) -> EndpointResult {
//!     let negotiated = GREETING.open(request)?;
//!     // Endpoints that require a token authenticate here.
//!     negotiated.check_method()?;
//!     let [name] = negotiated.fields(payload, limits, [Field::text("name", Trim::Yes)]).await?;
//!     Ok(negotiated.replies().json(StatusCode::OK, &json!({ "greeting": format!("Hello {name}") })))
//! }
//! ```

use actix_web::error::PayloadError;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::Stream;
use serde_json::{Map, Value, json};

use crate::http::drf::body::value::Document;
use crate::http::drf::body::{self, BodyError, Limits, declared_length};
use crate::http::drf::fields::{self, Field};
use crate::http::drf::media::joined;
use crate::http::drf::negotiate::negotiate;
use crate::http::drf::reply::Replies;

/// The result of a step or a handler: a value to continue with, or the reply to send.
pub type EndpointResult<T = HttpResponse> = Result<T, HttpResponse>;

/// The reply, from either side of the result.
pub fn respond(answer: EndpointResult) -> HttpResponse {
    answer.unwrap_or_else(|refusal| refusal)
}

/// The method of an endpoint.
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

    /// The `Allow` header.
    fn allow(self) -> &'static HeaderValue {
        static GET: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
        static POST: HeaderValue = HeaderValue::from_static("POST, OPTIONS");
        static DELETE: HeaderValue = HeaderValue::from_static("DELETE, OPTIONS");
        match self {
            Self::Get => &GET,
            Self::Post => &POST,
            Self::Delete => &DELETE,
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

/// The static description of an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// The name in the reply to `OPTIONS`.
    pub name: &'static str,
    /// The description in the reply to `OPTIONS`.
    pub description: &'static str,
    /// Its method, besides `OPTIONS`.
    pub verb: Verb,
    /// The fields of its method in the reply to `OPTIONS`; none for dialects that do
    /// not describe them.
    pub actions: &'static [&'static str],
}

impl Endpoint {
    /// An endpoint for `POST` alone, without a description.
    pub const fn post(name: &'static str, actions: &'static [&'static str]) -> Self {
        Self { name, description: "", verb: Verb::Post, actions }
    }

    /// Steps 2 and 3: whether the client accepts JSON.
    ///
    /// # Errors
    /// The refusal to send, 404 or 406.
    pub fn open<'r>(&self, request: &'r HttpRequest) -> EndpointResult<Negotiated<'r>> {
        let with_body = request.method() != Method::HEAD;
        let accept = joined(request.headers(), &ACCEPT);
        let replies = Replies::new(Some(self.verb.allow()), with_body);
        negotiate(request.query_string(), accept.as_deref())
            .map_err(|error| replies.detail(error.status(), &error.to_string()))?;
        Ok(Negotiated { endpoint: *self, request, replies })
    }

    fn metadata(&self) -> Value {
        let mut metadata = json!({
            "name": self.name,
            "description": self.description,
            "renders": ["application/json"],
            "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
        });
        if let (Some(object), false) = (metadata.as_object_mut(), self.actions.is_empty()) {
            let fields = self.actions.iter().map(|name| ((*name).to_owned(), field_metadata(name)));
            object.insert("actions".to_owned(), json!({ (self.verb.name()): fields.collect::<Map<_, _>>() }));
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
pub struct Negotiated<'r> {
    endpoint: Endpoint,
    request: &'r HttpRequest,
    replies: Replies,
}

impl Negotiated<'_> {
    /// Writes replies to this request.
    pub const fn replies(&self) -> &Replies {
        &self.replies
    }

    /// Step 5: the method.
    ///
    /// # Errors
    /// What to send instead: 405, or the description of the endpoint for `OPTIONS`.
    pub fn check_method(&self) -> EndpointResult<()> {
        let method = self.request.method();
        if self.endpoint.verb.accepts(method) {
            Ok(())
        } else if method == Method::OPTIONS {
            Err(self.replies.json(StatusCode::OK, &self.endpoint.metadata()))
        } else {
            Err(self.replies.method_not_allowed(method.as_str()))
        }
    }

    /// Steps 6 to 10: the content type, the body's size, its shape and its fields.
    ///
    /// # Errors
    /// The refusal to send.
    pub async fn fields<S, const N: usize>(
        &self,
        payload: S,
        limits: Limits,
        declared: [Field; N],
    ) -> EndpointResult<[String; N]>
    where
        S: Stream<Item = Result<Bytes, PayloadError>>,
    {
        let document = self.document(payload, limits).await?;
        fields::take(&document, declared).map_err(|errors| self.replies.field_errors(&errors))
    }

    /// Steps 6 to 8: the content type, the body's size, and its parsing.
    ///
    /// # Errors
    /// The refusal to send.
    pub async fn document<S>(&self, payload: S, limits: Limits) -> EndpointResult<Document>
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
