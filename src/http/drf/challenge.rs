//! The wording of refusals, as in the package of each dialect (`docs/contract.md#the-authorization-header`).

use serde_json::{Value, json};

use crate::domain::dialect::Dialect;
use crate::domain::session::Refusal;
use crate::http::drf::authorization::{INVALID_TOKEN, Presented};

/// Which package's wording is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum ErrorStyle {
    /// django-rest-knox.
    Knox,
    /// djangorestframework-jwt.
    DrfJwt,
    /// djangorestframework-simplejwt.
    Simplejwt,
}

/// What is wrong with the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum CredentialsProblem {
    /// There are none.
    NotProvided,
    /// A keyword and no token.
    Empty,
    /// More than one word after the keyword.
    Spaces,
    /// A token that is not good.
    Bad(Refusal),
}

/// The body and the challenge of a 401.
#[derive(Debug, Clone)]
pub(in crate::http) struct Refused {
    pub(in crate::http) body: Value,
    pub(in crate::http) challenge: String,
}

impl CredentialsProblem {
    pub(in crate::http) const fn of(presented: &Presented) -> Self {
        match presented {
            Presented::NotProvided => Self::NotProvided,
            Presented::Empty { .. } => Self::Empty,
            Presented::Spaces { .. } => Self::Spaces,
            Presented::Malformed { .. } | Presented::Token { .. } => Self::Bad(Refusal::Malformed),
        }
    }
}

const NOT_PROVIDED: &str = "Authentication credentials were not provided.";

impl ErrorStyle {
    pub(in crate::http) const fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Knox | Dialect::AccessToken => Self::Knox,
            Dialect::DrfJwt => Self::DrfJwt,
            Dialect::Simplejwt | Dialect::Djoser => Self::Simplejwt,
        }
    }

    /// The 401; `keyword` is the one that the knox dialect challenges with.
    pub(in crate::http) fn refuse(self, problem: CredentialsProblem, keyword: &str) -> Refused {
        let (body, challenge) = match self {
            Self::Knox => (json!({ "detail": knox(problem) }), keyword.to_owned()),
            Self::DrfJwt => (json!({ "detail": drf_jwt(problem) }), "JWT realm=\"api\"".to_owned()),
            Self::Simplejwt => (simplejwt(problem), "Bearer realm=\"api\"".to_owned()),
        };
        Refused { body, challenge }
    }
}

const fn knox(problem: CredentialsProblem) -> &'static str {
    match problem {
        CredentialsProblem::NotProvided => NOT_PROVIDED,
        CredentialsProblem::Empty => "Invalid token header. No credentials provided.",
        CredentialsProblem::Spaces => "Invalid token header. Token string should not contain spaces.",
        CredentialsProblem::Bad(Refusal::InactiveUser) => "User inactive or deleted.",
        CredentialsProblem::Bad(_) => INVALID_TOKEN,
    }
}

const fn drf_jwt(problem: CredentialsProblem) -> &'static str {
    match problem {
        CredentialsProblem::NotProvided => NOT_PROVIDED,
        CredentialsProblem::Empty => "Invalid Authorization header. No credentials provided.",
        CredentialsProblem::Spaces => "Invalid Authorization header. Credentials string should not contain spaces.",
        CredentialsProblem::Bad(Refusal::Expired) => "Signature has expired.",
        CredentialsProblem::Bad(Refusal::InactiveUser) => "User account is disabled.",
        CredentialsProblem::Bad(_) => "Error decoding signature.",
    }
}

fn simplejwt(problem: CredentialsProblem) -> Value {
    let not_valid = |message: &str| {
        json!({
            "detail": "Given token not valid for any token type",
            "code": "token_not_valid",
            "messages": [{ "token_class": "AccessToken", "token_type": "access", "message": message }],
        })
    };
    match problem {
        CredentialsProblem::NotProvided => json!({ "detail": NOT_PROVIDED }),
        CredentialsProblem::Empty | CredentialsProblem::Spaces => json!({
            "detail": "Authorization header must contain two space-delimited values",
            "code": "bad_authorization_header",
        }),
        CredentialsProblem::Bad(Refusal::InactiveUser) => {
            json!({ "detail": "User is inactive", "code": "user_inactive" })
        }
        CredentialsProblem::Bad(Refusal::WrongKind) => not_valid("Token has wrong type"),
        CredentialsProblem::Bad(_) => not_valid("Token is invalid or expired"),
    }
}
