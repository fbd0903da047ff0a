//! Whether a request for a page may go on, step by step.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};

use super::again::Again;
use super::request::{Answer, Asked};
use super::routes::{self, Needs, Page};
use super::{AdminPages, HOME, sign_in};
use crate::domain::token::Token;
use crate::http::admin::access::{Acting, By};
use crate::http::admin::call::Call;
use crate::http::admin::error::ApiError;
use crate::http::middleware::request_log::{Facts, note};
use crate::http::pages::cookie::{self, Holds};
use crate::http::pages::frame::Viewer;
use crate::http::pages::same_origin;
use crate::http::pages::sign_in::is_below;
use crate::http::pages::site::Visit;
use crate::http::pages::{form, problem};
use crate::service::{CheckError, Pages};

/// Judges a request and answers it.
pub(super) async fn answer(path: &str, request: HttpRequest, payload: Payload, pages: &AdminPages) -> HttpResponse {
    let Some(visit) = pages.site().visit(&request) else {
        note(&request, |facts| facts.refused("wrong_host"));
        return pages.wrong_host();
    };
    let page = match routes::find(path, request.method()) {
        Ok(page) => page,
        Err(allowed) => {
            let viewer = viewer(pages, &request, &visit).await;
            return problem::wrong_method(pages.frame(viewer), allowed);
        }
    };
    if page.is_read() {
        note(&request, Facts::read_only);
    } else if !same_origin::is_from(&visit, &request) {
        note(&request, |facts| facts.refused("foreign_origin"));
        return problem::foreign(pages.frame(None), &visit.origin);
    }
    match page.needs {
        Needs::Nothing => {
            let cookie = cookie::read(&request, &visit, Holds::SignIn);
            let call = Call::new(pages.state().clone(), request, None);
            run(page, Asked { call, pages: pages.clone(), visit, viewer: None }, payload, cookie).await
        }
        Needs::Admin | Needs::RecentPassword => {
            let (token, acting) = match authenticate(pages, &request, &visit).await {
                Ok(Some(known)) => known,
                Ok(None) => return sign_in::lead_there(&next_of(page, &request)),
                Err(refusal) => return problem::refused(pages.frame(None), &refusal),
            };
            let viewer = viewer_of(&token, &acting);
            let call = Call::new(pages.state().clone(), request, Some(acting));
            let asked = Asked { call, pages: pages.clone(), visit, viewer: Some(viewer) };
            run(page, asked, payload, Some(token)).await
        }
    }
}

/// The administrator of the cookie, and its token; `None`: nobody has signed in.
async fn authenticate(
    pages: &AdminPages,
    request: &HttpRequest,
    visit: &Visit,
) -> Result<Option<(Token, Acting)>, ApiError> {
    let Some(token) = cookie::read(request, visit, Holds::Session) else { return Ok(None) };
    match pages.state().http().auth().check_for_pages(Pages::Admin, &token).await {
        Ok(who) => {
            note(request, |facts| facts.verified(&who));
            Ok(Some((token, Acting { who, by: By::Page })))
        }
        Err(CheckError::Refused(refusal)) => {
            note(request, |facts| facts.refused(refusal.as_str()));
            Ok(None)
        }
        Err(CheckError::Unavailable(error)) => Err(error.into()),
    }
}

fn viewer_of(token: &Token, acting: &Acting) -> Viewer {
    Viewer { name: acting.who.user.username.clone(), form_token: form::token_for(token) }
}

/// Who sees a page that needs nobody, so that signing out is possible there too.
pub(super) async fn viewer(pages: &AdminPages, request: &HttpRequest, visit: &Visit) -> Option<Viewer> {
    // If that cannot be found out now, the page is shown without.
    let (token, acting) = authenticate(pages, request, visit).await.ok().flatten()?;
    Some(viewer_of(&token, &acting))
}

/// Where to go on after signing in: to the page itself, if it is one that can be opened.
fn next_of(page: &Page, request: &HttpRequest) -> String {
    let path = request.uri().path_and_query().map_or(HOME, |path| path.as_str());
    if page.is_read() && is_below(HOME, path) { path.to_owned() } else { HOME.to_owned() }
}

/// Reads the fields, and answers.
async fn run(page: &'static Page, mut asked: Asked, payload: Payload, cookie: Option<Token>) -> HttpResponse {
    let (pages, viewer, request) = (asked.pages.clone(), asked.viewer.clone(), asked.call.request.clone());
    let told = |refusal: ApiError| {
        note(&request, |facts| facts.refused(refusal.reason()));
        problem::refused(pages.frame(viewer.clone()), &refusal)
    };
    let options = pages.state().http().options();
    match form::read_fields(page.is_read(), &request, payload, options).await {
        Ok(fields) => asked.call.fields = fields,
        Err(refusal) => return told(refusal),
    }
    if !page.is_read() {
        let presented = asked.call.fields.text(form::FIELD).unwrap_or_default();
        if !cookie.is_some_and(|cookie| form::is_of_page(&cookie, &presented)) {
            note(&request, |facts| facts.refused("wrong_form_token"));
            return problem::old_form(pages.frame(viewer));
        }
    }
    go_on(page, asked).await.unwrap_or_else(told)
}

/// Asks for the password where one is needed, and calls the handler.
async fn go_on(page: &'static Page, mut asked: Asked) -> Answer {
    if page.is_read() || page.needs == Needs::Nothing {
        return (page.handler)(asked).await;
    }
    let password = asked.call.fields.password(Again::FIELD);
    let again = Again::of(&asked);
    if let Some(password) = password
        && let Err(refusal) = crate::http::admin::login::prove(&asked.call, password).await
    {
        if refusal.status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(refusal);
        }
        return Ok(again.ask(Some(refusal)));
    }
    let may = match page.needs {
        Needs::RecentPassword => asked.call.require_recent_password().await,
        Needs::Nothing | Needs::Admin => Ok(()),
    };
    let done = match may {
        Ok(()) => (page.handler)(asked).await,
        Err(refusal) => Err(refusal),
    };
    match done {
        Err(refusal) if refusal.is_password_required() => Ok(again.ask(None)),
        done => done,
    }
}
