//! Signing in and out.

use actix_web::HttpResponse;

use super::HOME;
use super::request::{Answer, Asked};
use crate::domain::user::LoginName;
use crate::http::admin::error::ApiError;
use crate::http::admin::login::refused;
use crate::http::middleware::request_log::note;
use crate::http::pages::cookie::{self, Holds};
use crate::http::pages::sign_in::{Bound, SignIn, is_below, path_of_form, signed_in};
use crate::http::pages::words::sentence;
use crate::http::pages::{problem, reply};
use crate::service::{CheckError, Pages};

const SIGN_IN: &str = "/admin/sign-in/";

/// Leads to the form, which then leads to `next`.
pub(super) fn lead_there(next: &str) -> HttpResponse {
    reply::see_other(&path_of_form(SIGN_IN, HOME, next)).finish()
}

/// The form. Who has signed in already does not see it.
pub(super) async fn show(mut asked: Asked) -> Answer {
    let next = next(&mut asked);
    let signed_out = asked.call.fields.text("done").is_some();
    asked.call.finish()?;
    if let Some(token) = cookie::read(&asked.call.request, &asked.visit, Holds::Session) {
        match asked.call.auth().check_for_pages(Pages::Admin, &token).await {
            Ok(_) => return Ok(reply::see_other(&next).finish()),
            Err(CheckError::Refused(_)) => {}
            Err(CheckError::Unavailable(error)) => return Err(error.into()),
        }
    }
    form(&asked, next, String::new(), None, signed_out)
}

pub(super) async fn sign_in(mut asked: Asked) -> Answer {
    let next = next(&mut asked);
    let name = asked.call.fields.required_text("username");
    let password = asked.call.fields.required_password("password");
    if asked.call.finish().is_err() {
        let refusal = ApiError::invalid("give your user name and your password");
        return form(&asked, next, name, Some(refusal), false);
    }
    let (auth, origin) = (asked.call.auth().clone(), asked.call.origin());
    let login = LoginName::Username(name.clone());
    let issued = match auth.log_in_to_pages(Pages::Admin, login, password, origin.clone()).await {
        Ok(issued) => issued,
        Err(error) => {
            let refusal = refused(&asked.call.request, error);
            note(&asked.call.request, |facts| facts.refused(refusal.reason()));
            return form(&asked, next, name, Some(refusal), false);
        }
    };
    note(&asked.call.request, |facts| facts.opened(issued.session, issued.user.id));
    if let Some(old) = cookie::read(&asked.call.request, &asked.visit, Holds::Session) {
        auth.log_out_of_pages(&old, origin).await?;
    }
    Ok(signed_in(&asked.visit, &issued.access.token, &next))
}

pub(super) async fn sign_out(mut asked: Asked) -> Answer {
    asked.call.finish()?;
    asked.call.auth().logout(&asked.call.acting()?.who, asked.call.origin()).await?;
    let mut reply = reply::see_other(&format!("{SIGN_IN}?done=sign-out"));
    reply.append_header(cookie::forget(&asked.visit, Holds::Session));
    Ok(reply.finish())
}

fn next(asked: &mut Asked) -> String {
    asked.call.fields.text("next").filter(|next| is_below(HOME, next)).unwrap_or_else(|| HOME.to_owned())
}

fn form(asked: &Asked, next: String, username: String, refusal: Option<ApiError>, signed_out: bool) -> Answer {
    let bound = Bound::of(&asked.call.request, &asked.visit, asked.call.auth())?;
    let builder = problem::begin_form(refusal.as_ref());
    let mut frame = asked.frame("Sign in", "");
    frame.notice = signed_out.then_some("You have signed out.");
    let problem = refusal.map(|refusal| sentence(&refusal.message));
    let (action, form_token) = (SIGN_IN.to_owned(), bound.form_token());
    let page = SignIn { frame, action, form_token, username, next, problem, one_time: None };
    Ok(bound.show(&asked.visit, builder, &page))
}
