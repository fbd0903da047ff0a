//! Signing in and out.

use actix_web::http::StatusCode;

use super::one_time;
use super::request::{Answer, PageRequest};
use crate::domain::password::one_time::can_be_one_time;
use crate::http::pages::sign_in::SignInForm;

/// The message of every refusal: it must not tell which users exist.
pub(super) const WRONG: &str = "the name or the password is wrong";

pub(super) async fn show(mut request: PageRequest) -> Answer {
    let set = request.pages.set.clone();
    let next = set.next(&mut request.fields);
    let form = SignInForm { next, notice: request.notice(), ..SignInForm::default() };
    request.finish()?;
    set.show_sign_in(&request.http, &request.visit, form).await
}

pub(super) async fn sign_in(mut request: PageRequest) -> Answer {
    let set = request.pages.set.clone();
    let (form, password) = SignInForm::read(&set, &mut request.fields);
    if request.finish().is_err() {
        return set.sign_in_form(&request.http, &request.visit, form.incomplete());
    }
    let may_be_one_time = request.auth().has_passwords() && can_be_one_time(&password);
    let error = match set.log_in(&request.http, &request.visit, &form, password).await? {
        Ok(reply) => return Ok(reply),
        Err(error) => error,
    };
    let refusal = request.refusal(error, WRONG);
    // This depends on the form of the password that was typed, and not on the account: strangers learn nothing.
    if may_be_one_time && refusal.status == StatusCode::UNAUTHORIZED {
        return one_time::offer(&request, form.username);
    }
    set.sign_in_form(&request.http, &request.visit, form.refused(refusal))
}

pub(super) async fn sign_out(mut request: PageRequest) -> Answer {
    request.finish()?;
    request.auth().logout(request.who()?, request.origin()).await?;
    Ok(request.pages.set.signed_out(&request.visit))
}
