//! Replies of the pages, and the headers that they all have.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType, HeaderName, LOCATION, REFERRER_POLICY, REFRESH,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use crate::http::admin::reply::Answer;

/// Allows our own style sheet and icon, and forms that lead to us: no scripts, no frames, nothing inline.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A reply with the headers of all pages, which must not be stored.
pub(super) fn begin(status: StatusCode) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status);
    builder
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        // Other sites learn nothing. With `no-referrer`, browsers would send `Origin: null` from our own forms.
        .insert_header((REFERRER_POLICY, "same-origin"))
        .insert_header((OPENER_POLICY, "same-origin"))
        .insert_header((RESOURCE_POLICY, "same-origin"));
    builder
}

/// A reply with this page.
pub(super) fn page(mut builder: HttpResponseBuilder, template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(html) => builder.content_type(ContentType::html()).body(html),
        Err(error) => {
            log::error!("a page could not be rendered: {error}");
            begin(StatusCode::INTERNAL_SERVER_ERROR).finish()
        }
    }
}

/// Makes the browser load this path after so many seconds. An element of the page could do that, too, but screen readers
/// would read it out, and a policy could forbid it.
pub(super) fn refresh(mut builder: HttpResponseBuilder, after: u64, path: &str) -> HttpResponseBuilder {
    builder.insert_header((REFRESH, format!("{after}; url={path}")));
    builder
}

/// 200 with this page.
pub(super) fn show(template: &impl Template) -> Answer {
    Ok(page(begin(StatusCode::OK), template))
}

/// A redirect to another page.
pub(super) fn redirect(location: &str) -> Answer {
    Ok(see_other(location).finish())
}

/// The same, for further headers.
pub(super) fn see_other(location: &str) -> HttpResponseBuilder {
    let mut builder = begin(StatusCode::SEE_OTHER);
    builder.insert_header((LOCATION, location));
    builder
}
