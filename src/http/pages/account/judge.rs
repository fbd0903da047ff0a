//! Whether a request for a page may go on, step by step.

use actix_web::dev::Payload;
use actix_web::{HttpRequest, HttpResponse};

use super::request::Asked;
use super::routes::{self, Needs, Page};
use super::{AccountPages, HOME, sign_in};
use crate::domain::session::Verified;
use crate::domain::token::Token;
use crate::http::admin::error::ApiError;
use crate::http::admin::fields::Fields;
use crate::http::middleware::request_log::{Facts, note};
use crate::http::pages::cookie::{self, Holds};
use crate::http::pages::frame::Viewer;
use crate::http::pages::sign_in::is_below;
use crate::http::pages::site::Visit;
use crate::http::pages::{form, problem, same_origin};
use crate::service::{CheckError, Pages};

/// Judges a request and answers it.
pub(super) async fn answer(path: &str, request: HttpRequest, payload: Payload, pages: &AccountPages) -> HttpResponse {
    let Some(visit) = pages.site().visit(&request) else {
        note(&request, |facts| facts.refused("wrong_host"));
        return pages.wrong_host();
    };
    let page = match routes::find(path, request.method()) {
        Ok(page) => page,
        Err(allowed) => {
            // Who has signed in can sign out there, too.
            let known = authenticate(pages, &request, &visit).await.ok().flatten();
            let viewer = known.map(|(token, who)| viewer_of(&token, &who));
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
        Needs::User => match authenticate(pages, &request, &visit).await {
            Ok(Some((token, who))) => {
                let viewer = viewer_of(&token, &who);
                (Some(token), Some((who, viewer)))
            }
            Ok(None) => return sign_in::lead_there(pages, &next_of(page, &request, pages)),
            Err(refusal) => return problem::refused(pages.frame(None), &refusal),
        },
    };
    let asked = Asked { pages: pages.clone(), request, visit, fields: Fields::default(), known };
    run(page, asked, payload, cookie).await
}

fn viewer_of(token: &Token, who: &Verified) -> Viewer {
    Viewer { name: who.user.username.clone(), form_token: form::token_for(token) }
}

/// The user of the cookie, and its token; `None`: nobody has signed in.
async fn authenticate(
    pages: &AccountPages,
    request: &HttpRequest,
    visit: &Visit,
) -> Result<Option<(Token, Verified)>, ApiError> {
    let Some(token) = cookie::read(request, visit, Holds::Session) else { return Ok(None) };
    match pages.state().auth().check_for_pages(Pages::Account, &token).await {
        Ok(who) => {
            note(request, |facts| facts.verified(&who));
            Ok(Some((token, who)))
        }
        Err(CheckError::Refused(refusal)) => {
            note(request, |facts| facts.refused(refusal.as_str()));
            Ok(None)
        }
        Err(CheckError::Unavailable(error)) => Err(error.into()),
    }
}

/// Where to go on after signing in: to the page itself, if it is one that can be opened.
fn next_of(page: &Page, request: &HttpRequest, pages: &AccountPages) -> String {
    let home = pages.path(HOME);
    let path = request.uri().path_and_query().map_or(&*home, |path| path.as_str());
    if page.is_read() && is_below(&home, path) { path.to_owned() } else { home }
}

/// Reads the fields, and calls the handler.
async fn run(page: &'static Page, mut asked: Asked, payload: Payload, cookie: Option<Token>) -> HttpResponse {
    let (pages, request) = (asked.pages.clone(), asked.request.clone());
    let viewer = asked.known.as_ref().map(|(_, viewer)| viewer.clone());
    let told = |refusal: ApiError| {
        note(&request, |facts| facts.refused(refusal.reason()));
        problem::refused(pages.frame(viewer.clone()), &refusal)
    };
    match form::read_fields(page.is_read(), &request, payload, pages.state().options()).await {
        Ok(fields) => asked.fields = fields,
        Err(refusal) => return told(refusal),
    }
    if !page.is_read() {
        let presented = asked.fields.text(form::FIELD).unwrap_or_default();
        if !cookie.is_some_and(|cookie| form::is_of_page(&cookie, &presented)) {
            note(&request, |facts| facts.refused("wrong_form_token"));
            return problem::old_form(pages.frame(viewer));
        }
    }
    (page.handler)(asked).await.unwrap_or_else(told)
}
