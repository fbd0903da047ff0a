//! Why a request is not authenticated, and how it is answered.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::http::drf::challenge::Refused;
use crate::http::drf::reply::Replies;

/// Why a request is not authenticated, and the reply for it.
#[derive(Debug, Clone)]
pub struct AuthFailure(pub(super) Failure);

/// What the request is answered with.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// It has no credentials for this server, or a cookie that is not good, which the browser sends all the same: 401.
    Anonymous(Refused),
    /// Its token is bad: 401.
    Refused(Refused),
    /// Another site may have made a browser send it with a cookie: 403.
    CrossSite,
    /// It has more than one token: 400.
    Several,
    /// The check could not be made: 503.
    Unavailable,
}

impl AuthFailure {
    /// Whether the request has no credentials for this server. A cookie that is not good counts as none, since a
    /// browser goes on sending it.
    pub const fn is_anonymous(&self) -> bool {
        matches!(self.0, Failure::Anonymous(_))
    }

    /// The status of the reply.
    pub const fn status(&self) -> StatusCode {
        match &self.0 {
            Failure::Anonymous(_) | Failure::Refused(_) => StatusCode::UNAUTHORIZED,
            Failure::CrossSite => StatusCode::FORBIDDEN,
            Failure::Several => StatusCode::BAD_REQUEST,
            Failure::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The challenge of a 401.
    pub(in crate::http) fn challenge(&self) -> Option<&str> {
        match &self.0 {
            Failure::Anonymous(Refused { challenge, .. }) | Failure::Refused(Refused { challenge, .. }) => {
                Some(challenge)
            }
            Failure::CrossSite | Failure::Several | Failure::Unavailable => None,
        }
    }

    /// The reply, in the form of an endpoint's other replies.
    pub fn reply(&self, replies: &Replies) -> HttpResponse {
        match &self.0 {
            Failure::Anonymous(Refused { body, challenge }) | Failure::Refused(Refused { body, challenge }) => {
                replies.unauthorized(challenge, body)
            }
            Failure::CrossSite => replies.cross_site(),
            Failure::Several => replies.several_tokens(),
            Failure::Unavailable => replies.unavailable(),
        }
    }

    /// The reply outside of this crate's endpoints, without an `Allow` header.
    pub fn response(&self) -> HttpResponse {
        self.reply(&Replies::new(None, true))
    }
}

impl From<AuthFailure> for actix_web::Error {
    fn from(failure: AuthFailure) -> Self {
        actix_web::error::InternalError::from_response("not authenticated", failure.response()).into()
    }
}
