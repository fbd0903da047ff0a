//! Multipart forms, split by `multer` (`docs/contract.md#forms`).

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use multer::Multipart;

use crate::http::drf::body::value::{Document, Text, Value};
use crate::http::drf::media::parameter;

/// Parses a form whose parts are all in memory.
///
/// # Errors
/// When the content type names no boundary or the parts are malformed; the text is for the client.
pub(super) fn parse(content_type: &str, body: &[u8]) -> Result<Document, &'static str> {
    let boundary = parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty());
    let boundary = boundary.ok_or("The content type names no boundary.")?;
    let whole = stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(body))]);
    // All bytes are in memory, so this never waits.
    let fields = collect(Multipart::new(whole, boundary)).now_or_never();
    match fields {
        Some(Ok(fields)) => Ok(Document::Object(fields)),
        // The errors of the library repeat field names and bytes of the body.
        Some(Err(_)) | None => Err("The body does not end in the boundary, or a part is damaged."),
    }
}

async fn collect(mut parts: Multipart<'_>) -> Result<Vec<(Text, Value)>, multer::Error> {
    let mut fields = Vec::new();
    while let Some(part) = parts.next_field().await? {
        let Some(name) = part.name().map(|name| Text::new(name.to_owned())) else { continue };
        let is_file = part.file_name().is_some_and(|name| !name.is_empty());
        let data = part.bytes().await?;
        let text = || Value::Text(Text::new(String::from_utf8_lossy(&data).into_owned()));
        fields.push((name, if is_file { Value::Other } else { text() }));
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    fn field(parts: &[Part<'_>]) -> String {
        let document = parse("multipart/form-data; boundary=B", &body(parts)).expect("a form");
        match document.get("a") {
            None => "absent".to_owned(),
            Some(Value::Text(text)) => format!("text {}", text.as_str()),
            Some(Value::Other | Value::Bool(_)) => "file".to_owned(),
            Some(Value::Null) => "null".to_owned(),
        }
    }

    #[test]
    fn each_part_is_a_field() {
        let file = format!("{NAMED}; filename=\"x\"");
        let cases: &[(&[Part<'_>], &str)] = &[
            (&[], "absent"),
            (&[(NAMED, b"x")], "text x"),
            (&[(NAMED, b" x\r\n")], "text  x\r\n"),
            (&[(NAMED, b"x"), (NAMED, b"y")], "text y"),
            (&[(NAMED, b"\xff\0")], "text \u{fffd}\0"),
            (&[(NAMED, b"")], "text "),
            (&[("Content-Type: text/plain", b"x")], "absent"),
            (&[("Content-Disposition: form-data", b"x"), (NAMED, b"y")], "text y"),
            (&[("content-disposition: form-data; name=a", b"x")], "text x"),
            (&[(&file, b"x")], "file"),
            (&[("Content-Disposition: form-data; name=\"a\"; filename=\"\"", b"x")], "text x"),
            (&[("Content-Disposition: form-data; name=\"b\"; filename=\"x\"", b"x"), (NAMED, b"y")], "text y"),
        ];
        for (parts, expected) in cases {
            assert_eq!(field(parts), *expected, "{parts:?}");
        }
    }

    #[test]
    fn the_boundary_decides_what_can_be_read() {
        let form = body(&[(NAMED, b"x")]);
        for good in ["multipart/form-data; boundary=B", "multipart/form-data; Boundary=\"B\"; a=b"] {
            assert!(parse(good, &form).is_ok(), "{good}");
        }
        for bad in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\""] {
            assert_eq!(parse(bad, &form), Err("The content type names no boundary."), "{bad}");
        }
        assert!(parse("multipart/form-data; boundary=C", &form).is_err());
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
            let words = parse("multipart/form-data; boundary=B", damaged).expect_err("damaged");
            assert!(!words.contains("secret"), "{words}");
        }
        assert!(parse("multipart/form-data; boundary=B", b"--B--").is_ok());
    }

    proptest! {
        #[test]
        fn no_body_panics(
            boundary in "\\PC*",
            bytes: Vec<u8>,
            text in "(--B(--)?\r\n|Content-Disposition: form-data; name=|\"|\\\\|a|;|filename=|: |\r\n|\r\n\r\n){0,30}",
        ) {
            let _ = parse("multipart/form-data; boundary=B", &bytes);
            let _ = parse("multipart/form-data; boundary=B", text.as_bytes());
            let _ = parse(&format!("multipart/form-data; boundary={boundary}"), text.as_bytes());
        }
    }
}
