//! A request for a page that has passed the checks, as handlers see it.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;

use super::AccountPages;
use crate::domain::audit::Origin;
use crate::domain::session::Verified;
use crate::domain::time::Timestamp;
use crate::http::admin::error::ApiError;
use crate::http::admin::fields::Fields;
use crate::http::admin::login;
pub(super) use crate::http::admin::reply::Answer;
use crate::http::pages::layout::{Layout, Viewer, notice};
use crate::http::pages::relative_time::RelativeTime;
use crate::http::pages::reply::redirect;
pub(super) use crate::http::pages::reply::show;
use crate::http::pages::site::Visit;
use crate::service::{Auth, LoginError};

/// A request whose host, origin, cookie and form token are right.
pub struct PageRequest {
    pub(super) pages: AccountPages,
    pub(super) http: HttpRequest,
    pub(super) visit: Visit,
    pub(super) fields: Fields,
    pub(super) viewer: Option<Viewer>,
    pub(super) who: Option<Verified>,
}

impl PageRequest {
    /// The service.
    pub(super) fn auth(&self) -> &Auth {
        self.pages.set.auth()
    }

    /// The address, device and id of the request.
    pub(super) fn origin(&self) -> Origin {
        self.pages.set.state().origin(&self.http)
    }

    /// The user who has signed in.
    ///
    /// # Errors
    /// 401 on a page that needs no user.
    pub(super) fn who(&self) -> Result<&Verified, ApiError> {
        self.who.as_ref().ok_or_else(|| ApiError::unauthenticated("you have to sign in"))
    }

    /// Ends the reading of fields.
    ///
    /// # Errors
    /// All mistakes in the fields.
    pub(super) fn finish(&mut self) -> Result<(), ApiError> {
        std::mem::take(&mut self.fields).finish()
    }

    /// The layout of a page with this title, below this link of the navigation.
    pub(super) fn layout(&self, title: &str, current: &'static str) -> Layout {
        Layout { title: title.to_owned(), current, ..self.pages.set.layout(self.viewer.clone()) }
    }

    /// The same, with a notice about the action that led to this page.
    pub(super) fn layout_after_action(&mut self, title: &str, current: &'static str) -> Layout {
        Layout { notice: self.notice(), ..self.layout(title, current) }
    }

    /// The notice about the action that led to this page.
    pub(super) fn notice(&mut self) -> Option<&'static str> {
        notice(&mut self.fields, NOTICES)
    }

    /// A time, relative to now.
    pub(super) fn when(&self, time: Timestamp) -> RelativeTime {
        RelativeTime::of(time, self.auth().now())
    }

    /// A redirect to another page.
    pub(super) fn redirect(&self, path: &str) -> Answer {
        redirect(&self.pages.set.path(path))
    }

    /// The refusal of a password. It has this message for all reasons that a login does not tell apart.
    pub(super) fn refusal(&self, error: LoginError, message: &str) -> ApiError {
        let mut refusal = login::refused(&self.http, error);
        if refusal.status == StatusCode::UNAUTHORIZED {
            message.clone_into(&mut refusal.message);
        }
        refusal
    }
}

/// Notices about actions, by their names in the query of the page that follows.
const NOTICES: &[(&str, &str)] = &[
    ("sign-out", "You have signed out."),
    ("session-ended", "That device is signed out."),
    ("no-such-session", "That device was signed out already."),
    ("others-ended", "All other devices are signed out."),
    ("password-changed", "Your password is changed, and all other devices are signed out."),
    ("password-changed-here", "Your password is changed. Other devices stay signed in."),
    ("secured", "Your account is secure again: the password is new, and all other devices are signed out."),
    ("password-set", "Your new password is set. Sign in with it."),
];
