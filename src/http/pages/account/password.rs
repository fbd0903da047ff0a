//! Changing the password.

use actix_web::HttpResponse;
use askama::Template;

use super::request::{Answer, PageRequest};
use super::{HOME, PASSWORD};
use crate::domain::user::Password;
use crate::http::admin::error::ApiError;
use crate::http::admin::fields::Fields;
use crate::http::middleware::request_log::note;
use crate::http::pages::form::Form;
use crate::http::pages::layout::Layout;
use crate::http::pages::{problem, reply};
use crate::service::{PasswordError, PasswordRequest, Whose};

/// The message if the current password is wrong.
const WRONG: &str = "that is not your current password";

#[derive(Template)]
#[template(path = "account/password.html")]
struct PasswordForm {
    layout: Layout,
    form: Form,
}

pub(super) async fn show(mut request: PageRequest) -> Answer {
    request.finish()?;
    Ok(page(&request, Form::default(), None))
}

pub(super) async fn change(mut request: PageRequest) -> Answer {
    let keep_others = request.fields.flag("keep_others").unwrap_or(false);
    match PasswordChange::read(&mut request, keep_others).run(&mut request).await {
        Ok(()) => {
            let done = if keep_others { "password-changed-here" } else { "password-changed" };
            request.redirect(&format!("{HOME}?done={done}"))
        }
        Err(refusal) => show_refusal(refusal, |form, refusal| page(&request, form, refusal)),
    }
}

fn page(request: &PageRequest, form: Form, refusal: Option<&ApiError>) -> HttpResponse {
    let layout = request.layout("Change your password", PASSWORD);
    reply::page(problem::begin_form(refusal), &PasswordForm { layout, form })
}

/// A change of the password of the user who has signed in.
pub(super) struct PasswordChange {
    current: Password,
    new: Password,
    keep_others: bool,
}

impl PasswordChange {
    /// Reads the passwords of a form.
    pub(super) fn read(request: &mut PageRequest, keep_others: bool) -> Self {
        let fields = &mut request.fields;
        Self { current: fields.required_password("current_password"), new: read_new_password(fields), keep_others }
    }

    /// Changes the password.
    ///
    /// # Errors
    /// What is wrong with the fields or with one of the passwords.
    pub(super) async fn run(self, request: &mut PageRequest) -> Result<(), ApiError> {
        request.finish()?;
        let whose = Whose::Session(Box::new(request.who()?.clone()));
        let Self { current, new, keep_others } = self;
        set_password(request, PasswordRequest { whose, current, new, keep_others, origin: request.origin() }, WRONG)
            .await
    }
}

/// Reads a new password, which has to be typed twice.
pub(super) fn read_new_password(fields: &mut Fields) -> Password {
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
/// What is wrong with a password; `wrong` if it is the current one.
pub(super) async fn set_password(request: &PageRequest, change: PasswordRequest, wrong: &str) -> Result<(), ApiError> {
    match request.auth().change_password(change).await {
        Ok(user) => {
            note(&request.http, |facts| facts.of_user(user));
            Ok(())
        }
        Err(PasswordError::Login(error)) => Err(request.refusal(error, wrong)),
        Err(PasswordError::Weak(weak)) => {
            note(&request.http, |facts| facts.refused("weak_password"));
            Err(ApiError::invalid_fields([("new_password".to_owned(), weak.to_string())].into()))
        }
    }
}

/// Shows the form again with what is wrong, and without what was typed. An error of the server gets a page of its own.
pub(super) fn show_refusal(refusal: ApiError, page: impl FnOnce(Form, Option<&ApiError>) -> HttpResponse) -> Answer {
    if refusal.status.is_server_error() {
        return Err(refusal);
    }
    Ok(page(Form::default().refused(&refusal), Some(&refusal)))
}
