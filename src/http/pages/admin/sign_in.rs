//! Signing in and out.

use super::request::{Answer, PageRequest};
use crate::http::admin::login::refused;
use crate::http::middleware::request_log::note;
use crate::http::pages::sign_in::SignInForm;

pub(super) async fn show(mut request: PageRequest) -> Answer {
    let set = request.pages.set.clone();
    let next = set.next(&mut request.call.fields);
    let form = SignInForm { next, notice: request.notice(), ..SignInForm::default() };
    request.call.finish()?;
    set.show_sign_in(&request.call.request, &request.visit, form).await
}

pub(super) async fn sign_in(mut request: PageRequest) -> Answer {
    let (set, call) = (request.pages.set.clone(), &mut request.call);
    let (form, password) = SignInForm::read(&set, &mut call.fields);
    if call.finish().is_err() {
        return set.sign_in_form(&call.request, &request.visit, form.incomplete());
    }
    match set.log_in(&call.request, &request.visit, &form, password).await? {
        Ok(reply) => Ok(reply),
        Err(error) => {
            let refusal = refused(&call.request, error);
            note(&call.request, |facts| facts.refused(refusal.reason()));
            set.sign_in_form(&call.request, &request.visit, form.refused(refusal))
        }
    }
}

pub(super) async fn sign_out(mut request: PageRequest) -> Answer {
    let call = &mut request.call;
    call.finish()?;
    call.auth().logout(&call.acting()?.who, call.origin()).await?;
    Ok(request.pages.set.signed_out(&request.visit))
}
