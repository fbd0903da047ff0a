//! Replies of the API.

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use super::error::ApiError;

/// The reply to a request, or its refusal.
pub(in crate::http) type Answer = Result<HttpResponse, ApiError>;

/// 200 with this body.
pub(super) fn ok(body: &impl Serialize) -> Answer {
    json(StatusCode::OK, body)
}

/// 201 with this body.
pub(super) fn created(body: &impl Serialize) -> Answer {
    json(StatusCode::CREATED, body)
}

/// 204.
pub(super) fn no_content() -> Answer {
    Ok(begin(StatusCode::NO_CONTENT).finish())
}

/// A reply that must not be stored.
pub(super) fn begin(status: StatusCode) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status);
    builder.insert_header((CACHE_CONTROL, "no-store"));
    builder
}

fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let body = serde_json::to_value(body).map_err(|error| ApiError::unavailable(&error))?;
    Ok(begin(status).json(body))
}
