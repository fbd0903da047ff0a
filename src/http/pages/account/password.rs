//! Changing the password.

use actix_web::HttpResponse;
use askama::Template;

use super::request::{Answer, Asked};
use super::{HOME, PASSWORD};
use crate::domain::user::Password;
use crate::http::admin::error::ApiError;
use crate::http::admin::fields::Fields;
use crate::http::middleware::request_log::note;
use crate::http::pages::filled::Form;
use crate::http::pages::frame::Frame;
use crate::http::pages::{problem, reply};
use crate::service::{PasswordError, PasswordRequest, Whose};

/// What a refusal of the present password says.
pub(super) const NOT_YOURS: &str = "that is not your present password";

#[derive(Template)]
#[template(path = "account/password.html")]
struct PasswordForm {
    frame: Frame,
    form: Form,
    action: String,
}

pub(super) async fn show(mut asked: Asked) -> Answer {
    asked.finish()?;
    Ok(page(&asked, Form::default(), None))
}

pub(super) async fn change(mut asked: Asked) -> Answer {
    let keep_others = asked.fields.flag("keep_others").unwrap_or(false);
    let filled = Filled::of(&mut asked, keep_others);
    match filled.change(&mut asked, NOT_YOURS).await {
        Ok(()) => {
            let done = if keep_others { "password-changed-here" } else { "password-changed" };
            asked.go(&format!("{HOME}?done={done}"))
        }
        Err(refusal) => refuse(refusal, |form, refusal| page(&asked, form, refusal)),
    }
}

fn page(asked: &Asked, form: Form, refusal: Option<&ApiError>) -> HttpResponse {
    let (frame, action) = (asked.frame("Change your password", PASSWORD), asked.pages.path(PASSWORD));
    reply::page(problem::begin_form(refusal), &PasswordForm { frame, form, action })
}

/// The passwords of a form, as they were typed.
pub(super) struct Filled {
    current: Password,
    new: Password,
    keep_others: bool,
}

impl Filled {
    /// Takes the fields.
    pub(super) fn of(asked: &mut Asked, keep_others: bool) -> Self {
        let fields = &mut asked.fields;
        Self { current: fields.required_password("current_password"), new: new_password(fields), keep_others }
    }

    /// Changes the password of the user who has signed in.
    ///
    /// # Errors
    /// What is wrong with the fields, or with one of the passwords; `words` if it is the present one.
    pub(super) async fn change(self, asked: &mut Asked, words: &str) -> Result<(), ApiError> {
        asked.finish()?;
        let whose = Whose::Session(Box::new(asked.who()?.clone()));
        let Self { current, new, keep_others } = self;
        set(asked, PasswordRequest { whose, current, new, keep_others, origin: asked.origin() }, words).await
    }
}

/// A new password, which has to be typed twice.
pub(super) fn new_password(fields: &mut Fields) -> Password {
    let new = fields.required_password("new_password");
    let again = fields.required_password("new_password_again");
    if new.expose() != again.expose() {
        fields.report("new_password_again", "is not the same as the new password");
    }
    new
}

/// Sets a password.
///
/// # Errors
/// What is wrong with one of them; `words` if it is the present one.
pub(super) async fn set(asked: &Asked, request: PasswordRequest, words: &str) -> Result<(), ApiError> {
    match asked.auth().change_password(request).await {
        Ok(user) => {
            note(&asked.request, |facts| facts.of_user(user));
            Ok(())
        }
        Err(PasswordError::Login(error)) => Err(asked.refused(error, words)),
        Err(PasswordError::Weak(weak)) => {
            note(&asked.request, |facts| facts.refused("weak_password"));
            Err(ApiError::invalid_fields([("new_password".to_owned(), weak.to_string())].into()))
        }
    }
}

/// The form once more, with what is wrong with it; none of what was typed is repeated. What the reader cannot mend is a
/// page of its own.
pub(super) fn refuse(refusal: ApiError, page: impl FnOnce(Form, Option<&ApiError>) -> HttpResponse) -> Answer {
    if refusal.status.is_server_error() {
        return Err(refusal);
    }
    Ok(page(Form::default().refused(&refusal), Some(&refusal)))
}
