//! "This was not me": changes the password and ends all other sessions at once. It locks out whoever knows the old password
//! or has a token.

use actix_web::HttpResponse;
use askama::Template;

use super::HOME;
use super::password::{PasswordChange, show_refusal};
use super::request::{Answer, PageRequest};
use crate::http::admin::error::ApiError;
use crate::http::pages::form::Form;
use crate::http::pages::layout::Layout;
use crate::http::pages::{problem, reply};

#[derive(Template)]
#[template(path = "account/not_me.html")]
struct NotMe {
    layout: Layout,
    form: Form,
}

pub(super) async fn show(mut request: PageRequest) -> Answer {
    request.finish()?;
    Ok(page(&request, Form::default(), None))
}

pub(super) async fn act(mut request: PageRequest) -> Answer {
    match PasswordChange::read(&mut request, false).run(&mut request).await {
        Ok(()) => request.redirect(&format!("{HOME}?done=secured")),
        Err(refusal) => show_refusal(refusal, |form, refusal| page(&request, form, refusal)),
    }
}

fn page(request: &PageRequest, form: Form, refusal: Option<&ApiError>) -> HttpResponse {
    reply::page(problem::begin_form(refusal), &NotMe { layout: request.layout("This was not me", HOME), form })
}
