use actix_web::App;
use actix_web::body::to_bytes;
use actix_web::http::header::ALLOW;
use actix_web::test::{TestRequest, call_and_read_body, init_service};
use futures_util::stream;

use super::*;
use crate::http::drf::fields::{Field, Trim, take};

fn nothing(_: &mut Section<'_>) -> Operation {
    Operation::new("")
}

fn read(_: Mounted) -> Route {
    web::to(|| async { "read" })
}

fn write(_: Mounted) -> Route {
    web::to(|| async { "written" })
}

static POST: Endpoint = endpoint("thing", "Thing", &[post(&[], write, nothing)]);
static TELLING: Endpoint = endpoint("thing", "Thing", &[post(&["username"], write, nothing)]);
static GET: Endpoint = endpoint("thing", "Thing", &[get(read, nothing)]);
static BOTH: Endpoint = endpoint("thing", "Thing", &[get(read, nothing), post(&["username"], write, nothing)]);

/// Authentication that succeeds, or refuses with 401.
async fn handle(
    endpoint: &'static Endpoint,
    request: &HttpRequest,
    body: &'static [u8],
    known: bool,
) -> EndpointResult {
    let negotiated = endpoint.open(request)?;
    if !known {
        return Err(negotiated.replies().unauthorized("Token", &json!({ "detail": "Who?" })));
    }
    negotiated.check_method()?;
    let payload = stream::iter([Ok(Bytes::from_static(body))]);
    let document = negotiated.document(payload, Limits { size: 40, ..Limits::default() }).await?;
    let [a] =
        take(&document, [Field::text("a", Trim::Yes)]).map_err(|wrong| negotiated.replies().field_errors(&wrong))?;
    Ok(negotiated.replies().json(StatusCode::OK, &json!({ "a": a })))
}

type Told = (u16, String, String);

async fn ask(endpoint: &'static Endpoint, request: TestRequest, body: &'static [u8], known: bool) -> Told {
    let request = request.to_http_request();
    told(respond(handle(endpoint, &request, body, known).await)).await
}

/// Its status, `Allow` and body.
async fn told(response: HttpResponse) -> Told {
    let allow = response.headers().get(ALLOW).expect("Allow").to_str().expect("ASCII").to_owned();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body()).await.expect("a body");
    (status, allow, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

fn posted(content_type: &'static str) -> TestRequest {
    let request = TestRequest::post();
    if content_type.is_empty() { request } else { request.insert_header(("content-type", content_type)) }
}

/// The request, its body, whether it is authenticated; the status and body of the reply.
type Case = (TestRequest, &'static [u8], bool, u16, &'static str);

async fn check(cases: Vec<Case>) {
    for (request, body, known, status, expected) in cases {
        let reply = ask(&POST, request, body, known).await;
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
        (posted("text/plain"), b"{", true, 415, r#"{"detail":"Unsupported media type \"text/plain\" in request."}"#),
        (posted(""), b"{}", true, 415, r#"{"detail":"Unsupported media type \"\" in request."}"#),
        (
            posted("text/plain").insert_header(("content-length", "41")),
            b"{}",
            true,
            415,
            r#"{"detail":"Unsupported media type \"text/plain\" in request."}"#,
        ),
        (
            posted(json).insert_header(("content-length", "41")),
            b"{}",
            true,
            413,
            r#"{"detail":"Request body exceeds 40 bytes."}"#,
        ),
        (
            posted(json),
            b"{",
            true,
            400,
            r#"{"detail":"JSON parse error - EOF while parsing an object at line 1 column 1"}"#,
        ),
        (posted(json), b"null", true, 400, r#"{"non_field_errors":["No data provided"]}"#),
        (posted("text/plain"), b"", true, 400, r#"{"a":["This field is required."]}"#),
        (posted(json), b"{\"a\":1}", true, 200, r#"{"a":"1"}"#),
        (posted("application/x-www-form-urlencoded"), b"a=b", true, 200, r#"{"a":"b"}"#),
    ])
    .await;
}

#[actix_web::test]
async fn every_other_method_is_refused_as_sent() {
    for method in ["GET", "PATCH", "DELETE", "TRACE", "PROPFIND", "post"] {
        let request = TestRequest::default().method(Method::from_bytes(method.as_bytes()).expect("a method"));
        let (status, _, body) = ask(&POST, request, b"", true).await;
        assert_eq!((status, body), (405, format!(r#"{{"detail":"Method \"{method}\" not allowed."}}"#)));
    }
    let head = ask(&POST, TestRequest::default().method(Method::HEAD), b"", true).await;
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
async fn each_method_of_a_path_has_its_own_handler_and_the_last_one_gets_the_others() {
    let app = init_service(App::new().configure(|config| BOTH.mount(config, "/v1", Dialect::Knox))).await;
    for path in ["/v1/thing/", "/v1/thing"] {
        for (method, handler) in [
            (Method::GET, "read"),
            (Method::HEAD, "read"),
            (Method::POST, "written"),
            (Method::DELETE, "written"),
            (Method::OPTIONS, "written"),
        ] {
            let request = TestRequest::with_uri(path).method(method.clone()).to_request();
            assert_eq!(call_and_read_body(&app, request).await, handler, "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn all_methods_of_a_path_are_allowed_and_no_others() {
    let with = |method: Method| ask(&BOTH, TestRequest::default().method(method), b"{\"a\":\"b\"}", true);
    for (method, status) in [(Method::GET, 415), (Method::POST, 415), (Method::DELETE, 405), (Method::OPTIONS, 200)] {
        let (answered, allow, _) = with(method.clone()).await;
        assert_eq!((answered, allow.as_str()), (status, "GET, HEAD, POST, OPTIONS"), "{method}");
    }
}

#[actix_web::test]
async fn options_describes_the_endpoint() {
    let options = || TestRequest::default().method(Method::OPTIONS);
    let plain = r#"{"name":"Thing","description":"","renders":["application/json"],"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"]"#;
    assert_eq!(ask(&POST, options(), b"", true).await, (200, "POST, OPTIONS".to_owned(), format!("{plain}}}")));
    let actions =
        r#""actions":{"POST":{"username":{"type":"string","required":true,"read_only":false,"label":"Username"}}}"#;
    let (_, _, body) = ask(&TELLING, options(), b"", true).await;
    assert_eq!(body, format!("{plain},{actions}}}"));
    assert_eq!(ask(&BOTH, options(), b"", true).await.2, body);
}

#[actix_web::test]
async fn content_types_are_echoed_as_latin_1() {
    let value = actix_web::http::header::HeaderValue::from_bytes(b"text/\xe9").expect("a header value");
    let request = TestRequest::post().insert_header(("content-type", value));
    let (_, _, body) = ask(&POST, request, b"x", true).await;
    assert_eq!(body, r#"{"detail":"Unsupported media type \"text/é\" in request."}"#);
}

#[actix_web::test]
async fn a_body_that_does_not_arrive_ends_the_connection() {
    let request = posted("application/json").insert_header(("content-length", "10")).to_http_request();
    let negotiated = POST.open(&request).expect("an acceptable request");
    let limits = Limits { patience: std::time::Duration::ZERO, ..Limits::default() };
    let refusal = negotiated.document(stream::pending(), limits).await.expect_err("too slow");
    assert_eq!(refusal.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(refusal.head().connection_type(), actix_web::http::ConnectionType::Close);
}
