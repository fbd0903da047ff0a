//! Who has signed in, by the cookie of the pages.

use actix_web::HttpRequest;

use super::cookie::{self, Holds};
use super::form;
use super::frame::Viewer;
use super::site::Visit;
use crate::domain::session::Verified;
use crate::domain::token::Token;
use crate::http::admin::error::ApiError;
use crate::http::middleware::request_log::note;
use crate::service::{Auth, CheckError, Pages};

/// Somebody who has signed in.
pub(super) struct SignedIn {
    /// The token of the cookie.
    pub(super) token: Token,
    /// Its user and session.
    pub(super) who: Verified,
}

impl SignedIn {
    /// The user of the cookie; `None`: nobody has signed in to these pages.
    ///
    /// # Errors
    /// When that could not be found out.
    pub(super) async fn of(
        auth: &Auth,
        pages: Pages,
        request: &HttpRequest,
        visit: &Visit,
    ) -> Result<Option<Self>, ApiError> {
        let Some(token) = cookie::read(request, visit, Holds::Session) else { return Ok(None) };
        match auth.check_for_pages(pages, &token).await {
            Ok(who) => {
                note(request, |facts| facts.verified(&who));
                Ok(Some(Self { token, who }))
            }
            Err(CheckError::Refused(refusal)) => {
                note(request, |facts| facts.refused(refusal.as_str()));
                Ok(None)
            }
            Err(CheckError::Unavailable(error)) => Err(error.into()),
        }
    }

    /// Who sees the pages.
    pub(super) fn viewer(&self) -> Viewer {
        Viewer { name: self.who.user.username.clone(), form_token: form::token_for(&self.token) }
    }
}
