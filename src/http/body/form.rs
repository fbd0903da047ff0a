//! URL-encoded forms, decoded as Django does (`docs/contract.md#forms`).
//!
//! The `form_urlencoded` crate knows UTF-8 only; here the charset has a say, and a body that is
//! not well-formed in it is read as Latin-1.

use crate::http::body::charset::Charset;
use crate::http::body::value::{Document, Text, Value};
use crate::http::media::latin1;

/// Reads a form. There is none that cannot be read.
pub(super) fn parse(body: &[u8], charset: Charset) -> Document {
    let text = charset.decode(body).unwrap_or_else(|| latin1(body).into());
    let fields = text.split('&').filter(|piece| !piece.is_empty()).map(|piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        (Text::new(unquote(name, charset)), Value::Text(Text::new(unquote(value, charset))))
    });
    Document::Object(fields.collect())
}

/// Plus signs are spaces; percent escapes are bytes in the charset. What is not ASCII was not
/// escaped and stands for itself.
fn unquote(text: &str, charset: Charset) -> String {
    let spaced = text.replace('+', " ");
    if !spaced.contains('%') {
        return spaced;
    }
    let mut out = String::with_capacity(spaced.len());
    let mut rest = spaced.as_str();
    while !rest.is_empty() {
        let (escaped, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii()).unwrap_or(rest.len()));
        out.push_str(&charset.decode_lossily(&percent_decoded(escaped.as_bytes())));
        let (plain, tail) = tail.split_at(tail.find(|c: char| c.is_ascii()).unwrap_or(tail.len()));
        out.push_str(plain);
        rest = tail;
    }
    out
}

/// Percent signs without two hex digits stand for themselves.
fn percent_decoded(mut text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    while let Some((first, rest)) = text.split_first() {
        if let (b'%', Some([high, low])) = (first, rest.first_chunk::<2>())
            && let (Some(high), Some(low)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
        {
            // Two hex digits never exceed a byte.
            bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            text = rest.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            text = rest;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(body: &[u8], charset: &str) -> Option<String> {
        let document = parse(body, Charset::named(charset).expect("a readable charset"));
        match document.get("a") {
            Some(Value::Text(text)) => Some(text.as_str().to_owned()),
            Some(Value::Null | Value::Other) | None => None,
        }
    }

    #[test]
    fn forms_are_read_as_in_table_2_7() {
        let cases: &[(&[u8], Option<&str>)] = &[
            (b"a=x&b=y", Some("x")),
            (b"a=true", Some("true")),
            (b"b=y", None),
            (b"{\"a\":1}", None),
            (b"&&&", None),
            (b"=x", None),
            (b"a[]=x", None),
            (b"A=x", None),
            (b"a=", Some("")),
            (b"a", Some("")),
            (b"a=+", Some(" ")),
            (b"a=%20%2B", Some(" +")),
            (b"a=x&a=y", Some("y")),
            (b"%61=x", Some("x")),
            (b"a=%00", Some("\0")),
            (b"a=%zz", Some("%zz")),
            (b"a=x%", Some("x%")),
            (b"a=%4", Some("%4")),
            (b"a=%4%41", Some("%4A")),
            (b"a=%+1", Some("% 1")),
            (b"a=%C3%A9%c3%a9", Some("éé")),
            (b"a=%ff", Some("\u{fffd}")),
            (b"a=%ed%a0%80", Some("\u{fffd}\u{fffd}\u{fffd}")),
            (b"a=x;b=y", Some("x;b=y")),
            (b"a=x=y", Some("x=y")),
            ("a=%C3é%A9".as_bytes(), Some("\u{fffd}é\u{fffd}")),
            (b"a=\xff", Some("ÿ")),
            (b"\xff=x", None),
        ];
        for (body, expected) in cases {
            assert_eq!(field(body, "utf-8").as_deref(), *expected, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn the_charset_decodes_the_escapes() {
        assert_eq!(field(b"a=%e9", "latin-1").as_deref(), Some("é"));
        assert_eq!(field("a=%a0é".as_bytes(), "ascii").as_deref(), Some("\u{fffd}Ã©"));
        assert_eq!(field(b"a=xy", "utf-16-le"), None);
    }

    proptest! {
        #[test]
        fn utf8_forms_are_read_as_by_form_urlencoded(body in "[a&=+%0-9f;é🦀]{0,40}") {
            let theirs: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
            let Document::Object(ours) = parse(body.as_bytes(), Charset::Utf8) else { panic!("a form is an object") };
            let ours: Vec<(String, String)> = ours.into_iter().map(|(name, value)| match value {
                Value::Text(text) => (name.as_str().to_owned(), text.as_str().to_owned()),
                Value::Null | Value::Other => panic!("a form holds texts"),
            }).collect();
            prop_assert_eq!(ours, theirs);
        }
    }
}
