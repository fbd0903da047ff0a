//! Whether a client accepts JSON, the only form of replies: steps 2 and 3 of
//! `docs/contract.md#order-of-judgement`, and `docs/contract.md#accept`.

use actix_web::http::StatusCode;

use crate::http::drf::media::covers;

/// Why the client does not accept JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// `?format=` asks for something other than `json`: 404.
    #[error("Not found.")]
    UnknownFormat,
    /// `Accept` covers no JSON: 406.
    #[error("Could not satisfy the request Accept header.")]
    NotAcceptable,
}

impl NegotiationError {
    /// The status that goes with the text.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::UnknownFormat => StatusCode::NOT_FOUND,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        }
    }
}

/// Checks the query string (without its question mark) and the `Accept` header, all of its lines joined with
/// commas. Quality values and other parameters are ignored.
///
/// # Errors
/// When `?format=` or `Accept` exclude JSON; the former is checked first.
pub fn negotiate(query: &str, accept: Option<&str>) -> Result<(), NegotiationError> {
    let format = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "format").last();
    if format.is_some_and(|(_, value)| !value.is_empty() && value != "json") {
        return Err(NegotiationError::UnknownFormat);
    }
    let acceptable = |accept: &str| accept.split(',').any(|media| covers(media, "application", "json"));
    if accept.is_none_or(acceptable) { Ok(()) } else { Err(NegotiationError::NotAcceptable) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_has_to_cover_json() {
        let cases = [
            ("*/*", true),
            ("application/json", true),
            ("application/*", true),
            ("*/json", true),
            ("APPLICATION/JSON", true),
            ("application/json; q=0", true),
            ("application/json; charset=utf-8", true),
            ("application/json; indent=4", true),
            ("application/json;", true),
            ("text/html, application/xml;q=0.9, */*;q=0.8", true),
            ("text/html,application/json;indent=2", true),
            ("", false),
            (" ", false),
            ("text/html", false),
            ("text/html, application/xml", false),
            ("text/*", false),
            ("garbage", false),
            ("application / json", false),
            ("application/json/", false),
            (";indent=4", false),
            ("*;indent=3", false),
        ];
        for (header, good) in cases {
            let expected = if good { Ok(()) } else { Err(NegotiationError::NotAcceptable) };
            assert_eq!(negotiate("", Some(header)), expected, "{header}");
        }
        assert_eq!(negotiate("", None), Ok(()));
        assert_eq!(negotiate("", Some(&format!("{}*/*", "text/html,".repeat(10_000)))), Ok(()));
    }

    #[test]
    fn the_query_can_name_json_and_nothing_else() {
        let cases = [
            ("", true),
            ("format=json", true),
            ("format=", true),
            ("format", true),
            ("form%61t=j%73on", true),
            ("Format=xml", true),
            ("format=xml&format=json", true),
            ("=&&format=", true),
            ("format=xml", false),
            ("format=JSON", false),
            ("format=json&format=xml", false),
            ("a=1&format=json%20", false),
            ("format=+json", false),
            ("format=json%00", false),
            ("format=xml;format=json", false),
        ];
        for (query, good) in cases {
            assert_eq!(negotiate(query, None).is_ok(), good, "{query}");
        }
        assert_eq!(negotiate("format=xml", Some("text/html")), Err(NegotiationError::UnknownFormat));
    }
}
