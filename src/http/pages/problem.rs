//! Pages for refusals: what is wrong, and what to do about it.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER};
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use super::layout::Layout;
use super::reply;
use super::words::sentence;
use crate::http::admin::error::ApiError;

#[derive(Template)]
#[template(path = "problem.html")]
struct Problem {
    layout: Layout,
    message: String,
    /// What the reader can do.
    advice: String,
}

/// 421. The advice says how to get the host served.
pub(super) fn wrong_host(layout: Layout, advice: &str) -> HttpResponse {
    let message = "These pages are not served under the name in the address bar.";
    of(layout, StatusCode::MISDIRECTED_REQUEST, "Wrong host", message, advice)
}

/// 404 for a path without a page.
pub(super) fn not_found(layout: Layout) -> HttpResponse {
    of(layout, StatusCode::NOT_FOUND, "Not found", "There is no page at this address.", "")
}

/// 405.
pub(super) fn wrong_method(layout: Layout, allowed: String) -> HttpResponse {
    let message = "This address cannot be opened like this.";
    let mut reply = of(layout, StatusCode::METHOD_NOT_ALLOWED, "Not possible", message, "");
    if let Ok(allowed) = allowed.try_into() {
        reply.headers_mut().insert(ALLOW, allowed);
    }
    reply
}

/// 403 for a request that does not come from one of the pages.
pub(super) fn foreign(layout: Layout, origin: &str) -> HttpResponse {
    let message = format!("Nothing was done: the request did not come from a page of {origin}.");
    let advice = "Open that address in this browser and try again there. If this server is behind a proxy, the proxy has \
                  to use HTTPS and pass on the Host header unchanged.";
    of(layout, StatusCode::FORBIDDEN, "Not allowed", &message, advice)
}

/// 403 for a form of an earlier session.
pub(super) fn old_form(layout: Layout) -> HttpResponse {
    let message = "Nothing was done: this form belongs to an earlier session.";
    let advice = "Open the page again and repeat what you did. The browser has to accept cookies.";
    of(layout, StatusCode::FORBIDDEN, "Not allowed", message, advice)
}

/// Any other refusal.
pub(super) fn refused(layout: Layout, refusal: &ApiError) -> HttpResponse {
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
    let mut reply = of(layout, presentable(refusal.status), title, &message, advice);
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

/// 403 instead of 401, which would need a scheme of authentication. Browsers have none for pages.
pub(super) fn presentable(status: StatusCode) -> StatusCode {
    if status == StatusCode::UNAUTHORIZED { StatusCode::FORBIDDEN } else { status }
}

/// The head of a reply with a form: 200, or the status of its refusal.
pub(super) fn begin_form(refusal: Option<&ApiError>) -> HttpResponseBuilder {
    let mut builder = reply::begin(refusal.map_or(StatusCode::OK, |refusal| presentable(refusal.status)));
    if let Some(after) = refusal.and_then(|refusal| refusal.retry_after) {
        builder.insert_header((RETRY_AFTER, seconds(after)));
    }
    builder
}

/// Whole seconds, rounded up, at least one.
fn seconds(after: Duration) -> String {
    after.as_millis().div_ceil(1000).max(1).to_string()
}

fn of(mut layout: Layout, status: StatusCode, title: &str, message: &str, advice: &str) -> HttpResponse {
    title.clone_into(&mut layout.title);
    let problem = Problem { layout, message: message.to_owned(), advice: advice.to_owned() };
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
