//! Whether a request for a page may go on, step by step.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};

use super::again::Again;
use super::request::{Answer, Asked};
use super::routes::{Needs, PAGES, Page};
use super::{AdminPages, HOME, sign_in};
use crate::domain::token::Token;
use crate::http::admin::access::{Acting, By};
use crate::http::admin::call::Call;
use crate::http::admin::error::ApiError;
use crate::http::listed::{self, Listed as _};
use crate::http::middleware::request_log::{Facts, note};
use crate::http::pages::cookie::{self, Holds};
use crate::http::pages::frame::Viewer;
use crate::http::pages::session::SignedIn;
use crate::http::pages::sign_in::next_of;
use crate::http::pages::site::Visit;
use crate::http::pages::{form, problem, same_origin};
use crate::service::Pages;

/// Judges a request and answers it.
pub(super) async fn answer(path: &str, request: HttpRequest, payload: Payload, pages: &AdminPages) -> HttpResponse {
    let Some(visit) = pages.site().visit(&request) else {
        note(&request, |facts| facts.refused("wrong_host"));
        return pages.wrong_host();
    };
    let page = match listed::page(PAGES, path, request.method()) {
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
            let known = match signed_in(pages, &request, &visit).await {
                Ok(Some(known)) => known,
                Ok(None) => return sign_in::lead_there(&next_of(HOME, page.is_read(), &request)),
                Err(refusal) => return problem::refused(pages.frame(None), &refusal),
            };
            let viewer = Some(known.viewer());
            let SignedIn { token, who } = known;
            let call = Call::new(pages.state().clone(), request, Some(Acting { who, by: By::Page }));
            run(page, Asked { call, pages: pages.clone(), visit, viewer }, payload, Some(token)).await
        }
    }
}

async fn signed_in(pages: &AdminPages, request: &HttpRequest, visit: &Visit) -> Result<Option<SignedIn>, ApiError> {
    SignedIn::of(pages.state().http().auth(), Pages::Admin, request, visit).await
}

/// Who sees a page that needs nobody, so that signing out is possible there too.
pub(super) async fn viewer(pages: &AdminPages, request: &HttpRequest, visit: &Visit) -> Option<Viewer> {
    // If that cannot be found out now, the page is shown without.
    Some(signed_in(pages, request, visit).await.ok().flatten()?.viewer())
}

/// Reads the fields, and answers.
async fn run(page: &'static Page, mut asked: Asked, payload: Payload, cookie: Option<Token>) -> HttpResponse {
    let (pages, viewer, request) = (asked.pages.clone(), asked.viewer.clone(), asked.call.request.clone());
    match form::read(page.is_read(), &request, payload, pages.state().http().options(), cookie.as_ref()).await {
        Ok(fields) => asked.call.fields = fields,
        Err(problem) => return problem::bad_form(pages.frame(viewer), &request, &problem),
    }
    go_on(page, asked).await.unwrap_or_else(|refusal| {
        note(&request, |facts| facts.refused(refusal.reason()));
        problem::refused(pages.frame(viewer), &refusal)
    })
}

/// Asks for the password where one is needed, and calls the handler.
async fn go_on(page: &'static Page, mut asked: Asked) -> Answer {
    if page.is_read() || page.needs == Needs::Nothing {
        return (page.handler)(asked).await;
    }
    let password = asked.call.fields.password(Again::FIELD);
    let again = Again::of(&asked);
    if let Some(password) = password
        && let Err(refusal) = crate::http::admin::login::verify_again(&asked.call, password).await
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
