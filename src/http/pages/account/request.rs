//! A request for a page after it was judged, as handlers see it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;

use super::AccountPages;
use crate::domain::audit::Origin;
use crate::domain::session::Verified;
use crate::domain::time::Timestamp;
use crate::http::admin::error::ApiError;
use crate::http::admin::fields::Fields;
use crate::http::admin::login;
use crate::http::pages::frame::{Frame, Viewer};
use crate::http::pages::reply;
use crate::http::pages::site::Visit;
use crate::http::pages::when::When;
use crate::service::{Auth, LoginError};

/// The page, or why there is none.
pub(super) type Answer = Result<HttpResponse, ApiError>;

/// A request whose host, origin, cookie and form are good.
pub(super) struct Asked {
    pub(super) pages: AccountPages,
    pub(super) request: HttpRequest,
    pub(super) visit: Visit,
    pub(super) fields: Fields,
    /// Who has signed in, and what its pages show.
    pub(super) known: Option<(Verified, Viewer)>,
}

impl Asked {
    /// The service.
    pub(super) fn auth(&self) -> &Auth {
        self.pages.state().auth()
    }

    /// Where the request came from.
    pub(super) fn origin(&self) -> Origin {
        self.pages.state().origin(&self.request)
    }

    /// The user.
    ///
    /// # Errors
    /// At a page that needs none.
    pub(super) fn who(&self) -> Result<&Verified, ApiError> {
        let known = self.known.as_ref().map(|(who, _)| who);
        known.ok_or_else(|| ApiError::unauthenticated("you have to sign in"))
    }

    /// After the last field was taken.
    ///
    /// # Errors
    /// All mistakes in the fields.
    pub(super) fn finish(&mut self) -> Result<(), ApiError> {
        std::mem::take(&mut self.fields).finish()
    }

    /// What stands around a page with this title, below this link of the navigation.
    pub(super) fn frame(&self, title: &str, current: &'static str) -> Frame {
        let viewer = self.known.as_ref().map(|(_, viewer)| viewer.clone());
        Frame { title: title.to_owned(), current, ..self.pages.frame(viewer) }
    }

    /// The same after an act, which the path of the page tells.
    pub(super) fn frame_after_act(&mut self, title: &str, current: &'static str) -> Frame {
        let done = self.fields.text("done");
        let notice = done.and_then(|done| NOTICES.iter().find(|(name, _)| *name == done)).map(|(_, words)| *words);
        Frame { notice, ..self.frame(title, current) }
    }

    /// A time, seen from now.
    pub(super) fn when(&self, time: Timestamp) -> When {
        When::of(time, self.auth().now())
    }

    /// The page that an act leads to.
    pub(super) fn go(&self, path: &str) -> Answer {
        Ok(reply::see_other(&self.pages.path(path)).finish())
    }

    /// Why a password was refused. All reasons that a login does not tell apart have these words.
    pub(super) fn refused(&self, error: LoginError, words: &str) -> ApiError {
        let mut refusal = login::refused(&self.request, error);
        if refusal.status == StatusCode::UNAUTHORIZED {
            words.clone_into(&mut refusal.message);
        }
        refusal
    }
}

/// What was done, by the name that stands in the path of the page after it: no text comes from a path.
const NOTICES: &[(&str, &str)] = &[
    ("sign-out", "You have signed out."),
    ("session-ended", "That device is signed out."),
    ("no-such-session", "That device was signed out already."),
    ("others-ended", "All other devices are signed out."),
    ("password-changed", "Your password is changed, and all other devices are signed out."),
    ("password-changed-here", "Your password is changed. Other devices stay signed in."),
    ("secured", "Your account is yours alone again: the password is new, and all other devices are signed out."),
    ("password-set", "Your new password is set. Sign in with it."),
];

/// 200 with this page.
pub(super) fn show(template: &impl Template) -> Answer {
    Ok(reply::page(reply::begin(StatusCode::OK), template))
}
