//! Multipart forms (`docs/contract.md#forms`). They are split by `multer`; what the parts mean follows
//! Django.

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use multer::{Field, Multipart};

use crate::http::body::charset::Charset;
use crate::http::body::value::{Document, Text, Value};
use crate::http::media::{MediaType, latin1};

/// The longest boundary, in bytes.
const MAX_BOUNDARY_LENGTH: usize = 201;

/// Reads a form whose parts are all in memory.
///
/// # Errors
/// When the content type names no usable boundary or the parts are damaged; with the words for
/// the client.
pub(super) fn parse(content_type: &str, body: &[u8], charset: Charset) -> Result<Document, String> {
    let boundary = boundary(content_type)?;
    let whole = stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(body))]);
    // The bytes are all there, so that nothing is ever waited for.
    let fields = collect(Multipart::new(whole, boundary), charset).now_or_never();
    match fields {
        Some(Ok(fields)) => Ok(Document::Object(fields)),
        // The library's own words repeat field names and bytes of the body.
        Some(Err(_)) | None => Err("The body does not end in the boundary, or a part is damaged.".to_owned()),
    }
}

fn boundary(content_type: &str) -> Result<String, String> {
    // Django compares this one with case.
    if !content_type.starts_with("multipart/") {
        return Err(format!("Invalid Content-Type: {content_type}"));
    }
    if !content_type.is_ascii() {
        return Err(format!("Invalid non-ASCII Content-Type in multipart: {content_type}"));
    }
    let media = MediaType::parse(content_type);
    let Some(boundary) = media.parameter("boundary") else {
        return Err("Invalid boundary in multipart: None".to_owned());
    };
    let printable = boundary.bytes().all(|b| matches!(b, b' '..=b'~'));
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY_LENGTH || !printable || boundary.ends_with(' ') {
        return Err(format!("Invalid boundary in multipart: {boundary}"));
    }
    Ok(boundary.to_owned())
}

async fn collect(mut parts: Multipart<'_>, charset: Charset) -> Result<Vec<(Text, Value)>, multer::Error> {
    let mut fields = Vec::new();
    // A file hides a text of the same name, wherever it stands, so files go last.
    let mut files = Vec::new();
    while let Some(part) = parts.next_field().await? {
        let disposition = header(&part, "content-disposition").map(|text| MediaType::parse(&text));
        let is_base64 = header(&part, "content-transfer-encoding").is_some_and(|text| text.trim() == "base64");
        let data = part.bytes().await?;
        let Some(disposition) = disposition else { continue };
        let Some(name) = disposition.parameter("name") else { continue };
        let name = Text::new(name.trim().to_owned());
        if is_file(&disposition) {
            files.push((name, Value::Other));
        } else {
            let decoded = if is_base64 { base64_decoded(&data) } else { None };
            let text = charset.decode_lossily(decoded.as_deref().unwrap_or(&data));
            fields.push((name, Value::Text(Text::new(text))));
        }
    }
    fields.append(&mut files);
    Ok(fields)
}

/// A header of a part: UTF-8, or else every byte a character.
fn header(part: &Field<'_>, name: &str) -> Option<String> {
    let bytes = part.headers().get(name)?.as_bytes();
    Some(std::str::from_utf8(bytes).map_or_else(|_| latin1(bytes), str::to_owned))
}

fn is_file(disposition: &MediaType) -> bool {
    disposition.parameters().any(|(name, value)| {
        let base = name.split_once('*').map_or(name, |(base, _)| base);
        base == "filename" && !value.is_empty()
    })
}

/// Base64 as Python reads it: signs outside of the alphabet are skipped. `None` when it is still
/// none, which Django takes literally.
fn base64_decoded(data: &[u8]) -> Option<Vec<u8>> {
    let signs = data.iter().copied().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
    STANDARD.decode(signs.collect::<Vec<u8>>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMED: &str = "Content-Disposition: form-data; name=\"a\"";

    /// Header lines and data.
    type Part<'a> = (&'a str, &'a [u8]);

    fn body(parts: &[Part<'_>]) -> Vec<u8> {
        let mut body = Vec::new();
        for (headers, data) in parts {
            body.extend_from_slice(format!("--B\r\n{headers}\r\n\r\n").as_bytes());
            body.extend_from_slice(data);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--B--\r\n");
        body
    }

    fn field(parts: &[Part<'_>], charset: Charset) -> String {
        let document = parse("multipart/form-data; boundary=B", &body(parts), charset).expect("a form");
        match document.get("a") {
            None => "absent".to_owned(),
            Some(Value::Text(text)) => format!("text {}", text.as_str()),
            Some(Value::Other) => "file".to_owned(),
            Some(Value::Null) => "null".to_owned(),
        }
    }

    #[test]
    fn parts_are_read_as_in_table_2_7() {
        let file = format!("{NAMED}; filename=\"x\"");
        let cases: &[(&[Part<'_>], &str)] = &[
            (&[], "absent"),
            (&[(NAMED, b"x")], "text x"),
            (&[(NAMED, b" x\r\n")], "text  x\r\n"),
            (&[(NAMED, b"x"), (NAMED, b"y")], "text y"),
            (&[(NAMED, b"\xff\0")], "text \u{fffd}\0"),
            (&[(NAMED, b"")], "text "),
            (&[("Content-Type: text/plain", b"x")], "absent"),
            (&[("Content-Disposition: form-data", b"x")], "absent"),
            (&[("content-disposition: form-data; NAME=a", b"x")], "text x"),
            (&[("Content-Disposition: form-data; name=\" a \"", b"x")], "text x"),
            (&[(&file, b"x")], "file"),
            (&[(&file, b"x"), (NAMED, b"y")], "file"),
            (&[(NAMED, b"y"), (&file, b"x")], "file"),
            (&[("Content-Disposition: form-data; name=\"a\"; filename=\"\"", b"x")], "text x"),
            (&[("Content-Disposition: form-data; name=\"a\"; filename*=utf-8''x", b"x")], "file"),
            (&[("Content-Disposition: form-data; name=\"b\"; filename=\"x\"", b"x"), (NAMED, b"y")], "text y"),
            (&[("Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64", b"eA==")], "text x"),
            (&[("Content-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64", b"x")], "text x"),
        ];
        for (parts, expected) in cases {
            assert_eq!(field(parts, Charset::Utf8), *expected, "{parts:?}");
        }
        assert_eq!(field(&[(NAMED, b"\xe9")], Charset::Latin1), "text é");
    }

    #[test]
    fn the_boundary_decides_what_can_be_read() {
        let form = body(&[(NAMED, b"x")]);
        let read = |content_type: &str| parse(content_type, &form, Charset::Utf8);
        for good in ["multipart/form-data; boundary=B", "multipart/form-data; Boundary=\"B\"", "multipart/*;boundary=B"]
        {
            assert!(read(good).is_ok(), "{good}");
        }
        let cases = [
            ("multipart/form-data", "Invalid boundary in multipart: None"),
            ("multipart/form-data; boundary=", "Invalid boundary in multipart: "),
            ("multipart/form-data; boundary=\"B \"", "Invalid boundary in multipart: B "),
            ("*/form-data; boundary=B", "Invalid Content-Type: */form-data; boundary=B"),
            (
                "multipart/form-data; boundary=é",
                "Invalid non-ASCII Content-Type in multipart: multipart/form-data; boundary=é",
            ),
        ];
        for (content_type, words) in cases {
            assert_eq!(read(content_type), Err(words.to_owned()), "{content_type}");
        }
        let long = |length: usize| {
            let boundary = "B".repeat(length);
            parse(
                &format!("multipart/form-data; boundary={boundary}"),
                format!("--{boundary}--").as_bytes(),
                Charset::Utf8,
            )
        };
        assert!(long(MAX_BOUNDARY_LENGTH).is_ok());
        assert!(long(MAX_BOUNDARY_LENGTH + 1).is_err());
    }

    #[test]
    fn damaged_forms_are_refused_without_repeating_them() {
        for damaged in [
            &b"secret"[..],
            b"--C--\r\n",
            b"--B",
            b"--B\r\nContent-Disposition: form-data; name=\"secret\"\r\n\r\nx",
            b"--B\r\nsecret\x01: x\r\n\r\nx\r\n--B--",
        ] {
            let words = parse("multipart/form-data; boundary=B", damaged, Charset::Utf8).expect_err("damaged");
            assert!(!words.contains("secret"), "{words}");
        }
        assert!(parse("multipart/form-data; boundary=B", b"--B--", Charset::Utf8).is_ok());
    }

    proptest! {
        #[test]
        fn no_body_panics(bytes: Vec<u8>, text in "(--B(--)?\r\n|Content-Disposition: form-data; name=|\"|\\\\|a|;|filename=|: |\r\n|\r\n\r\n){0,30}") {
            let _ = parse("multipart/form-data; boundary=B", &bytes, Charset::Utf8);
            let _ = parse("multipart/form-data; boundary=B", text.as_bytes(), Charset::Utf8);
        }
    }
}
