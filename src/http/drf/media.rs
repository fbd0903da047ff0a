//! Header values of the form `type/subtype; name=value`.

use std::borrow::Cow;

use actix_web::http::header::{HeaderMap, HeaderName};

/// Whether a media type, in which `*` matches anything, covers `main`/`sub`. A malformed media type
/// covers nothing.
pub fn covers(value: &str, main: &str, sub: &str) -> bool {
    let full = value.split(';').next().unwrap_or_default().trim();
    let fits = |own: &str, wanted: &str| own == "*" || own.eq_ignore_ascii_case(wanted);
    full.split_once('/').is_some_and(|(own_main, own_sub)| fits(own_main, main) && fits(own_sub, sub))
}

/// The value of a parameter, without its quotes. If the name occurs several times, the last value counts.
pub fn parameter<'v>(value: &'v str, name: &str) -> Option<&'v str> {
    let parameters = value.split(';').skip(1).filter_map(|piece| piece.split_once('='));
    let wanted = parameters.filter(|(known, _)| known.trim().eq_ignore_ascii_case(name));
    wanted.last().map(|(_, value)| value.trim().trim_matches('"'))
}

/// All values of a header, joined with commas as a WSGI server joins them, each byte read as one
/// Latin-1 character. `None` when the header is absent.
pub fn joined<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Cow<'h, str>> {
    let mut values = headers.get_all(name);
    let (first, second) = (values.next()?, values.next());
    if let (Ok(only), None) = (first.to_str(), second) {
        return Some(Cow::Borrowed(only));
    }
    let all = [first].into_iter().chain(second).chain(values);
    let all: Vec<_> = all.map(|value| encoding_rs::mem::decode_latin1(value.as_bytes())).collect();
    Some(Cow::Owned(all.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared_without_case_and_stars_cover_anything() {
        for yes in
            ["application/json", " Application/JSON ;a=b", "application/*", "*/json", "*/*;q=0", "application/json;"]
        {
            assert!(covers(yes, "application", "json"), "{yes}");
        }
        for no in ["", "*", "/", "/*", "*/", "json", "application", "application/json/", "application / json"] {
            assert!(!covers(no, "application", "json"), "{no}");
        }
    }

    #[test]
    fn parameters_are_unquoted_and_the_last_one_counts() {
        let value = "a/b ;; A = \"x y\" ; b;c=d; a=2; ;=";
        assert_eq!([parameter(value, "a"), parameter(value, "c")], [Some("2"), Some("d")]);
        assert_eq!([parameter(value, "b"), parameter(value, "z")], [None, None]);
        assert_eq!(parameter("a/b; charset=\"utf-8\"", "charset"), Some("utf-8"));
    }
}
