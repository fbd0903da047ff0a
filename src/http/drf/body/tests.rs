use futures_util::stream;
use proptest::prelude::*;

use super::*;
use crate::http::drf::body::value::{Kind, Value};

const JSON: &str = "application/json";

fn text(document: &Document, name: &str) -> Option<String> {
    match document.get(name) {
        Some(Value::Text(text)) => Some(text.as_str().to_owned()),
        Some(Value::Null | Value::Bool(_) | Value::Other) | None => None,
    }
}

fn unsupported(content_type: &str) -> Result<Document, BodyError> {
    Err(BodyError::UnsupportedMediaType(content_type.to_owned()))
}

#[test]
fn content_types_are_told_apart() {
    for json in [
        "application/json",
        "APPLICATION/JSON; a=b",
        "application/json;",
        "*/*",
        "application/*",
        "*/json",
        "*/*;x=1",
        "application/json; charset=bogus",
        "application/json; charset=",
        "application/json; charset=base64",
        " application/json ",
    ] {
        assert_eq!(parse(json, b"[]"), Ok(Document::NotObject(Kind::List)), "{json}");
    }
    for form in
        ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; a=b", "*/x-www-form-urlencoded"]
    {
        assert_eq!(text(&parse(form, b"a=x").expect("a form"), "a").as_deref(), Some("x"), "{form}");
    }
    for multipart in ["multipart/form-data; boundary=B", "Multipart/Form-Data; a=b; boundary=\"B\""] {
        assert_eq!(parse(multipart, b"--B--"), Ok(Document::EMPTY), "{multipart}");
    }
    for unknown in [
        "",
        "text/plain",
        "text/plain; charset=base64",
        "text/json",
        "application/xml",
        "application/vnd.api+json",
        "application/jsonx",
        "json",
        "/",
        "*",
        "/*",
        "*/",
        "application/json, text/plain",
        "application / json",
        "application/json/",
    ] {
        assert_eq!(parse(unknown, b"{}"), unsupported(unknown), "{unknown}");
    }
}

#[test]
fn an_empty_body_is_an_empty_object_of_any_type() {
    for any in ["", "text/plain", JSON, "multipart/form-data", "application/json; charset=base64"] {
        assert_eq!(parse(any, b""), Ok(Document::EMPTY), "{any}");
    }
}

#[test]
fn bodies_that_cannot_be_read_are_refused_in_the_contracts_words() {
    let cases: &[(&str, &[u8], u16, &str)] = &[
        ("", b"{}", 415, "Unsupported media type \"\" in request."),
        ("a/b; c=\"d\"", b"{}", 415, "Unsupported media type \"a/b; c=\"d\"\" in request."),
        (JSON, b" ", 400, "JSON parse error - EOF while parsing a value at line 1 column 1"),
        (JSON, b"\xef\xbb\xbf{}", 400, "JSON parse error - expected value at line 1 column 1"),
        (JSON, b"{\"a\":\"\xff\"}", 400, "JSON parse error - invalid bytes for the character set"),
        (JSON, b"\xff\xfe{\0}\0", 400, "JSON parse error - invalid bytes for the character set"),
        (JSON, b"{\0}\0", 400, "JSON parse error - key must be a string at line 1 column 2"),
        ("application/json; charset=utf-16", b"{}", 400, "JSON parse error - expected value at line 1 column 1"),
        ("application/json; charset=utf-16", b"{}x", 400, "JSON parse error - invalid bytes for the character set"),
        ("application/json; charset=hz-gb-2312", b"{}", 400, "JSON parse error - invalid bytes for the character set"),
        ("multipart/form-data", b"x", 400, "Multipart form parse error - The content type names no boundary."),
    ];
    for (content_type, body, status, words) in cases {
        let error = parse(content_type, body).expect_err(content_type);
        assert_eq!((error.status().as_u16(), error.to_string().as_str()), (*status, *words));
    }
}

#[test]
fn a_byte_order_mark_of_another_charset_decides_nothing() {
    for charset in ["shift_jis", "iso-8859-1", "gbk"] {
        let utf16: Vec<u8> = "\u{feff}{\"a\":\"b\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for body in ["\u{feff}{\"a\":\"b\"}".as_bytes(), &utf16] {
            let read = parse(&format!("application/json; charset={charset}"), body);
            assert!(read.is_err(), "{charset}: {read:?}");
        }
    }
}

#[test]
fn the_charset_of_json_is_obeyed() {
    let le: Vec<u8> = "\u{feff}{\"a\":\"é\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let be: Vec<u8> = "\u{feff}{\"a\":\"é\"}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let utf8 = "{\"a\":\"é\"}".as_bytes().to_vec();
    let cases = [
        ("utf-8", utf8.clone()),
        ("\"UTF8\"", utf8.clone()),
        ("utf_8", utf8.clone()),
        ("bogus", utf8),
        ("utf-16", le),
        ("utf-16be", be),
        ("iso-8859-1", b"{\"a\":\"\xe9\"}".to_vec()),
        ("Windows-1252", b"{\"a\":\"\xe9\"}".to_vec()),
    ];
    for (charset, body) in cases {
        let document = parse(&format!("{JSON}; charset={charset}"), &body).expect(charset);
        assert_eq!(text(&document, "a").as_deref(), Some("é"), "{charset}");
    }
}

#[test]
fn forms_are_read_as_browsers_write_them() {
    let cases: &[(&[u8], Option<&str>)] = &[
        (b"a=x&b=y", Some("x")),
        (b"b=y", None),
        (b"{\"a\":1}", None),
        (b"&&&", None),
        (b"a[]=x", None),
        (b"A=x", None),
        (b"a", Some("")),
        (b"a=%20%2B+", Some(" + ")),
        (b"a=x&a=y", Some("y")),
        (b"%61=x", Some("x")),
        (b"a=%00", Some("\0")),
        (b"a=%zz%4", Some("%zz%4")),
        (b"a=%C3%A9%c3%a9", Some("éé")),
        (b"a=%ff", Some("\u{fffd}")),
        (b"a=\xff", Some("\u{fffd}")),
        (b"a=x;b=y=z", Some("x;b=y=z")),
    ];
    for (body, expected) in cases {
        let document = parse("application/x-www-form-urlencoded; charset=utf-8", body).expect("a form");
        assert_eq!(text(&document, "a").as_deref(), *expected, "{}", String::from_utf8_lossy(body));
    }
}

fn chunks(parts: &[&'static [u8]]) -> impl Stream<Item = Result<Bytes, PayloadError>> {
    stream::iter(parts.iter().map(|part| Ok(Bytes::from_static(part))).collect::<Vec<_>>())
}

fn small() -> Limits {
    Limits { size: 8, ..Limits::default() }
}

#[actix_web::test]
async fn a_body_arrives_in_pieces() {
    let document = read(JSON, None, chunks(&[b"{\"a\"", b"", b":1}"]), Limits::default()).await.expect("JSON");
    assert_eq!(text(&document, "a").as_deref(), Some("1"));
    assert_eq!(read("text/plain", None, chunks(&[b"", b""]), small()).await, Ok(Document::EMPTY));
    assert_eq!(read("text/plain", Some(0), chunks(&[]), small()).await, Ok(Document::EMPTY));
}

#[actix_web::test]
async fn size_is_judged_after_the_type_and_before_the_content() {
    let fits = [&b"[1,2,3]"[..], b" "];
    assert_eq!(read(JSON, Some(8), chunks(&fits), small()).await, Ok(Document::NotObject(Kind::List)));
    let large = [&b"[1,2,3]"[..], b"  "];
    for declared in [None, Some(9), Some(u64::MAX)] {
        let error = read(JSON, declared, chunks(&large), small()).await.expect_err("too large");
        assert_eq!((error.status().as_u16(), error.to_string().as_str()), (413, "Request body exceeds 8 bytes."));
        assert!(error.ends_connection());
        let error = read("text/plain", declared, chunks(&large), small()).await;
        assert_eq!(error, unsupported("text/plain"));
    }
    let default = read(JSON, Some(16_385), chunks(&[]), Limits::default()).await.expect_err("too large");
    assert_eq!(default.to_string(), "Request body exceeds 16384 bytes.");
}

#[actix_web::test]
async fn a_slow_body_is_given_up() {
    let limits = Limits { patience: Duration::ZERO, ..Limits::default() };
    let stalled = chunks(&[b"{"]).chain(stream::pending());
    let error = read(JSON, Some(9), stalled, limits).await.expect_err("too slow");
    assert_eq!((error.status().as_u16(), error.ends_connection()), (408, true));
}

#[actix_web::test]
async fn a_body_that_breaks_off_is_refused() {
    let broken = chunks(&[b"{}"]).chain(stream::iter([Err(PayloadError::Incomplete(None))]));
    let error = read(JSON, Some(9), broken, Limits::default()).await.expect_err("broken");
    assert_eq!((error.status().as_u16(), error.ends_connection()), (400, true));
}

proptest! {
    #[test]
    fn no_bytes_panic(content_type in "(application/json|application/x-www-form-urlencoded|multipart/form-data; boundary=a|\\PC*)(; charset=(utf-16|latin-1|gbk|\\PC*))?", body: Vec<u8>) {
        let _ = parse(&content_type, &body);
    }

    #[test]
    fn no_text_panics(body in "\\PC*") {
        for content_type in [JSON, "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"] {
            let _ = parse(content_type, body.as_bytes());
        }
    }
}
