//! The `Authorization` header, parsed as `docs/contract.md#the-authorization-header` says.

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::domain::token::Token;

/// What the header contains.
#[derive(Debug)]
pub enum Presented {
    /// No credentials for this server: no header, an empty one, or the keyword of another scheme.
    NotProvided,
    /// One of the keywords without anything after it.
    Empty {
        /// The index of the keyword in the given list.
        keyword: usize,
    },
    /// One of the keywords with several words after it, or two headers, which are joined.
    Spaces {
        /// The index of the keyword in the given list.
        keyword: usize,
    },
    /// One of the keywords with a string that cannot be a token. It never reaches the database.
    Malformed {
        /// The index of the keyword in the given list.
        keyword: usize,
    },
    /// A string that could be a token.
    Token {
        /// The index of the keyword in the given list.
        keyword: usize,
        /// The string.
        token: Token,
    },
}

/// The `detail` for strings that are unknown, expired or revoked tokens, or no tokens at all.
pub const INVALID_TOKEN: &str = "Invalid token.";

/// Parses the `Authorization` header. Keywords are compared without regard to case; words are separated
/// by any number of spaces and tabs.
///
/// Several headers are joined with a comma, as WSGI servers join them, and so contain no token.
pub fn read<K: AsRef<str>>(headers: &HeaderMap, keywords: &[K]) -> Presented {
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

fn parse<K: AsRef<str>>(value: &[u8], keywords: &[K]) -> Presented {
    let place = |word: &[u8]| keywords.iter().position(|known| known.as_ref().as_bytes().eq_ignore_ascii_case(word));
    // Almost every header is one keyword, one space and one token, and a token contains no white space.
    let mut halves = value.splitn(2, |byte| *byte == b' ');
    if let (Some(word), Some(rest)) = (halves.next(), halves.next())
        && let (Some(keyword), Some(token)) = (place(word), Token::parse(rest))
    {
        return Presented::Token { keyword, token };
    }
    let mut words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let Some(first) = words.next() else { return Presented::NotProvided };
    let Some(keyword) = place(first) else { return Presented::NotProvided };
    let Some(word) = words.next() else { return Presented::Empty { keyword } };
    if words.next().is_some() {
        return Presented::Spaces { keyword };
    }
    Token::parse(word).map_or(Presented::Malformed { keyword }, |token| Presented::Token { keyword, token })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::token::MAX_TOKEN_LENGTH;

    fn outcome(values: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).expect("a header value"));
        }
        match read(&headers, &["Token", "JWT"]) {
            Presented::NotProvided => "not provided".to_owned(),
            Presented::Empty { .. } => "empty".to_owned(),
            Presented::Spaces { .. } => "spaces".to_owned(),
            Presented::Malformed { .. } => "malformed".to_owned(),
            Presented::Token { keyword, token } => format!("{keyword} {}", token.expose()),
        }
    }

    #[test]
    fn one_header_is_read_as_the_contract_says() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "not provided"),
            (b" ", "not provided"),
            (b" \t ", "not provided"),
            (b"Bearer x", "not provided"),
            (b"Basic YTpi", "not provided"),
            (b"Tokens x", "not provided"),
            (b"Toke x", "not provided"),
            (b"Token: x", "not provided"),
            (b"Token=x", "not provided"),
            (b"Token%20x", "not provided"),
            (b"Tokenx", "not provided"),
            (b"0123abcd", "not provided"),
            (b"Token\xa0x", "not provided"),
            (b"Token\x85x", "not provided"),
            (b"T\xc3\xb6ken x", "not provided"),
            (b"Token", "empty"),
            (b"Token ", "empty"),
            (b"\tjwt\t", "empty"),
            (b"Token a b", "spaces"),
            (b"Token Token a", "spaces"),
            (b"Token a\tb", "spaces"),
            (b"Token \xc3\xa9", "malformed"),
            (b"Token \xff", "malformed"),
            (b"Token x", "0 x"),
            (b"token x", "0 x"),
            (b"tOkEn x", "0 x"),
            (b"\t Token \t  x \t", "0 x"),
            (b"JWT a.b.c", "1 a.b.c"),
            (b"Token \"x\"", "0 \"x\""),
            (b"Token x,", "0 x,"),
            (b"Token %", "0 %"),
        ];
        for (value, expected) in cases {
            assert_eq!(outcome(&[value]), *expected, "{}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn several_headers_are_joined_with_commas() {
        assert_eq!(outcome(&[]), "not provided");
        assert_eq!(outcome(&[b"Token a", b"Token a"]), "spaces");
        assert_eq!(outcome(&[b"Token b", b"Bearer a"]), "spaces");
        assert_eq!(outcome(&[b"Bearer a", b"Token b"]), "not provided");
        assert_eq!(outcome(&[b"Token", b"a"]), "not provided");
        assert_eq!(outcome(&[b"Token", b""]), "not provided");
        assert_eq!(outcome(&[b"", b"Token a"]), "not provided");
    }

    #[test]
    fn a_string_longer_than_any_token_is_malformed() {
        let long = "a".repeat(MAX_TOKEN_LENGTH);
        assert_eq!(outcome(&[format!("Token {long}").as_bytes()]), format!("0 {long}"));
        assert_eq!(outcome(&[format!("Token {long}a").as_bytes()]), "malformed");
    }
}
