//! Refusals, in the shape of RFC 6749, section 5.2: `{"error":"…","error_description":"…"}`.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::json;

use crate::http::drf::body::BodyError;
use crate::service::Unavailable;

/// What a program tells refusals apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    InvalidRequest,
    InvalidClient,
    InvalidToken,
    UnauthorizedClient,
    TooManyRequests,
    TemporarilyUnavailable,
}

impl Code {
    pub(super) const ALL: [Self; 6] = [
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::InvalidToken,
        Self::UnauthorizedClient,
        Self::TooManyRequests,
        Self::TemporarilyUnavailable,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidToken => "invalid_token",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::TooManyRequests => "too_many_requests",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
}

/// A refusal. Its description is a constant text: nothing of a request is repeated.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: Code,
    description: &'static str,
    retry_after: Option<Duration>,
    /// Whether a part of the request may still arrive.
    closes: bool,
}

impl Refusal {
    const fn new(status: StatusCode, code: Code, description: &'static str) -> Self {
        Self { status, code, description, retry_after: None, closes: false }
    }

    /// 400.
    pub(super) const fn invalid_request(description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidRequest, description)
    }

    /// 401: no client credentials, or wrong ones.
    pub(super) const fn invalid_client(description: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Code::InvalidClient, description)
    }

    /// 401: a token that is not one of an administrator's script (RFC 6750, section 3.1).
    pub(super) const fn invalid_token() -> Self {
        let words = "the token is not that of an administrator's script";
        Self::new(StatusCode::UNAUTHORIZED, Code::InvalidToken, words)
    }

    /// 403: the client is known, and lacks the right. Not 401, which would make it look for other credentials.
    pub(super) const fn unauthorized_client() -> Self {
        Self::new(StatusCode::FORBIDDEN, Code::UnauthorizedClient, "the client does not have the right for this")
    }

    /// 405.
    pub(super) const fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::InvalidRequest, "the method of this endpoint is POST")
    }

    /// 415.
    pub(super) const fn unsupported_media_type(description: &'static str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidRequest, description)
    }

    /// 429.
    pub(super) const fn too_many_requests(after: Duration) -> Self {
        let words = "the client has reached its limit of requests";
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyRequests, words);
        Self { retry_after: Some(after), ..refusal }
    }

    /// Why, for the log.
    pub(super) const fn reason(&self) -> &'static str {
        self.code.as_str()
    }

    /// The scheme that was not satisfied, for a 401 (RFC 9110, section 11.6.1).
    const fn challenge(&self) -> Option<&'static str> {
        match self.code {
            Code::InvalidClient => Some("Basic realm=\"knoxide\""),
            Code::InvalidToken => Some("Bearer realm=\"knoxide\", error=\"invalid_token\""),
            Code::InvalidRequest | Code::UnauthorizedClient | Code::TooManyRequests | Code::TemporarilyUnavailable => {
                None
            }
        }
    }

    /// The reply, without a body for `HEAD`.
    pub(super) fn reply(&self, with_body: bool) -> HttpResponse {
        let mut builder = HttpResponse::build(self.status);
        builder.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(challenge) = self.challenge() {
            builder.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if let Some(after) = self.retry_after {
            let seconds = u64::try_from(after.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
            builder.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            builder.insert_header((ALLOW, "POST"));
        }
        if self.closes {
            builder.force_close();
        }
        if !with_body {
            return builder.finish();
        }
        builder.json(json!({ "error": self.reason(), "error_description": self.description }))
    }
}

/// 503: nothing is known of the token or of the caller.
impl From<Unavailable> for Refusal {
    fn from(error: Unavailable) -> Self {
        log::warn!("a request about a token could not be answered: {error}");
        let words = "this could not be done now, which says nothing about the token: try again";
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::TemporarilyUnavailable, words);
        Self { retry_after: Some(Duration::from_secs(1)), ..refusal }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let words = match error {
            BodyError::UnsupportedMediaType(_) => "the content type is not that of this endpoint",
            BodyError::TooLarge(_) => "the body is too large",
            BodyError::Slow => "the body did not arrive in time",
            BodyError::Broken => "the body is incomplete",
            BodyError::Undecodable | BodyError::Json(_) | BodyError::Multipart(_) => "the body cannot be read",
        };
        let closes = error.ends_connection();
        Self { closes, ..Self::new(error.status(), Code::InvalidRequest, words) }
    }
}
