//! Signing in and out.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::HOME;
use super::request::{Answer, Asked, problem};
use crate::domain::user::LoginName;
use crate::http::admin::error::ApiError;
use crate::http::admin::login::refused;
use crate::http::middleware::request_log::note;
use crate::http::pages::cookie::{self, Holds};
use crate::http::pages::form;
use crate::http::pages::reply;
use crate::http::pages::sign_in::{SignIn, is_below};
use crate::http::pages::words::sentence;
use crate::service::{CheckError, Pages};

const SIGN_IN: &str = "/admin/sign-in/";

/// Leads to the form, which then leads to `next`.
pub(super) fn lead_there(next: &str) -> HttpResponse {
    if next == HOME {
        return reply::see_other(SIGN_IN).finish();
    }
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    reply::see_other(&format!("{SIGN_IN}?next={next}")).finish()
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
    let mut reply = reply::see_other(&next);
    reply.append_header(cookie::set(&asked.visit, Holds::Session, &issued.access.token));
    reply.append_header(cookie::forget(&asked.visit, Holds::SignIn));
    Ok(reply.finish())
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
    let given = cookie::read(&asked.call.request, &asked.visit, Holds::SignIn);
    let (token, is_new) = match given {
        Some(token) => (token, false),
        None => (asked.call.auth().random_token()?, true),
    };
    let status = refusal.as_ref().map_or(StatusCode::OK, |refusal| problem::presentable(refusal.status));
    let retry_after = refusal.as_ref().and_then(|refusal| refusal.retry_after);
    let mut builder = reply::begin(status);
    if let Some(after) = retry_after {
        builder.insert_header(("Retry-After", after.as_millis().div_ceil(1000).max(1).to_string()));
    }
    if is_new {
        builder.append_header(cookie::set(&asked.visit, Holds::SignIn, &token));
    }
    let mut frame = asked.frame("Sign in", "");
    frame.notice = signed_out.then_some("You have signed out.");
    let problem = refusal.map(|refusal| sentence(&refusal.message));
    let form_token = form::token_for(&token);
    Ok(reply::page(builder, &SignIn { frame, action: SIGN_IN, form_token, username, next, problem }))
}
