//! Refusals as pages: what is wrong, and what to do.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER};

use super::super::{AdminPages, SECTION};
use crate::http::admin::error::ApiError;
use crate::http::pages::frame::{Frame, Viewer};
use crate::http::pages::sign_in::Problem;
use crate::http::pages::words::sentence;

/// 421.
pub(in super::super) fn wrong_host(pages: &AdminPages) -> HttpResponse {
    let message = "These pages are not served under the name in the address bar.";
    let advice = "Use localhost, or have the operator add the name to KNOXIDE_ADMIN_HOSTS.";
    of(pages, None, "Wrong host", message, advice).reply(StatusCode::MISDIRECTED_REQUEST)
}

/// 404 for a path without a page.
pub(in super::super) fn not_found(pages: &AdminPages, viewer: Option<Viewer>) -> HttpResponse {
    of(pages, viewer, "Not found", "There is no page at this address.", "").reply(StatusCode::NOT_FOUND)
}

/// 405.
pub(in super::super) fn wrong_method(pages: &AdminPages, viewer: Option<Viewer>, allowed: String) -> HttpResponse {
    let message = "This address cannot be opened like this.";
    let mut reply = of(pages, viewer, "Not possible", message, "").reply(StatusCode::METHOD_NOT_ALLOWED);
    if let Ok(allowed) = allowed.try_into() {
        reply.headers_mut().insert(ALLOW, allowed);
    }
    reply
}

/// 403 for a request that none of the pages has sent.
pub(in super::super) fn foreign(pages: &AdminPages, own: &str) -> HttpResponse {
    let message = format!("Nothing was done: the request did not come from a page of {own}.");
    let advice = "Open that address in this browser and try again there. If a proxy stands before this server, it has to \
                  pass the Host header on unchanged, and be reached by https.";
    of(pages, None, "Not allowed", &message, advice).reply(StatusCode::FORBIDDEN)
}

/// 403 for a form of an earlier session.
pub(in super::super) fn old_form(pages: &AdminPages, viewer: Option<Viewer>) -> HttpResponse {
    let message = "Nothing was done: this form belongs to an earlier session.";
    let advice = "Open the page again and repeat what you did. The browser has to accept cookies.";
    of(pages, viewer, "Not allowed", message, advice).reply(StatusCode::FORBIDDEN)
}

/// Any other refusal.
pub(in super::super) fn refused(pages: &AdminPages, viewer: Option<Viewer>, refusal: &ApiError) -> HttpResponse {
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
    let status = presentable(refusal.status);
    let mut reply = of(pages, viewer, title, &message, advice).reply(status);
    if let Some(after) = refusal.retry_after {
        let seconds = after.as_millis().div_ceil(1000).max(1).to_string();
        if let Ok(seconds) = seconds.try_into() {
            reply.headers_mut().insert(RETRY_AFTER, seconds);
        }
    }
    if refusal.closes {
        reply.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    }
    reply
}

/// A 401 would have to name a scheme of authentication, and browsers have none for pages.
pub(in super::super) fn presentable(status: StatusCode) -> StatusCode {
    if status == StatusCode::UNAUTHORIZED { StatusCode::FORBIDDEN } else { status }
}

fn of(pages: &AdminPages, viewer: Option<Viewer>, title: &str, message: &str, advice: &str) -> Problem {
    let frame = Frame { viewer, ..Frame::new(SECTION, pages.assets(), title) };
    Problem { frame, message: message.to_owned(), advice: advice.to_owned() }
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
