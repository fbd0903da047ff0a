//! Authentication of administrators by their tokens.

use actix_web::HttpRequest;

use super::AdminState;
use super::error::ApiError;
use crate::domain::session::{SessionKind, Verified};
use crate::http::drf::authorization::{self, Presented};
use crate::http::middleware::request_log::note;
use crate::service::CheckError;

/// The schemes of the `Authorization` header.
const KEYWORDS: [&str; 2] = ["Bearer", "Token"];

/// The administrator of a request.
#[derive(Debug, Clone)]
pub(in crate::http) struct Acting {
    /// The user, and the session of the token.
    pub(in crate::http) who: Verified,
    /// How the administrator has authenticated.
    pub(in crate::http) by: By,
}

/// The way in which an administrator has authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum By {
    /// With the token of a login to the API.
    Login,
    /// With the token of a script, which has no password to enter.
    Script,
    /// On a page, which asks for the password where the API refuses.
    #[cfg(feature = "pages")]
    Page,
}

/// Authenticates the administrator of a request.
///
/// # Errors
/// 401 without a valid token, 403 with one that is not for this API, 503 if the token could not be checked.
pub(in crate::http) async fn authenticate(state: &AdminState, request: &HttpRequest) -> Result<Acting, ApiError> {
    let token = match authorization::read(request.headers(), &KEYWORDS) {
        Presented::Token { token, .. } => token,
        Presented::NotProvided => return Err(ApiError::unauthenticated("a token is required")),
        Presented::Empty { .. } | Presented::Spaces { .. } | Presented::Malformed { .. } => {
            return Err(ApiError::unauthenticated("the token is not valid"));
        }
    };
    let who = match state.http().auth().check_for_administration(&token).await {
        Ok(who) => who,
        Err(CheckError::Refused(_)) => return Err(ApiError::unauthenticated("the token is not valid")),
        Err(CheckError::Unavailable(error)) => return Err(error.into()),
    };
    note(request, |facts| facts.verified(&who));
    let by = match who.session.kind {
        SessionKind::Admin => By::Login,
        SessionKind::AdminScript => By::Script,
        SessionKind::Dialect(_) | SessionKind::AdminPage | SessionKind::AccountPage => {
            return Err(ApiError::forbidden("this token is not for administration: POST /admin/api/login/ gives one"));
        }
    };
    if !who.user.is_admin {
        return Err(ApiError::forbidden("the user is not an administrator"));
    }
    Ok(Acting { who, by })
}
