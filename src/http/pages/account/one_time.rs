//! Exchanging a one-time password for a password of one's own, before signing in.

use actix_web::http::StatusCode;
use askama::Template;

use super::SECTION;
use super::password::{read_new_password, set_password};
use super::request::{Answer, PageRequest};
use super::sign_in::WRONG;
use crate::domain::user::LoginName;
use crate::http::admin::error::ApiError;
use crate::http::pages::form::Form;
use crate::http::pages::layout::Layout;
use crate::http::pages::problem;
use crate::http::pages::sign_in::PreSession;
use crate::service::{PasswordRequest, Whose};

pub(super) const ONE_TIME: &str = "/account/one-time/";

#[derive(Template)]
#[template(path = "account/one_time.html")]
struct OneTime {
    layout: Layout,
    form: Form,
    form_token: String,
    username: String,
}

pub(super) async fn show(mut request: PageRequest) -> Answer {
    request.finish()?;
    form(&request, Form::default(), String::new(), None)
}

/// The form for somebody who has typed something into the form for signing in that may be a one-time password.
pub(super) fn offer(request: &PageRequest, username: String) -> Answer {
    let message = "that is not your password; if it is a one-time password, choose a password of your own here";
    let refusal = ApiError::unauthenticated(message);
    form(request, Form::default().refused(&refusal), username, Some(&refusal))
}

pub(super) async fn exchange(mut request: PageRequest) -> Answer {
    let name = request.fields.required_text("username").trim().to_owned();
    let current = request.fields.required_password("one_time_password");
    let new = read_new_password(&mut request.fields);
    let done = match request.finish() {
        Ok(()) => {
            let (whose, origin) = (Whose::Named(LoginName::Username(name.clone())), request.origin());
            set_password(&request, PasswordRequest { whose, current, new, keep_others: false, origin }, WRONG).await
        }
        Err(refusal) => Err(refusal),
    };
    match done {
        Ok(()) => request.redirect(&format!("{}?done=password-set", SECTION.sign_in)),
        Err(refusal) if refusal.status == StatusCode::SERVICE_UNAVAILABLE => Err(refusal),
        Err(refusal) => form(&request, Form::default().refused(&refusal), name, Some(&refusal)),
    }
}

fn form(request: &PageRequest, form: Form, username: String, refusal: Option<&ApiError>) -> Answer {
    let pre_session = PreSession::of(&request.http, &request.visit, request.auth())?;
    let page = OneTime {
        layout: request.layout("Choose your password", ""),
        form,
        form_token: pre_session.form_token(),
        username,
    };
    Ok(pre_session.show(&request.visit, problem::begin_form(refusal), &page))
}
