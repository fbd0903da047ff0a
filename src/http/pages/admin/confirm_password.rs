//! Actions that need a recent password: the page that asks for the password, and then continues with the action.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::request::{Answer, PageRequest};
use super::routes::Page;
use crate::http::admin::Needs;
use crate::http::admin::error::ApiError;
use crate::http::admin::login::verify_again;
use crate::http::pages::layout::Layout;
use crate::http::pages::words::sentence;
use crate::http::pages::{problem, reply};

/// The name of the field with the password.
const FIELD: &str = "own_password";

/// The page. It carries the fields of the action, none of which is secret.
#[derive(Template)]
#[template(path = "admin/confirm_password.html")]
struct ConfirmPassword {
    layout: Layout,
    action: String,
    kept: Vec<(String, String)>,
    problem: Option<String>,
}

impl ConfirmPassword {
    /// The page for this action, whose fields have not been taken yet.
    fn of(request: &PageRequest) -> Self {
        Self {
            layout: request.layout("Confirm your password", ""),
            action: request.call.request.path().to_owned(),
            kept: request.call.fields.as_sent(),
            problem: None,
        }
    }

    /// Asks for the password; after a refusal, once more.
    fn ask(mut self, refusal: Option<ApiError>) -> HttpResponse {
        let builder = problem::begin_form(refusal.as_ref());
        self.problem = refusal.map(|refusal| match refusal.status {
            StatusCode::UNAUTHORIZED => "That is not your password.".to_owned(),
            _ => sentence(&refusal.message),
        });
        reply::page(builder, &self)
    }
}

/// Calls the handler of a page, and asks for the password before actions that need it.
pub(super) async fn run(page: &'static Page, mut request: PageRequest) -> Answer {
    if page.is_read() || page.needs == Needs::Nothing {
        return (page.handler)(request).await;
    }
    let password = request.call.fields.password(FIELD);
    let confirmation = ConfirmPassword::of(&request);
    if let Some(password) = password
        && let Err(refusal) = verify_again(&request.call, password).await
    {
        if refusal.status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(refusal);
        }
        return Ok(confirmation.ask(Some(refusal)));
    }
    let permitted = match page.needs {
        Needs::RecentPassword => request.call.require_recent_password().await,
        Needs::Nothing | Needs::Admin => Ok(()),
    };
    let answer = match permitted {
        Ok(()) => (page.handler)(request).await,
        Err(refusal) => Err(refusal),
    };
    match answer {
        Err(refusal) if refusal.is_password_required() => Ok(confirmation.ask(None)),
        answer => answer,
    }
}
