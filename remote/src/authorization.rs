//! The `Authorization` header of a request, read as Knoxide's own middleware reads it.

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::queue::Token;

/// What the header contains.
#[derive(Debug)]
pub(crate) enum Presented {
    /// No credentials for this application: no header, an empty one, or the keyword of another scheme.
    NotProvided,
    /// A keyword without anything after it.
    Empty,
    /// A keyword with several words after it, or several headers, which are joined.
    Spaces,
    /// A keyword with a string that cannot be a token. The server is not asked.
    Malformed,
    /// A string that could be a token.
    Token(Token),
}

/// Reads the header. Keywords are compared without regard to case; words are separated by any number of spaces and tabs.
/// Several headers are joined with a comma, as WSGI servers join them, and so contain no token.
pub(crate) fn read(headers: &HeaderMap, keywords: &[String]) -> Presented {
    let mut values = headers.get_all(AUTHORIZATION).map(HeaderValue::as_bytes);
    match (values.next(), values.next()) {
        (None, _) => Presented::NotProvided,
        (Some(only), None) => parse(only, keywords),
        (Some(first), Some(second)) => {
            let all: Vec<&[u8]> = [first, second].into_iter().chain(values).collect();
            parse(&all.join(&b','), keywords)
        }
    }
}

fn parse(value: &[u8], keywords: &[String]) -> Presented {
    let mut words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let is_ours = |word: &[u8]| keywords.iter().any(|keyword| keyword.as_bytes().eq_ignore_ascii_case(word));
    if !words.next().is_some_and(is_ours) {
        return Presented::NotProvided;
    }
    match (words.next(), words.next()) {
        (None, _) => Presented::Empty,
        (Some(_), Some(_)) => Presented::Spaces,
        (Some(word), None) => Token::parse(word).map_or(Presented::Malformed, Presented::Token),
    }
}
