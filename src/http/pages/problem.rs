//! Refusals as pages: what is wrong, and what to do.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use askama::Template;

use super::form::BadForm;
use super::frame::Frame;
use super::reply;
use super::words::sentence;
use crate::http::admin::error::ApiError;
use crate::http::middleware::request_log::note;

/// What went wrong, and what to do.
#[derive(Template)]
#[template(path = "problem.html")]
struct Problem {
    frame: Frame,
    message: String,
    /// What the reader can do about it.
    advice: String,
}

/// 421. The advice says how the name becomes one of ours.
pub(super) fn wrong_host(frame: Frame, advice: &str) -> HttpResponse {
    let message = "These pages are not served under the name in the address bar.";
    of(frame, StatusCode::MISDIRECTED_REQUEST, "Wrong host", message, advice)
}

/// 404 for a path without a page.
pub(super) fn not_found(frame: Frame) -> HttpResponse {
    of(frame, StatusCode::NOT_FOUND, "Not found", "There is no page at this address.", "")
}

/// 405.
pub(super) fn wrong_method(frame: Frame, allowed: String) -> HttpResponse {
    let message = "This address cannot be opened like this.";
    let mut reply = of(frame, StatusCode::METHOD_NOT_ALLOWED, "Not possible", message, "");
    if let Ok(allowed) = allowed.try_into() {
        reply.headers_mut().insert(ALLOW, allowed);
    }
    reply
}

/// 403 for a request that none of the pages has sent.
pub(super) fn foreign(frame: Frame, own: &str) -> HttpResponse {
    let message = format!("Nothing was done: the request did not come from a page of {own}.");
    let advice = "Open that address in this browser and try again there. If a proxy stands before this server, it has to \
                  pass the Host header on unchanged, and be reached by https.";
    of(frame, StatusCode::FORBIDDEN, "Not allowed", &message, advice)
}

/// The answer to a form that is not taken.
pub(super) fn bad_form(frame: Frame, request: &HttpRequest, problem: &BadForm) -> HttpResponse {
    match problem {
        BadForm::Unread(refusal) => {
            note(request, |facts| facts.refused(refusal.reason()));
            refused(frame, refusal)
        }
        BadForm::OfAnotherSession => {
            note(request, |facts| facts.refused("wrong_form_token"));
            old_form(frame)
        }
    }
}

/// 403 for a form of an earlier session.
fn old_form(frame: Frame) -> HttpResponse {
    let message = "Nothing was done: this form belongs to an earlier session.";
    let advice = "Open the page again and repeat what you did. The browser has to accept cookies.";
    of(frame, StatusCode::FORBIDDEN, "Not allowed", message, advice)
}

/// Any other refusal.
pub(super) fn refused(frame: Frame, refusal: &ApiError) -> HttpResponse {
    let (title, advice) = match refusal.status {
        StatusCode::NOT_FOUND => ("Not found", "It may have been deleted meanwhile."),
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => ("Not allowed", ""),
        StatusCode::CONFLICT => ("Not possible", "Nothing was changed."),
        StatusCode::TOO_MANY_REQUESTS => ("Too many attempts", "Wait a little, then try again."),
        StatusCode::SERVICE_UNAVAILABLE => ("Not now", ""),
        _ => ("Something is wrong", "Nothing was changed. Go back and correct it."),
    };
    let mistakes = refusal.fields.iter().map(|(name, problem)| sentence(&format!("{name}: {problem}")));
    let mistakes: Vec<String> = mistakes.collect();
    let message = if mistakes.is_empty() { sentence(&refusal.message) } else { mistakes.join(" ") };
    let mut reply = of(frame, presentable(refusal.status), title, &message, advice);
    if let Some(seconds) = refusal.retry_after.map(seconds)
        && let Ok(seconds) = seconds.try_into()
    {
        reply.headers_mut().insert(RETRY_AFTER, seconds);
    }
    if refusal.closes {
        reply.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    }
    reply
}

/// A 401 would have to name a scheme of authentication, and browsers have none for pages.
pub(super) fn presentable(status: StatusCode) -> StatusCode {
    if status == StatusCode::UNAUTHORIZED { StatusCode::FORBIDDEN } else { status }
}

/// The beginning of a page with a form: 200, or what its refusal says.
pub(super) fn begin_form(refusal: Option<&ApiError>) -> HttpResponseBuilder {
    let mut builder = reply::begin(refusal.map_or(StatusCode::OK, |refusal| presentable(refusal.status)));
    if let Some(after) = refusal.and_then(|refusal| refusal.retry_after) {
        builder.insert_header((RETRY_AFTER, seconds(after)));
    }
    builder
}

/// In whole seconds, rounded up, at least one.
fn seconds(after: Duration) -> String {
    after.as_millis().div_ceil(1000).max(1).to_string()
}

fn of(mut frame: Frame, status: StatusCode, title: &str, message: &str, advice: &str) -> HttpResponse {
    title.clone_into(&mut frame.title);
    let problem = Problem { frame, message: message.to_owned(), advice: advice.to_owned() };
    reply::page(reply::begin(status), &problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_not_asked_for_a_scheme() {
        assert_eq!(presentable(StatusCode::UNAUTHORIZED), StatusCode::FORBIDDEN);
        assert_eq!(presentable(StatusCode::CONFLICT), StatusCode::CONFLICT);
    }
}
