//! Whether a request for a page may go on, step by step.

use actix_web::dev::Payload;
use actix_web::{HttpRequest, HttpResponse};

use super::request::Asked;
use super::routes::{Needs, PAGES, Page};
use super::{AccountPages, HOME, sign_in};
use crate::domain::token::Token;
use crate::http::admin::error::ApiError;
use crate::http::admin::fields::Fields;
use crate::http::listed::{self, Listed as _};
use crate::http::middleware::request_log::{Facts, note};
use crate::http::pages::cookie::{self, Holds};
use crate::http::pages::session::SignedIn;
use crate::http::pages::sign_in::next_of;
use crate::http::pages::site::Visit;
use crate::http::pages::{form, problem, same_origin};
use crate::service::Pages;

/// Judges a request and answers it.
pub(super) async fn answer(path: &str, request: HttpRequest, payload: Payload, pages: &AccountPages) -> HttpResponse {
    let Some(visit) = pages.site().visit(&request) else {
        note(&request, |facts| facts.refused("wrong_host"));
        return pages.wrong_host();
    };
    let page = match listed::page(PAGES, path, request.method()) {
        Ok(page) => page,
        Err(allowed) => {
            // Who has signed in can sign out there, too.
            let viewer = signed_in(pages, &request, &visit).await.ok().flatten().map(|known| known.viewer());
            return problem::wrong_method(pages.frame(viewer), allowed);
        }
    };
    if page.is_read() {
        note(&request, Facts::read_only);
    } else if !same_origin::is_from(&visit, &request) {
        note(&request, |facts| facts.refused("foreign_origin"));
        return problem::foreign(pages.frame(None), &visit.origin);
    }
    let (cookie, known) = match page.needs {
        Needs::Nothing => (cookie::read(&request, &visit, Holds::SignIn), None),
        Needs::User => match signed_in(pages, &request, &visit).await {
            Ok(Some(known)) => {
                let viewer = known.viewer();
                (Some(known.token), Some((known.who, viewer)))
            }
            Ok(None) => {
                let next = next_of(&pages.path(HOME), page.is_read(), &request);
                return sign_in::lead_there(pages, &next);
            }
            Err(refusal) => return problem::refused(pages.frame(None), &refusal),
        },
    };
    let asked = Asked { pages: pages.clone(), request, visit, fields: Fields::default(), known };
    run(page, asked, payload, cookie).await
}

async fn signed_in(pages: &AccountPages, request: &HttpRequest, visit: &Visit) -> Result<Option<SignedIn>, ApiError> {
    SignedIn::of(pages.state().auth(), Pages::Account, request, visit).await
}

/// Reads the fields, and calls the handler.
async fn run(page: &'static Page, mut asked: Asked, payload: Payload, cookie: Option<Token>) -> HttpResponse {
    let (pages, request) = (asked.pages.clone(), asked.request.clone());
    let viewer = asked.known.as_ref().map(|(_, viewer)| viewer.clone());
    match form::read(page.is_read(), &request, payload, pages.state().options(), cookie.as_ref()).await {
        Ok(fields) => asked.fields = fields,
        Err(problem) => return problem::bad_form(pages.frame(viewer), &request, &problem),
    }
    (page.handler)(asked).await.unwrap_or_else(|refusal| {
        note(&request, |facts| facts.refused(refusal.reason()));
        problem::refused(pages.frame(viewer), &refusal)
    })
}
