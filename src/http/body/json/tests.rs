use proptest::prelude::*;

use super::*;

fn kind(text: &str) -> Option<Kind> {
    match parse(text) {
        Ok(Document::NotObject(kind)) => Some(kind),
        Ok(Document::Object(_)) | Err(_) => None,
    }
}

fn field(text: &str) -> String {
    match parse(text).expect("JSON").get("a") {
        None => "absent".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(Value::Other) => "other".to_owned(),
        Some(Value::Text(text)) => match text.surrogate() {
            Some(unit) => format!("{}|{unit:X}", text.as_str()),
            None => text.as_str().to_owned(),
        },
    }
}

fn nested(open: &str, depth: usize, close: &str) -> String {
    format!("{}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn what_is_no_object_has_a_kind() {
    let cases = [
        ("null", Kind::Null),
        ("[]", Kind::List),
        ("[1, {\"a\": [null]}, \"x\"]", Kind::List),
        ("\"a\"", Kind::Str),
        ("\"\"", Kind::Str),
        ("\"\\ud800\"", Kind::Str),
        ("1", Kind::Int),
        ("0", Kind::Int),
        ("-0", Kind::Int),
        ("1.5", Kind::Float),
        ("1e5", Kind::Float),
        ("true", Kind::Bool),
        (" \t\r\nfalse \t\r\n", Kind::Bool),
    ];
    for (text, expected) in cases {
        assert_eq!(kind(text), Some(expected), "{text}");
    }
}

const NOT_JSON: &[&str] = &[
    "",
    " ",
    "\n",
    "{",
    "}",
    "[",
    "]",
    "x",
    "{'a':1}",
    "{\"a\":1,}",
    "[1,]",
    "{,}",
    "[,1]",
    "{\"a\"}",
    "{\"a\":}",
    "{a:1}",
    "{1:2}",
    "// x\n{}",
    "/**/{}",
    "{}{}",
    "{} x",
    "{}\0",
    "\u{c}{}",
    "{}\u{a0}",
    "\u{feff}{}",
    "\"a",
    "\"\\x41\"",
    "\"\\u12g4\"",
    "\"\\u 123\"",
    "\"\\u+123\"",
    "\"\\u1_23\"",
    "\"\\u123",
    "\"\\u12\"",
    "\"\\",
    "\"a\tb\"",
    "\"\u{0}\"",
    "\"\u{1f}\"",
    "True",
    "tRue",
    "tru",
    "nul",
    "undefined",
    "NaN",
    "Infinity",
    "-Infinity",
    "[NaN]",
    "{\"a\":-Infinity}",
    "01",
    "-01",
    "+1",
    ".5",
    "5.",
    "-",
    "1e",
    "1e+",
    "0x10",
    "1_0",
    "[1 2]",
    "[1}",
    "{\"a\":1]",
    "{\"a\":[}",
    "[[[[",
    "\"\\ud800\\u12\"",
    "\"\\ud800\\x\"",
    "1é",
];

#[test]
fn what_is_no_json_is_refused() {
    for text in NOT_JSON {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn unusual_json_is_read() {
    for text in ["{}", " { } ", "{\"\u{7f}\": \"\\/\"}", "[-0.0e-0]", "{\"a\" : 1E+5}", "[[],{},[[]],{\"a\":{}}]"] {
        assert!(parse(text).is_ok(), "{text}");
    }
}

#[test]
fn values_are_kept_as_text() {
    let cases = [
        ("{}", "absent"),
        ("{\"A\":1,\"a \":2}", "absent"),
        ("{\"a\":null}", "null"),
        ("{\"a\":true}", "other"),
        ("{\"a\":[]}", "other"),
        ("{\"a\":{}}", "other"),
        ("{\"a\":{\"a\":1}}", "other"),
        ("{\"b\":{\"a\":1}}", "absent"),
        ("{\"a\":\"x\",\"a\":\"y\"}", "y"),
        ("{\"a\":\"x\",\"a\":null}", "null"),
        ("{\"\\u0061\":\"x\"}", "x"),
        ("{\"a\":1e400}", "inf"),
        ("{\"a\":-0}", "0"),
        ("{\"a\":\"\\b\\f\\n\\r\\t\\\"\\\\\\/\"}", "\u{8}\u{c}\n\r\t\"\\/"),
        ("{\"a\":\"\\u0000é🦀\\u00E9\"}", "\0é🦀é"),
        ("{\"a\":\"\\ud83e\\udd80\"}", "🦀"),
        ("{\"a\":\"\\ud800\"}", "\u{fffd}|D800"),
        ("{\"a\":\"\\udfff\\ud800\"}", "\u{fffd}\u{fffd}|DFFF"),
        ("{\"a\":\"\\ud800\\u0041\"}", "\u{fffd}A|D800"),
        ("{\"a\":\"\\uD800\\\\udc00\"}", "\u{fffd}\\udc00|D800"),
        ("{\"a\":\"\\ud800\\ud83e\\udd80\"}", "\u{fffd}🦀|D800"),
        ("{\"a\":\"\\ud800x\\udc00\"}", "\u{fffd}x\u{fffd}|D800"),
        ("{\"\\ud800\":1}", "absent"),
    ];
    for (text, expected) in cases {
        assert_eq!(field(text), expected, "{text}");
    }
}

#[test]
fn whole_numbers_have_at_most_4300_digits() {
    let digits = "1".repeat(MAX_DIGITS);
    assert_eq!(field(&format!("{{\"a\":-{digits}}}")), format!("-{digits}"));
    assert_eq!(kind(&format!("{digits}1.0")), Some(Kind::Float));
    assert_eq!(field(&format!("{{\"a\":{digits}1e1}}")), "inf");
    for bad in [format!("{digits}1"), format!("-{digits}1"), format!("{{\"b\":[{digits}1]}}")] {
        assert!(parse(&bad).is_err());
    }
}

#[test]
fn nesting_is_read_to_1000() {
    assert_eq!(kind(&nested("[", MAX_DEPTH, "]")), Some(Kind::List));
    assert!(parse(&nested("[", MAX_DEPTH + 1, "]")).is_err());
    let extra = |depth| format!("{{\"a\":{}}}", nested("[", depth, "]"));
    assert_eq!(field(&extra(MAX_DEPTH - 1)), "other");
    assert!(parse(&extra(MAX_DEPTH)).is_err());
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert_eq!(field(&objects(MAX_DEPTH)), "other");
    assert!(parse(&objects(MAX_DEPTH + 1)).is_err());
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        assert!(parse(&open.repeat(100_000)).is_err());
    }
}

#[test]
fn errors_say_where_and_not_what() {
    let error = parse("{\"é\": secret}").expect_err("no JSON");
    assert_eq!(error.to_string(), "a value was expected at character 6");
}

/// Documents of ordinary values; strings without `d`, so that no edit can make up a surrogate,
/// which is the one thing where `serde_json` is stricter.
fn document() -> impl Strategy<Value = serde_json::Value> {
    let scalar = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        "[^dD]{0,8}".prop_map(serde_json::Value::from),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec(("[a-c]", inner), 0..4)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn serde_json_accepts_the_same_documents(value in document(), pretty: bool, edits in prop::collection::vec((any::<prop::sample::Index>(), "[]{}\",:\\\\utrfalsen0-9.+eE \\n-]"), 0..3)) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        prop_assert!(parse(&text).is_ok());
        let mut characters: Vec<char> = text.chars().collect();
        for (at, edit) in edits {
            let at = at.index(characters.len());
            characters.splice(at..=at, edit.chars());
        }
        let text: String = characters.into_iter().collect();
        // Nobody looks at the numbers here, which may be greater than it could hold.
        let expected = serde_json::from_str::<serde::de::IgnoredAny>(&text);
        prop_assert_eq!(parse(&text).is_ok(), expected.is_ok(), "{}", text);
        if let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(&text) {
            for (name, value) in fields {
                let ours = parse(&text).expect("JSON");
                match (ours.get(&name), value) {
                    (Some(Value::Text(text)), serde_json::Value::String(theirs)) => prop_assert_eq!(text.as_str(), theirs),
                    (Some(Value::Text(_)), serde_json::Value::Number(_)) => {}
                    (Some(Value::Null), serde_json::Value::Null) => {}
                    (Some(Value::Other), other) => prop_assert!(other.is_boolean() || other.is_array() || other.is_object()),
                    (ours, theirs) => prop_assert!(false, "{:?} is not {}", ours, theirs),
                }
            }
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC*|[\\[\\]{}\":,\\\\utdD8-9a-f0 .eE+-]{0,60}") {
        let _ = parse(&text);
    }
}
