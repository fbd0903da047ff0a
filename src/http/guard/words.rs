//! How a refusal is worded: as by the package of each dialect (`docs/contract.md#the-authorization-header`).

use serde_json::{Value, json};

use crate::dialect::Dialect;
use crate::http::authorization::{INVALID_TOKEN, Presented};
use crate::session::Refusal;

/// Whose words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// django-rest-knox.
    Knox,
    /// djangorestframework-jwt.
    DrfJwt,
    /// djangorestframework-simplejwt.
    Simplejwt,
}

/// What is wrong with the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Complaint {
    /// There are none.
    NotProvided,
    /// A keyword and no token.
    Empty,
    /// More than one word behind the keyword.
    Spaces,
    /// A token that is not good.
    Bad(Refusal),
}

/// The body and the challenge of a 401.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) body: Value,
    pub(super) challenge: String,
}

impl Complaint {
    pub(super) const fn of(presented: &Presented) -> Self {
        match presented {
            Presented::NotProvided => Self::NotProvided,
            Presented::Empty { .. } => Self::Empty,
            Presented::Spaces { .. } => Self::Spaces,
            Presented::Malformed { .. } | Presented::Token { .. } => Self::Bad(Refusal::Malformed),
        }
    }
}

const NOT_PROVIDED: &str = "Authentication credentials were not provided.";

impl Words {
    pub(super) const fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Knox | Dialect::AccessToken => Self::Knox,
            Dialect::DrfJwt => Self::DrfJwt,
            Dialect::Simplejwt | Dialect::Djoser => Self::Simplejwt,
        }
    }

    /// The 401; `keyword` is the one that the knox dialect challenges with.
    pub(super) fn refuse(self, complaint: Complaint, keyword: &str) -> Refused {
        let (body, challenge) = match self {
            Self::Knox => (json!({ "detail": knox(complaint) }), keyword.to_owned()),
            Self::DrfJwt => (json!({ "detail": drf_jwt(complaint) }), "JWT realm=\"api\"".to_owned()),
            Self::Simplejwt => (simplejwt(complaint), "Bearer realm=\"api\"".to_owned()),
        };
        Refused { body, challenge }
    }
}

const fn knox(complaint: Complaint) -> &'static str {
    match complaint {
        Complaint::NotProvided => NOT_PROVIDED,
        Complaint::Empty => "Invalid token header. No credentials provided.",
        Complaint::Spaces => "Invalid token header. Token string should not contain spaces.",
        Complaint::Bad(Refusal::InactiveUser) => "User inactive or deleted.",
        Complaint::Bad(_) => INVALID_TOKEN,
    }
}

const fn drf_jwt(complaint: Complaint) -> &'static str {
    match complaint {
        Complaint::NotProvided => NOT_PROVIDED,
        Complaint::Empty => "Invalid Authorization header. No credentials provided.",
        Complaint::Spaces => "Invalid Authorization header. Credentials string should not contain spaces.",
        Complaint::Bad(Refusal::Expired) => "Signature has expired.",
        Complaint::Bad(Refusal::InactiveUser) => "User account is disabled.",
        Complaint::Bad(_) => "Error decoding signature.",
    }
}

fn simplejwt(complaint: Complaint) -> Value {
    let not_valid = |message: &str| {
        json!({
            "detail": "Given token not valid for any token type",
            "code": "token_not_valid",
            "messages": [{ "token_class": "AccessToken", "token_type": "access", "message": message }],
        })
    };
    match complaint {
        Complaint::NotProvided => json!({ "detail": NOT_PROVIDED }),
        Complaint::Empty | Complaint::Spaces => json!({
            "detail": "Authorization header must contain two space-delimited values",
            "code": "bad_authorization_header",
        }),
        Complaint::Bad(Refusal::InactiveUser) => json!({ "detail": "User is inactive", "code": "user_inactive" }),
        Complaint::Bad(Refusal::WrongKind) => not_valid("Token has wrong type"),
        Complaint::Bad(_) => not_valid("Token is invalid or expired"),
    }
}
