//! Refusals in the wording of each dialect's Django package.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};

use crate::authorization::Presented;
use crate::dialect::Dialect;

/// What is wrong with the credentials. Only the server knows why a token is not live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// There are none.
    NotProvided,
    /// A keyword and no token.
    Empty,
    /// More than one word after the keyword.
    Spaces,
    /// A token that is not live, or a string that is no token.
    Bad,
}

impl Problem {
    pub(crate) const fn of(presented: &Presented) -> Self {
        match presented {
            Presented::NotProvided => Self::NotProvided,
            Presented::Empty => Self::Empty,
            Presented::Spaces => Self::Spaces,
            Presented::Malformed | Presented::Token(_) => Self::Bad,
        }
    }
}

const NOT_PROVIDED: &str = r#"{"detail":"Authentication credentials were not provided."}"#;

/// 401 in the words of this dialect; `keyword` is the one that the knox dialect challenges with.
pub(crate) fn refuse(dialect: Dialect, problem: Problem, keyword: &str) -> HttpResponse {
    let (body, challenge) = match dialect {
        Dialect::Knox | Dialect::AccessToken => (knox(problem), keyword),
        Dialect::DrfJwt => (drf_jwt(problem), "JWT realm=\"api\""),
        Dialect::Simplejwt | Dialect::Djoser => (simplejwt(problem), "Bearer realm=\"api\""),
    };
    HttpResponse::Unauthorized()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((WWW_AUTHENTICATE, challenge))
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(body)
}

/// 503: the check could not be made, which says nothing about the token.
pub(crate) fn unavailable() -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((RETRY_AFTER, "1"))
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(r#"{"detail":"Service temporarily unavailable, try again later."}"#)
}

const fn knox(problem: Problem) -> &'static str {
    match problem {
        Problem::NotProvided => NOT_PROVIDED,
        Problem::Empty => r#"{"detail":"Invalid token header. No credentials provided."}"#,
        Problem::Spaces => r#"{"detail":"Invalid token header. Token string should not contain spaces."}"#,
        Problem::Bad => r#"{"detail":"Invalid token."}"#,
    }
}

const fn drf_jwt(problem: Problem) -> &'static str {
    match problem {
        Problem::NotProvided => NOT_PROVIDED,
        Problem::Empty => r#"{"detail":"Invalid Authorization header. No credentials provided."}"#,
        Problem::Spaces => {
            r#"{"detail":"Invalid Authorization header. Credentials string should not contain spaces."}"#
        }
        Problem::Bad => r#"{"detail":"Error decoding signature."}"#,
    }
}

const fn simplejwt(problem: Problem) -> &'static str {
    match problem {
        Problem::NotProvided => NOT_PROVIDED,
        Problem::Empty | Problem::Spaces => {
            r#"{"detail":"Authorization header must contain two space-delimited values","code":"bad_authorization_header"}"#
        }
        Problem::Bad => concat!(
            r#"{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":["#,
            r#"{"token_class":"AccessToken","token_type":"access","message":"Token is invalid or expired"}]}"#
        ),
    }
}
