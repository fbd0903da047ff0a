use actix_web::body::to_bytes;
use actix_web::http::header::ALLOW;
use actix_web::test::TestRequest;
use futures_util::stream;

use super::*;
use crate::http::drf::fields::Trim;

const POST: Endpoint = Endpoint { name: "Thing", description: "", verb: Verb::Post, actions: &[] };
const GET: Endpoint = Endpoint { verb: Verb::Get, ..POST };

/// Authentication that succeeds, or refuses with 401.
async fn handle(endpoint: Endpoint, request: &HttpRequest, body: &'static [u8], known: bool) -> EndpointResult {
    let negotiated = endpoint.open(request)?;
    if !known {
        return Err(negotiated.replies().unauthorized("Token", &json!({ "detail": "Who?" })));
    }
    negotiated.check_method()?;
    let payload = stream::iter([Ok(Bytes::from_static(body))]);
    let [a] =
        negotiated.fields(payload, Limits { size: 40, ..Limits::default() }, [Field::text("a", Trim::Yes)]).await?;
    Ok(negotiated.replies().json(StatusCode::OK, &json!({ "a": a })))
}

async fn ask(endpoint: Endpoint, request: TestRequest, body: &'static [u8], known: bool) -> (u16, String, String) {
    let request = request.to_http_request();
    let response = respond(handle(endpoint, &request, body, known).await);
    let allow = response.headers().get(ALLOW).expect("Allow").to_str().expect("ASCII").to_owned();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body()).await.expect("a body");
    (status, allow, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

fn post(content_type: &'static str) -> TestRequest {
    let request = TestRequest::post();
    if content_type.is_empty() { request } else { request.insert_header(("content-type", content_type)) }
}

/// The request, its body, whether it is authenticated; the status and body of the reply.
type Case = (TestRequest, &'static [u8], bool, u16, &'static str);

async fn check(cases: Vec<Case>) {
    for (request, body, known, status, expected) in cases {
        let reply = ask(POST, request, body, known).await;
        assert_eq!(reply, (status, "POST, OPTIONS".to_owned(), expected.to_owned()));
    }
}

#[actix_web::test]
async fn the_first_step_that_objects_decides() {
    check(vec![
        (
            TestRequest::put().uri("/?format=xml").insert_header(("accept", "text/html")),
            b"{",
            false,
            404,
            r#"{"detail":"Not found."}"#,
        ),
        (
            TestRequest::put().insert_header(("accept", "text/html")),
            b"{",
            false,
            406,
            r#"{"detail":"Could not satisfy the request Accept header."}"#,
        ),
        (TestRequest::put(), b"{", false, 401, r#"{"detail":"Who?"}"#),
        (TestRequest::default().method(Method::OPTIONS), b"", false, 401, r#"{"detail":"Who?"}"#),
        (TestRequest::put(), b"{", true, 405, r#"{"detail":"Method \"PUT\" not allowed."}"#),
    ])
    .await;
}

#[actix_web::test]
async fn the_body_is_judged_by_type_size_content_shape_and_fields() {
    let json = "application/json";
    check(vec![
        (post("text/plain"), b"{", true, 415, r#"{"detail":"Unsupported media type \"text/plain\" in request."}"#),
        (post(""), b"{}", true, 415, r#"{"detail":"Unsupported media type \"\" in request."}"#),
        (
            post("text/plain").insert_header(("content-length", "41")),
            b"{}",
            true,
            415,
            r#"{"detail":"Unsupported media type \"text/plain\" in request."}"#,
        ),
        (
            post(json).insert_header(("content-length", "41")),
            b"{}",
            true,
            413,
            r#"{"detail":"Request body exceeds 40 bytes."}"#,
        ),
        (
            post(json),
            b"{",
            true,
            400,
            r#"{"detail":"JSON parse error - EOF while parsing an object at line 1 column 1"}"#,
        ),
        (post(json), b"null", true, 400, r#"{"non_field_errors":["No data provided"]}"#),
        (post("text/plain"), b"", true, 400, r#"{"a":["This field is required."]}"#),
        (post(json), b"{\"a\":1}", true, 200, r#"{"a":"1"}"#),
        (post("application/x-www-form-urlencoded"), b"a=b", true, 200, r#"{"a":"b"}"#),
    ])
    .await;
}

#[actix_web::test]
async fn every_other_method_is_refused_as_sent() {
    for method in ["GET", "PATCH", "DELETE", "TRACE", "PROPFIND", "post"] {
        let request = TestRequest::default().method(Method::from_bytes(method.as_bytes()).expect("a method"));
        let (status, _, body) = ask(POST, request, b"", true).await;
        assert_eq!((status, body), (405, format!(r#"{{"detail":"Method \"{method}\" not allowed."}}"#)));
    }
    let head = ask(POST, TestRequest::default().method(Method::HEAD), b"", true).await;
    assert_eq!(head, (405, "POST, OPTIONS".to_owned(), String::new()));
}

#[actix_web::test]
async fn get_endpoints_answer_head_too() {
    let allow = "GET, HEAD, OPTIONS".to_owned();
    let read = |method: Method| async move {
        let request = TestRequest::default().method(method).to_http_request();
        let negotiated = GET.open(&request)?;
        negotiated.check_method()?;
        Ok(negotiated.replies().json(StatusCode::OK, &json!({ "id": 1 })))
    };
    for (method, status, text) in [
        (Method::GET, 200, r#"{"id":1}"#),
        (Method::HEAD, 200, ""),
        (Method::POST, 405, r#"{"detail":"Method \"POST\" not allowed."}"#),
    ] {
        let response = respond(read(method).await);
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers().get(ALLOW).expect("Allow").to_str().expect("ASCII"), allow);
        assert_eq!(to_bytes(response.into_body()).await.expect("a body"), text);
    }
}

#[actix_web::test]
async fn options_describes_the_endpoint() {
    let options = || TestRequest::default().method(Method::OPTIONS);
    let plain = r#"{"name":"Thing","description":"","renders":["application/json"],"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"]"#;
    assert_eq!(ask(POST, options(), b"", true).await, (200, "POST, OPTIONS".to_owned(), format!("{plain}}}")));
    let actions =
        r#""actions":{"POST":{"username":{"type":"string","required":true,"read_only":false,"label":"Username"}}}"#;
    let telling = Endpoint { actions: &["username"], ..POST };
    let (_, _, body) = ask(telling, options(), b"", true).await;
    assert_eq!(body, format!("{plain},{actions}}}"));
}

#[actix_web::test]
async fn content_types_are_echoed_as_latin_1() {
    let value = actix_web::http::header::HeaderValue::from_bytes(b"text/\xe9").expect("a header value");
    let request = TestRequest::post().insert_header(("content-type", value));
    let (_, _, body) = ask(POST, request, b"x", true).await;
    assert_eq!(body, r#"{"detail":"Unsupported media type \"text/é\" in request."}"#);
}

#[actix_web::test]
async fn a_body_that_does_not_arrive_ends_the_connection() {
    let request = post("application/json").insert_header(("content-length", "10")).to_http_request();
    let negotiated = POST.open(&request).expect("an acceptable request");
    let limits = Limits { patience: std::time::Duration::ZERO, ..Limits::default() };
    let refusal =
        negotiated.fields(stream::pending(), limits, [Field::text("a", Trim::Yes)]).await.expect_err("too slow");
    assert_eq!(refusal.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(refusal.head().connection_type(), actix_web::http::ConnectionType::Close);
}
