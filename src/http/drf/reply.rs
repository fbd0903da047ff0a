//! Replies: their JSON, and the headers that all of them have (`docs/contract.md#replies`).

use std::time::Duration;

use actix_web::body::{BoxBody, None as NoBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use crate::http::drf::fields::{FieldErrors, NON_FIELD_ERRORS};

/// Capacity for most bodies, in bytes, so that writing them does not reallocate.
pub(in crate::http) const USUAL_BODY: usize = 256;

/// Writes the replies to one request.
#[derive(Debug, Clone, Copy)]
pub struct Replies {
    allow: Option<&'static HeaderValue>,
    with_body: bool,
}

// Values that are made once, so that a reply only references them.
static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
static JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Replies {
    /// Replies with this `Allow` header. `with_body` is false for replies to `HEAD`.
    pub const fn new(allow: Option<&'static HeaderValue>, with_body: bool) -> Self {
        Self { allow, with_body }
    }

    /// A JSON reply.
    pub fn json(&self, status: StatusCode, body: &impl Serialize) -> HttpResponse {
        self.finish(self.start(status), body)
    }

    /// A JSON reply whose body is already written.
    pub fn written(&self, status: StatusCode, body: Vec<u8>) -> HttpResponse {
        self.send(self.start(status), body.into())
    }

    /// A reply without a body and without a content type.
    pub fn empty(&self, status: StatusCode) -> HttpResponse {
        self.start(status).finish()
    }

    /// 204: it is done.
    pub fn done(&self) -> HttpResponse {
        self.empty(StatusCode::NO_CONTENT)
    }

    /// `{"detail":"…"}`.
    pub fn detail(&self, status: StatusCode, text: &str) -> HttpResponse {
        self.json(status, &json!({ "detail": text }))
    }

    /// 400 `{"<field>":["…"],…}`.
    pub fn field_errors(&self, errors: &FieldErrors) -> HttpResponse {
        self.json(StatusCode::BAD_REQUEST, errors)
    }

    /// 400 `{"non_field_errors":["…"]}`.
    pub fn non_field_error(&self, text: &str) -> HttpResponse {
        self.json(StatusCode::BAD_REQUEST, &json!({ (NON_FIELD_ERRORS): [text] }))
    }

    /// 401 with a challenge, which every 401 must have.
    pub fn unauthorized(&self, challenge: &str, body: &Value) -> HttpResponse {
        let mut builder = self.start(StatusCode::UNAUTHORIZED);
        builder.insert_header((WWW_AUTHENTICATE, challenge));
        self.finish(builder, body)
    }

    /// 403: another site may have made a browser send the request. Begins as Django REST framework's refusals do.
    pub fn cross_site(&self) -> HttpResponse {
        self.detail(StatusCode::FORBIDDEN, "CSRF Failed: the request does not come from a page of this site.")
    }

    /// 400: more than one token, such as in a cookie and in the header.
    pub fn several_tokens(&self) -> HttpResponse {
        self.detail(StatusCode::BAD_REQUEST, "The request has more than one token.")
    }

    /// 405, with the method as it was sent.
    pub fn method_not_allowed(&self, method: &str) -> HttpResponse {
        self.detail(StatusCode::METHOD_NOT_ALLOWED, &format!("Method \"{method}\" not allowed."))
    }

    /// 503: the check could not be made, which says nothing about the credentials.
    pub fn unavailable(&self) -> HttpResponse {
        let mut builder = self.start(StatusCode::SERVICE_UNAVAILABLE);
        builder.insert_header((RETRY_AFTER, "1"));
        self.finish(builder, &json!({ "detail": "Service temporarily unavailable, try again later." }))
    }

    /// 429: too many requests; the client may try again `after` this time. Worded as in Django REST framework, in
    /// whole seconds, rounded up (RFC 6585, section 4).
    pub fn throttled(&self, after: Duration) -> HttpResponse {
        let seconds = u64::try_from(after.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
        let unit = if seconds == 1 { "second" } else { "seconds" };
        let mut builder = self.start(StatusCode::TOO_MANY_REQUESTS);
        builder.insert_header((RETRY_AFTER, seconds.to_string()));
        let detail = format!("Request was throttled. Expected available in {seconds} {unit}.");
        self.finish(builder, &json!({ "detail": detail }))
    }

    /// As [`Replies::detail`], and closes the connection.
    pub fn last(&self, status: StatusCode, text: &str) -> HttpResponse {
        let mut builder = self.start(status);
        builder.force_close();
        self.finish(builder, &json!({ "detail": text }))
    }

    fn start(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut builder = HttpResponse::build(status);
        if let Some(allow) = self.allow {
            builder.insert_header((ALLOW, allow.clone()));
        }
        builder.insert_header((CACHE_CONTROL, NO_STORE.clone()));
        builder
    }

    fn finish(&self, builder: HttpResponseBuilder, body: &impl Serialize) -> HttpResponse {
        self.send(builder, render(body).into())
    }

    fn send(&self, mut builder: HttpResponseBuilder, body: Bytes) -> HttpResponse {
        builder.insert_header((CONTENT_TYPE, JSON.clone()));
        if self.with_body {
            builder.body(body)
        } else {
            builder.message_body(BoxBody::new(NoBody::new())).unwrap_or_else(HttpResponse::from_error)
        }
    }
}

/// JSON that is also valid JavaScript: the two line separators that only JSON allows in strings are
/// escaped, all other characters are not.
fn render(value: &impl Serialize) -> String {
    // All values here have strings as keys, so this cannot fail.
    let text = serde_json::to_string(value).unwrap_or_default();
    if text.as_bytes().contains(&SEPARATOR_START) {
        text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
    } else {
        text
    }
}

/// Writes a string in quotes, escaped as in the rest of a reply's JSON.
pub(in crate::http) fn write_string(out: &mut Vec<u8>, text: &str) {
    let harmless = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\' && byte != SEPARATOR_START;
    // Not `all`, which stops early and therefore compares one byte at a time.
    if text.bytes().fold(true, |so_far, byte| so_far & harmless(byte)) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(render(&text).as_bytes());
    }
}

/// The first byte of both separators, which is rare in other text.
const SEPARATOR_START: u8 = 0xe2;

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::{BodySize, MessageBody as _, to_bytes};
    use actix_web::http::header::HeaderName;

    static POST: HeaderValue = HeaderValue::from_static("POST, OPTIONS");

    fn replies() -> Replies {
        Replies::new(Some(&POST), true)
    }

    fn header(response: &HttpResponse, name: HeaderName) -> Option<&str> {
        response.headers().get(name).map(|value| value.to_str().expect("ASCII"))
    }

    async fn body(response: HttpResponse) -> String {
        String::from_utf8(to_bytes(response.into_body()).await.expect("a body").to_vec()).expect("UTF-8")
    }

    #[actix_web::test]
    async fn a_throttled_reply_says_when_to_come_again() {
        for (millis, wait, unit) in [(0, "1", "second"), (1_000, "1", "second"), (1_001, "2", "seconds")] {
            let response = replies().throttled(Duration::from_millis(millis));
            assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(header(&response, RETRY_AFTER), Some(wait));
            let words = format!("Request was throttled. Expected available in {wait} {unit}.");
            assert_eq!(body(response).await, json!({ "detail": words }).to_string());
        }
    }

    #[actix_web::test]
    async fn json_replies_are_compact_unescaped_and_not_stored() {
        let response = replies().json(StatusCode::OK, &json!({"id": 6, "username": "Zoë-日本-🦀\n\u{2028}"}));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, CONTENT_TYPE), Some("application/json"));
        assert_eq!(header(&response, CACHE_CONTROL), Some("no-store"));
        assert_eq!(header(&response, ALLOW), Some("POST, OPTIONS"));
        assert_eq!(header(&response, WWW_AUTHENTICATE), None);
        assert_eq!(body(response).await, "{\"id\":6,\"username\":\"Zoë-日本-🦀\\n\\u2028\"}");
    }

    #[actix_web::test]
    async fn a_reply_without_body_has_no_content_type() {
        let response = replies().empty(StatusCode::OK);
        assert_eq!(header(&response, CONTENT_TYPE), None);
        assert_eq!(header(&response, CACHE_CONTROL), Some("no-store"));
        assert_eq!(header(&response, ALLOW), Some("POST, OPTIONS"));
        assert_eq!(response.body().size(), BodySize::Sized(0));
    }

    #[actix_web::test]
    async fn replies_to_head_have_the_headers_alone() {
        let head = Replies::new(Some(&POST), false);
        let response = head.method_not_allowed("HEAD");
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header(&response, CONTENT_TYPE), Some("application/json"));
        assert_eq!(body(response).await, "");
    }

    #[actix_web::test]
    async fn refusals_have_the_shapes_of_the_contract() {
        let replies = replies();
        let cases = [
            (replies.detail(StatusCode::NOT_FOUND, "Not found."), 404, r#"{"detail":"Not found."}"#),
            (replies.non_field_error("No."), 400, r#"{"non_field_errors":["No."]}"#),
            (replies.field_errors(&FieldErrors::one("a", "b")), 400, r#"{"a":["b"]}"#),
            (replies.method_not_allowed("PUT"), 405, r#"{"detail":"Method \"PUT\" not allowed."}"#),
            (replies.unavailable(), 503, r#"{"detail":"Service temporarily unavailable, try again later."}"#),
        ];
        for (response, status, expected) in cases {
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(body(response).await, expected);
        }
        assert_eq!(header(&replies.unavailable(), RETRY_AFTER), Some("1"));
        for (millis, after, words) in [(1, "1", "1 second"), (1_001, "2", "2 seconds"), (9_000, "9", "9 seconds")] {
            let response = replies.throttled(Duration::from_millis(millis));
            assert_eq!((response.status().as_u16(), header(&response, RETRY_AFTER)), (429, Some(after)));
            let expected = format!(r#"{{"detail":"Request was throttled. Expected available in {words}."}}"#);
            assert_eq!(body(response).await, expected);
        }
        let response = replies.unauthorized("Bearer realm=\"api\"", &json!({"detail": "No."}));
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(header(&response, WWW_AUTHENTICATE), Some("Bearer realm=\"api\""));
    }
}
