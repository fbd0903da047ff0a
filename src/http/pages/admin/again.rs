//! The page that asks for the password again before an act, and then goes on with it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::request::Asked;
use crate::http::admin::error::ApiError;
use crate::http::pages::frame::Frame;
use crate::http::pages::words::sentence;
use crate::http::pages::{problem, reply};

/// The page. It carries the fields of the act, of which none is secret.
#[derive(Template)]
#[template(path = "admin/again.html")]
pub(super) struct Again {
    frame: Frame,
    action: String,
    kept: Vec<(String, String)>,
    problem: Option<String>,
}

impl Again {
    /// The field with the password.
    pub(super) const FIELD: &'static str = "own_password";

    /// Before the fields of the act are taken.
    pub(super) fn of(asked: &Asked) -> Self {
        Self {
            frame: asked.frame("Your password again", ""),
            action: asked.call.request.path().to_owned(),
            kept: asked.call.fields.as_sent(),
            problem: None,
        }
    }

    /// Asks; after a refusal, once more.
    pub(super) fn ask(mut self, refusal: Option<ApiError>) -> HttpResponse {
        let builder = problem::begin_form(refusal.as_ref());
        self.problem = refusal.map(|refusal| match refusal.status {
            StatusCode::UNAUTHORIZED => "That is not your password.".to_owned(),
            _ => sentence(&refusal.message),
        });
        reply::page(builder, &self)
    }
}
