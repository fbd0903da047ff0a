//! JSON bodies, parsed by `serde_json`.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::http::drf::body::value::{Document, Kind, Text, Value};

/// Parses one JSON document. Values that no field needs may have any size and depth:
/// `serde_json` skips them without recursion.
///
/// # Errors
/// When the text is anything else. The error gives the position, and repeats nothing of the text, which may
/// contain a password.
pub(super) fn parse(text: &str) -> Result<Document, serde_json::Error> {
    if text.trim_start().starts_with('{') {
        // Of several values of one name, the map keeps the last.
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
        let fields = fields.into_iter().map(|(name, raw)| (Text::new(name), value(raw)));
        return Ok(Document::Object(fields.collect()));
    }
    let whole: &RawValue = serde_json::from_str(text)?;
    Ok(kind(whole).map_or(Document::EMPTY, Document::NotObject))
}

/// What kind of value this is; `None` for an object.
fn kind(raw: &RawValue) -> Option<Kind> {
    let text = raw.get();
    Some(match text.bytes().next() {
        Some(b'{') => return None,
        Some(b'[') => Kind::List,
        Some(b'"') => Kind::Str,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'n') => Kind::Null,
        _ if text.contains(['.', 'e', 'E']) => Kind::Float,
        _ => Kind::Int,
    })
}

fn value(raw: &RawValue) -> Value {
    match kind(raw) {
        Some(Kind::Null) => Value::Null,
        // The only possible error in a string here is a surrogate without its other half.
        Some(Kind::Str) => serde_json::from_str(raw.get()).map_or(Value::Other, |text| Value::Text(Text::new(text))),
        Some(Kind::Int | Kind::Float) => Value::Text(Text::new(raw.get().to_owned())),
        Some(Kind::Bool) => Value::Bool(raw.get() == "true"),
        Some(Kind::List) | None => Value::Other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(text: &str) -> String {
        match parse(text).expect("JSON").get("a") {
            None => "absent".to_owned(),
            Some(Value::Null) => "null".to_owned(),
            Some(Value::Bool(truth)) => format!("bool {truth}"),
            Some(Value::Other) => "other".to_owned(),
            Some(Value::Text(text)) => format!("text {}", text.as_str()),
        }
    }

    #[test]
    fn what_is_no_object_has_a_kind() {
        let cases = [
            ("null", Kind::Null),
            ("[]", Kind::List),
            ("[1, {\"a\": [null]}, \"x\"]", Kind::List),
            ("\"a\"", Kind::Str),
            ("\"\\ud800\"", Kind::Str),
            ("1", Kind::Int),
            ("-0", Kind::Int),
            ("12345678901234567890123", Kind::Int),
            ("1.5", Kind::Float),
            ("1e400", Kind::Float),
            ("true", Kind::Bool),
            (" \t\r\nfalse \t\r\n", Kind::Bool),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).expect("JSON"), Document::NotObject(expected), "{text}");
        }
    }

    #[test]
    fn values_are_kept_as_text() {
        let cases = [
            ("{}", "absent"),
            (" \r\n{\"A\":1,\"a \":2}\t", "absent"),
            ("{\"a\":null}", "null"),
            ("{\"a\":true}", "bool true"),
            ("{\"a\": false }", "bool false"),
            ("{\"a\":[[]]}", "other"),
            ("{\"a\":{\"a\":1}}", "other"),
            ("{\"b\":{\"a\":1}}", "absent"),
            ("{\"a\":\"x\",\"a\":\"y\"}", "text y"),
            ("{\"a\":\"x\",\"\\u0061\":null}", "null"),
            ("{\"a\":12345}", "text 12345"),
            ("{\"a\":-1.50E+1}", "text -1.50E+1"),
            ("{\"a\":\"\\b\\f\\n\\r\\t\\\"\\\\\\/\"}", "text \u{8}\u{c}\n\r\t\"\\/"),
            ("{\"a\":\"\\u0000é🦀\\u00E9\\ud83e\\udd80\"}", "text \0é🦀é🦀"),
            ("{\"a\":\"\\ud800\"}", "other"),
            ("{\"a\":\"\\udd80\\ud83e\"}", "other"),
            ("{\"b\":[\"\\ud800\",1e400],\"a\":\"x\"}", "text x"),
        ];
        for (text, expected) in cases {
            assert_eq!(field(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let cases = [
            "",
            " ",
            "{",
            "x",
            "{'a':1}",
            "{\"a\":1,}",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "{1:2}",
            "// x\n{}",
            "{}{}",
            "{}\0",
            "\u{c}{}",
            "\u{a0}{}",
            "{}\u{a0}",
            "\u{feff}{}",
            "\"a",
            "\"\\x41\"",
            "\"\\u12g4\"",
            "{\"a\":\"a\tb\"}",
            "{\"\\ud800\":1}",
            "True",
            "NaN",
            "[-Infinity]",
            "{\"a\":NaN}",
            "01",
            "+1",
            ".5",
            "5.",
            "-",
            "1e",
            "0x10",
            "1_0",
            "[1 2]",
            "[1}",
            "{\"a\":[}",
        ];
        for text in cases {
            assert!(parse(text).is_err(), "{text}");
        }
        for open in ["[", "{\"a\":", "[{\"a\":"] {
            assert!(parse(&open.repeat(100_000)).is_err(), "{open}");
        }
    }

    #[test]
    fn depth_costs_nothing() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(parse(&deep).expect("JSON"), Document::NotObject(Kind::List));
        assert_eq!(field(&format!("{{\"a\":{deep}}}")), "other");
        assert_eq!(field(&format!("{{\"b\":{deep},\"a\":\"x\"}}")), "text x");
    }

    proptest! {
        #[test]
        fn errors_repeat_nothing_of_the_text(text in "[\\[\\]{}\":,\\\\u0 -]{0,20}") {
            for text in [format!("{text}qwxyz"), format!("{{\"a\":\"qwxyz\",{text}"), format!("{{\"qwxyz\":{text}")] {
                let words = parse(&text).map_or_else(|error| error.to_string(), |_| String::new());
                prop_assert!(!words.contains("qwxyz"), "{}", words);
            }
        }
    }
}
