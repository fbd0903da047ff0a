//! Who asks: an administrator, by an administrator's token.

use actix_web::HttpRequest;

use super::AdminState;
use super::error::ApiError;
use crate::domain::session::{SessionKind, Verified};
use crate::http::drf::authorization::{self, Presented};
use crate::http::middleware::request_log::note;
use crate::service::CheckError;

/// The words before a token.
const KEYWORDS: [&str; 2] = ["Bearer", "Token"];

/// The administrator of a request.
#[derive(Debug, Clone)]
pub(in crate::http) struct Acting {
    /// Who it is, and the session of the token.
    pub(in crate::http) who: Verified,
    /// How.
    pub(in crate::http) by: By,
}

/// How an administrator asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum By {
    /// By the token of a login at the API.
    Login,
    /// By a token that was made for a script, which cannot give a password.
    Script,
    /// At a page, which asks for the password where the API refuses.
    #[cfg(feature = "pages")]
    Page,
}

/// Reads the token of a request and judges it.
///
/// # Errors
/// 401 without a good token, 403 with a good one that is none for this API, 503 if that could not be found out.
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
