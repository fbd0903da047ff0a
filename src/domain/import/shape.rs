//! What a file looks like that is no import file.

use super::ImportFormatError;

/// How many bytes are looked at.
const HEAD: usize = 1_000;

/// How files of other kinds begin.
const MAGIC: &[(&[u8], &str)] = &[
    (b"\xff\xfe", "text in UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "text in UTF-16: save it as UTF-8"),
    (b"\x1f\x8b", "a compressed file: unpack it first"),
    (b"PK\x03\x04", "a compressed file: unpack it first"),
    (b"BZh", "a compressed file: unpack it first"),
    (b"\xfd7zXZ\0", "a compressed file: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a compressed file: unpack it first"),
    (b"SQLite format 3\0", "a SQLite database: write an import file with contrib/django/export.py"),
    (b"PGDMP", "a dump of Postgres: write an import file with contrib/django/export.py"),
];

/// The text of a file, without its byte order mark.
///
/// # Errors
/// What the file is instead, as far as its beginning tells.
pub(super) fn text_of(bytes: &[u8]) -> Result<&str, ImportFormatError> {
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(ImportFormatError::Other(what));
    }
    if matches!(bytes, [0, ..] | [_, 0, ..]) {
        return Err(ImportFormatError::Other("text in UTF-16, or no text: save it as UTF-8"));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|_| ImportFormatError::Other("no text in UTF-8: save it as UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    other(text.trim_start()).map_or(Ok(text), |what| Err(ImportFormatError::Other(what)))
}

/// What a text is, if it is no JSON object with the keys of an import file.
fn other(text: &str) -> Option<&'static str> {
    let head: String = text.chars().take(HEAD).collect();
    let is_dump = head.contains("\"model\"") && head.contains("\"fields\"") || head.starts_with("- model:");
    if is_dump || head.starts_with("- fields:") {
        return Some("what `manage.py dumpdata` writes: write an import file with contrib/django/export.py");
    }
    match head.chars().next() {
        None => Some("an empty file"),
        Some('{') => None,
        Some('[') => Some("a JSON list: an import file is one object with the keys \"format\" and \"users\""),
        Some('<') => Some("XML or HTML: an import file is JSON"),
        Some(_) => Some("no JSON: an import file is one object with the keys \"format\" and \"users\""),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ImportData;

    const FILE: &str = r#"{"format": 1, "users": [{"id": 1, "username": "alice"}]}"#;

    #[test]
    fn a_byte_order_mark_and_blanks_do_not_matter() {
        for before in ["", "\u{feff}", "\n ", "\u{feff}\r\n"] {
            let data = ImportData::from_bytes(format!("{before}{FILE}\n").as_bytes());
            assert_eq!(data.expect("a good file").users.len(), 1, "{before:?}");
        }
    }

    #[test]
    fn what_a_file_is_instead_is_named_and_nothing_of_it_shown() {
        let utf16 = |mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
            mark.iter().copied().chain(FILE.encode_utf16().flat_map(bytes)).collect::<Vec<u8>>()
        };
        let dump = r#"{"model": "auth.user", "pk": 1, "fields": {"username": "hunter2", "password": "hunter2"}}"#;
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (utf16(b"\xff\xfe", u16::to_le_bytes), "UTF-16"),
            (utf16(b"\xfe\xff", u16::to_be_bytes), "UTF-16"),
            (utf16(b"", u16::to_le_bytes), "UTF-16"),
            (utf16(b"", u16::to_be_bytes), "UTF-16"),
            (b"\x1f\x8b\x08\0hunter2".to_vec(), "compressed"),
            (b"PK\x03\x04hunter2".to_vec(), "compressed"),
            (b"SQLite format 3\0hunter2".to_vec(), "SQLite"),
            (b"PGDMP\x01hunter2".to_vec(), "Postgres"),
            (b"{\"hunter2\": \"\xe9\"}".to_vec(), "UTF-8"),
            (format!("[{dump}]").into_bytes(), "dumpdata"),
            (format!("\u{feff}[\n  {dump}]").into_bytes(), "dumpdata"),
            (format!("{dump}\n{dump}\n").into_bytes(), "dumpdata"),
            (b"- model: auth.user\n  pk: 1\n".to_vec(), "dumpdata"),
            (b"[]".to_vec(), "JSON list"),
            (b"[{\"id\": 1, \"username\": \"hunter2\"}]".to_vec(), "JSON list"),
            (b"<?xml version=\"1.0\"?><django-objects>hunter2".to_vec(), "XML"),
            (b"id,username,password\n1,alice,hunter2\n".to_vec(), "no JSON"),
            (b"INSERT INTO auth_user VALUES (1, 'hunter2');".to_vec(), "no JSON"),
            (Vec::new(), "empty"),
            (b"\xef\xbb\xbf \n".to_vec(), "empty"),
        ];
        for (bytes, named) in cases {
            let error = ImportData::from_bytes(&bytes).expect_err(named).to_string();
            assert!(error.contains(named) && !error.contains("hunter2"), "{named}: {error}");
        }
    }

    #[test]
    fn a_missing_key_is_named() {
        for (text, key) in [
            (r#"{"users": []}"#, "format"),
            (r#"{"format": 1}"#, "users"),
            (r#"{"format": 1, "users": [{"username": "hunter2"}]}"#, "id"),
            (r#"{"format": 1, "users": [], "knox_tokens": [{"user": "hunter2", "created": "x"}]}"#, "digest"),
        ] {
            let error = ImportData::from_bytes(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains(&format!("the key \"{key}\" is missing")) && !error.contains("hunter2"), "{error}");
        }
    }
}
