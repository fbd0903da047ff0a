//! Authorization of requests for pages, in steps. Each step ends with the reply to send if the request is refused.

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::uri::PathAndQuery;
use actix_web::{HttpRequest, HttpResponse};

use super::cookie::{self, Cookie};
use super::layout::Viewer;
use super::page_set::PageSet;
use super::sign_in::path_of_form;
use super::site::Visit;
use super::{csrf, form, problem, reply, same_origin};
use crate::domain::session::Verified;
use crate::domain::token::Token;
use crate::http::admin::error::ApiError;
use crate::http::admin::fields::Fields;
use crate::http::admin::reply::Answer;
use crate::http::drf::endpoint::EndpointResult;
use crate::http::middleware::request_log::{Facts, note};
use crate::http::routes::{Route, find};
use crate::service::CheckError;

/// A user who has signed in.
pub(super) struct SignedIn {
    /// The token of the cookie.
    token: Token,
    /// The user and the session of the token.
    pub(super) who: Verified,
}

impl SignedIn {
    /// The viewer of the pages.
    pub(super) fn viewer(&self) -> Viewer {
        Viewer { name: self.who.user.username.clone(), form_token: csrf::token_for(&self.token) }
    }
}

impl PageSet {
    /// First step: the host, the path and the method. A request that changes something has to come from one of the pages.
    ///
    /// # Errors
    /// 421, 405 or 403.
    pub(super) async fn admit<Request, Needs, Extra>(
        &self,
        table: &'static [Route<Request, Needs, Extra>],
        path: &str,
        request: &HttpRequest,
    ) -> EndpointResult<(&'static Route<Request, Needs, Extra>, Visit)> {
        let Some(visit) = self.site().visit(request) else {
            note(request, |facts| facts.refused("wrong_host"));
            return Err(self.wrong_host());
        };
        // A page that can be opened with GET can be asked for with HEAD.
        let method = if request.method() == Method::HEAD { Method::GET.as_str() } else { request.method().as_str() };
        let page = match find(table, path, method) {
            Ok(page) => page,
            Err(methods) => {
                let allowed = methods.join(", ").replace("GET", "GET, HEAD");
                return Err(problem::wrong_method(self.layout(self.viewer(request, &visit).await), allowed));
            }
        };
        if page.is_read() {
            note(request, Facts::read_only);
        } else if !same_origin::is_from(&visit, request) {
            note(request, |facts| facts.refused("foreign_origin"));
            return Err(problem::foreign(self.layout(None), &visit.origin));
        }
        Ok((page, visit))
    }

    /// Second step, for pages that need a user.
    ///
    /// # Errors
    /// A redirect to the form for signing in, which leads back to this page if it can be opened; or 503.
    pub(super) async fn require_user(&self, request: &HttpRequest, visit: &Visit) -> EndpointResult<SignedIn> {
        match self.signed_in(request, visit).await {
            Ok(Some(user)) => Ok(user),
            Ok(None) => {
                let next = request.uri().path_and_query().map(PathAndQuery::as_str);
                let next = next.filter(|_| request.method().is_safe()).unwrap_or_default();
                Err(reply::see_other(&path_of_form(&self.sign_in(), &self.home(), next)).finish())
            }
            Err(refusal) => Err(problem::refused(self.layout(None), &refusal)),
        }
    }

    /// Third step: the fields of the query, or of a form. A form needs the token of a page with the same cookie.
    ///
    /// # Errors
    /// A body that cannot be read, or 403 for a form of another session.
    pub(super) async fn read_fields(
        &self,
        request: &HttpRequest,
        visit: &Visit,
        user: Option<&SignedIn>,
        payload: Payload,
    ) -> EndpointResult<Fields> {
        if request.method().is_safe() {
            return Ok(Fields::of_form(request.query_string().as_bytes()));
        }
        let viewer = user.map(SignedIn::viewer);
        let mut fields = match form::read(request, payload, self.state().options()).await {
            Ok(fields) => fields,
            Err(refusal) => return Err(self.reply(request, viewer, Err(refusal))),
        };
        let before_sign_in = cookie::read(request, visit, Cookie::SignIn);
        let cookie = user.map(|user| &user.token).or(before_sign_in.as_ref());
        let presented = fields.text(csrf::FIELD).unwrap_or_default();
        if cookie.is_some_and(|cookie| csrf::verify(cookie, &presented)) {
            return Ok(fields);
        }
        note(request, |facts| facts.refused("wrong_form_token"));
        Err(problem::old_form(self.layout(viewer)))
    }

    /// The reply of a handler, in which a refusal becomes a page.
    pub(super) fn reply(&self, request: &HttpRequest, viewer: Option<Viewer>, answer: Answer) -> HttpResponse {
        answer.unwrap_or_else(|refusal| {
            note(request, |facts| facts.refused(refusal.reason()));
            problem::refused(self.layout(viewer), &refusal)
        })
    }

    /// The viewer of a page that needs no user, so that signing out is possible there too; `None` if the session cannot be
    /// looked up now.
    pub(super) async fn viewer(&self, request: &HttpRequest, visit: &Visit) -> Option<Viewer> {
        Some(self.signed_in(request, visit).await.ok().flatten()?.viewer())
    }

    /// The user of the cookie; `None` if nobody has signed in to these pages.
    async fn signed_in(&self, request: &HttpRequest, visit: &Visit) -> Result<Option<SignedIn>, ApiError> {
        let Some(token) = cookie::read(request, visit, Cookie::Session) else { return Ok(None) };
        match self.auth().check_for_pages(self.kind(), &token).await {
            Ok(who) => {
                note(request, |facts| facts.verified(&who));
                Ok(Some(SignedIn { token, who }))
            }
            Err(CheckError::Refused(refusal)) => {
                note(request, |facts| facts.refused(refusal.as_str()));
                Ok(None)
            }
            Err(CheckError::Unavailable(error)) => Err(error.into()),
        }
    }
}
