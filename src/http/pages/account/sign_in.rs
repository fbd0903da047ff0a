//! Signing in and out.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::request::{Answer, Asked};
use super::routes::Where;
use super::{AccountPages, HOME, one_time};
use crate::domain::password::one_time::can_be_one_time;
use crate::domain::user::LoginName;
use crate::http::admin::error::ApiError;
use crate::http::middleware::request_log::note;
use crate::http::pages::cookie::{self, Holds};
use crate::http::pages::sign_in::{Bound, SignIn, is_below, path_of_form, signed_in};
use crate::http::pages::words::sentence;
use crate::http::pages::{problem, reply};
use crate::service::{CheckError, Pages};

pub(super) const SIGN_IN: &str = "/account/sign-in/";

/// What a refusal says, whatever the reason: nobody learns here which users there are.
pub(super) const WRONG: &str = "the name or the password is wrong";

/// Leads to the form, which then leads to `next`.
pub(super) fn lead_there(pages: &AccountPages, next: &str) -> HttpResponse {
    reply::see_other(&path_of_form(&pages.path(SIGN_IN), &pages.path(HOME), next)).finish()
}

/// Leads to the form, with a word about what was done.
pub(super) fn lead_there_after(asked: &Asked, done: &str) -> Answer {
    asked.go(&format!("{SIGN_IN}?done={done}"))
}

/// The form. Who has signed in already does not see it.
pub(super) async fn show(mut asked: Asked) -> Answer {
    let next = next(&mut asked);
    let notice = asked.frame_after_act("", "").notice;
    asked.finish()?;
    if let Some(token) = cookie::read(&asked.request, &asked.visit, Holds::Session) {
        match asked.auth().check_for_pages(Pages::Account, &token).await {
            Ok(_) => return Ok(reply::see_other(&next).finish()),
            Err(CheckError::Refused(_)) => {}
            Err(CheckError::Unavailable(error)) => return Err(error.into()),
        }
    }
    form(&asked, next, String::new(), None, notice)
}

pub(super) async fn sign_in(mut asked: Asked) -> Answer {
    let next = next(&mut asked);
    let name = asked.fields.required_text("username").trim().to_owned();
    let password = asked.fields.required_password("password");
    if asked.finish().is_err() {
        let refusal = ApiError::invalid("give your user name and your password");
        return form(&asked, next, name, Some(refusal), None);
    }
    let may_be_one_time = asked.pages.has(Where::WithPasswords) && can_be_one_time(&password);
    let (auth, origin) = (asked.auth().clone(), asked.origin());
    let login = LoginName::Username(name.clone());
    let issued = match auth.log_in_to_pages(Pages::Account, login, password, origin.clone()).await {
        Ok(issued) => issued,
        Err(error) => {
            let refusal = asked.refused(error, WRONG);
            // The form of what was typed says this, and not the account: strangers learn nothing.
            if may_be_one_time && refusal.status == StatusCode::UNAUTHORIZED {
                return one_time::offer(&asked, name);
            }
            return form(&asked, next, name, Some(refusal), None);
        }
    };
    note(&asked.request, |facts| facts.opened(issued.session, issued.user.id));
    if let Some(old) = cookie::read(&asked.request, &asked.visit, Holds::Session) {
        auth.log_out_of_pages(&old, origin).await?;
    }
    Ok(signed_in(&asked.visit, &issued.access.token, &next))
}

pub(super) async fn sign_out(mut asked: Asked) -> Answer {
    asked.finish()?;
    asked.auth().logout(asked.who()?, asked.origin()).await?;
    let mut reply = lead_there_after(&asked, "sign-out")?;
    let (name, value) = cookie::forget(&asked.visit, Holds::Session);
    if let Ok(value) = value.try_into() {
        reply.headers_mut().append(name, value);
    }
    Ok(reply)
}

fn next(asked: &mut Asked) -> String {
    let home = asked.pages.path(HOME);
    asked.fields.text("next").filter(|next| is_below(&home, next)).unwrap_or(home)
}

fn form(
    asked: &Asked,
    next: String,
    username: String,
    refusal: Option<ApiError>,
    notice: Option<&'static str>,
) -> Answer {
    let bound = Bound::of(&asked.request, &asked.visit, asked.auth())?;
    let builder = problem::begin_form(refusal.as_ref());
    let mut frame = asked.frame("Sign in", "");
    frame.notice = notice;
    let problem = refusal.map(|refusal| sentence(&refusal.message));
    let (action, form_token) = (asked.pages.path(SIGN_IN), bound.form_token());
    let one_time = asked.pages.has(Where::WithPasswords).then(|| asked.pages.path(one_time::ONE_TIME));
    let page = SignIn { frame, action, form_token, username, next, problem, one_time };
    Ok(bound.show(&asked.visit, builder, &page))
}
