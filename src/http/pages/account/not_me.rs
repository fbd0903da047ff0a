//! "This was not me": one act ends all other sessions and changes the password, so that whoever knows the old one, or holds
//! a token, is out.

use actix_web::HttpResponse;
use askama::Template;

use super::HOME;
use super::password::{Filled, NOT_YOURS, refuse};
use super::request::{Answer, Asked};
use crate::http::admin::error::ApiError;
use crate::http::pages::filled::Form;
use crate::http::pages::frame::Frame;
use crate::http::pages::{problem, reply};

const NOT_ME: &str = "/account/not-me/";

#[derive(Template)]
#[template(path = "account/not_me.html")]
struct NotMe {
    frame: Frame,
    form: Form,
    action: String,
}

pub(super) async fn show(mut asked: Asked) -> Answer {
    asked.finish()?;
    Ok(page(&asked, Form::default(), None))
}

pub(super) async fn act(mut asked: Asked) -> Answer {
    let filled = Filled::of(&mut asked, false);
    match filled.change(&mut asked, NOT_YOURS).await {
        Ok(()) => asked.go(&format!("{HOME}?done=secured")),
        Err(refusal) => refuse(refusal, |form, refusal| page(&asked, form, refusal)),
    }
}

fn page(asked: &Asked, form: Form, refusal: Option<&ApiError>) -> HttpResponse {
    let (frame, action) = (asked.frame("This was not me", HOME), asked.pages.path(NOT_ME));
    reply::page(problem::begin_form(refusal), &NotMe { frame, form, action })
}
