//! Exchanging a one-time password for one of one's own, before signing in.

use actix_web::http::StatusCode;
use askama::Template;

use super::password::{new_password, set};
use super::request::{Answer, Asked};
use super::sign_in::{SIGN_IN, WRONG, lead_there_after};
use crate::domain::user::LoginName;
use crate::http::admin::error::ApiError;
use crate::http::pages::filled::Form;
use crate::http::pages::frame::Frame;
use crate::http::pages::problem;
use crate::http::pages::sign_in::Bound;
use crate::service::{PasswordRequest, Whose};

pub(super) const ONE_TIME: &str = "/account/one-time/";

#[derive(Template)]
#[template(path = "account/one_time.html")]
struct OneTime {
    frame: Frame,
    form: Form,
    form_token: String,
    action: String,
    username: String,
    sign_in: String,
}

pub(super) async fn show(mut asked: Asked) -> Answer {
    asked.finish()?;
    form(&asked, Form::default(), String::new(), None)
}

/// The form for somebody who has typed something at the sign-in that may be a one-time password.
pub(super) fn offer(asked: &Asked, username: String) -> Answer {
    let words = "that is not your password; if it is a one-time password, choose a password of your own here";
    let refusal = ApiError::unauthenticated(words);
    form(asked, Form::default().refused(&refusal), username, Some(&refusal))
}

pub(super) async fn exchange(mut asked: Asked) -> Answer {
    let name = asked.fields.required_text("username").trim().to_owned();
    let current = asked.fields.required_password("one_time_password");
    let new = new_password(&mut asked.fields);
    let done = match asked.finish() {
        Ok(()) => {
            let (whose, origin) = (Whose::Named(LoginName::Username(name.clone())), asked.origin());
            set(&asked, PasswordRequest { whose, current, new, keep_others: false, origin }, WRONG).await
        }
        Err(refusal) => Err(refusal),
    };
    match done {
        Ok(()) => lead_there_after(&asked, "password-set"),
        Err(refusal) if refusal.status == StatusCode::SERVICE_UNAVAILABLE => Err(refusal),
        Err(refusal) => form(&asked, Form::default().refused(&refusal), name, Some(&refusal)),
    }
}

fn form(asked: &Asked, form: Form, username: String, refusal: Option<&ApiError>) -> Answer {
    let bound = Bound::of(&asked.request, &asked.visit, asked.auth())?;
    let page = OneTime {
        frame: asked.frame("Choose your password", ""),
        form,
        form_token: bound.form_token(),
        action: asked.pages.path(ONE_TIME),
        username,
        sign_in: asked.pages.path(SIGN_IN),
    };
    Ok(bound.show(&asked.visit, problem::begin_form(refusal), &page))
}
