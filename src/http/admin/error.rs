//! Refusals, all in one shape: `{"error": {"code": …, "message": …, "fields": {…}}}`.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::http::drf::body::BodyError;
use crate::service::Unavailable;
use crate::service::admin::desk::DeskError;
use crate::service::admin::{AdminError, SearchText};

/// What a program tells refusals apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ErrorCode")]
pub(in crate::http) enum Code {
    /// Fields or their values are wrong; `fields` has the message of each.
    Invalid,
    /// The name or the password is wrong, or the user may not use this API.
    WrongCredentials,
    /// There is no good token.
    Unauthenticated,
    /// The token is good, but not here.
    Forbidden,
    /// The password has to be given again first.
    PasswordRequired,
    /// There is nothing at this path.
    NotFound,
    /// The path has other methods.
    MethodNotAllowed,
    /// The present state does not allow it.
    Conflict,
    /// The host is not served here.
    WrongHost,
    /// The body cannot be used.
    BadBody,
    /// Too many wrong passwords.
    Throttled,
    /// It could not be done now, and the outcome is unknown.
    Unavailable,
}

impl Code {
    /// The same for the log.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::WrongCredentials => "wrong_credentials",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::PasswordRequired => "password_required",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict => "conflict",
            Self::WrongHost => "wrong_host",
            Self::BadBody => "bad_body",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A refusal.
#[derive(Debug, Clone)]
pub(in crate::http) struct ApiError {
    pub(in crate::http) status: StatusCode,
    code: Code,
    pub(in crate::http) message: String,
    /// What is wrong with each field.
    pub(in crate::http) fields: BTreeMap<String, String>,
    /// Whether a part of the request may still arrive.
    pub(in crate::http) closes: bool,
    pub(in crate::http) retry_after: Option<Duration>,
    pub(in crate::http) allow: Option<String>,
    /// Further members of the error, such as numbers.
    details: Option<Box<Map<String, Value>>>,
}

impl ApiError {
    pub(in crate::http) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            code,
            message,
            fields: BTreeMap::new(),
            closes: false,
            retry_after: None,
            allow: None,
            details: None,
        }
    }

    /// 400.
    pub(in crate::http) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::Invalid, message)
    }

    /// 400, with a message for each field.
    pub(in crate::http) fn invalid_fields(fields: BTreeMap<String, String>) -> Self {
        Self { fields, ..Self::invalid("some fields are wrong") }
    }

    /// 401.
    pub(in crate::http) fn unauthenticated(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Code::Unauthenticated, message)
    }

    /// 401 after a wrong name or password.
    pub(in crate::http) fn wrong_credentials() -> Self {
        let words = "the name or the password is wrong, or the user is no active administrator";
        Self::new(StatusCode::UNAUTHORIZED, Code::WrongCredentials, words)
    }

    /// 403.
    pub(in crate::http) fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, Code::Forbidden, message)
    }

    /// 403 until the password is given again.
    pub(in crate::http) fn password_required(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, Code::PasswordRequired, message)
    }

    /// 404.
    pub(in crate::http) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, "there is nothing here")
    }

    /// 405, with the methods that there are.
    pub(in crate::http) fn method_not_allowed(allowed: &[&str]) -> Self {
        let words = "this path has other methods";
        let allow = Some(allowed.join(", "));
        Self { allow, ..Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed, words) }
    }

    /// 429.
    pub(in crate::http) fn throttled(after: Duration) -> Self {
        let words = "too many wrong passwords";
        let retry_after = Some(after);
        Self { retry_after, ..Self::new(StatusCode::TOO_MANY_REQUESTS, Code::Throttled, words) }
    }

    /// 503. The reason goes to the log.
    pub(in crate::http) fn unavailable(why: &dyn std::fmt::Display) -> Self {
        log::warn!("a request could not be answered: {why}");
        let words = "this could not be done now, and its outcome is unknown: look, and try again";
        let retry_after = Some(Duration::from_secs(1));
        Self { retry_after, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, words) }
    }

    /// The refusal of one field.
    fn of_field(status: StatusCode, code: Code, name: &str, error: &AdminError) -> Self {
        let fields = BTreeMap::from([(name.to_owned(), error.to_string())]);
        Self { fields, ..Self::new(status, code, error.to_string()) }
    }

    /// Whether there is nothing at the path, or of that id.
    pub(in crate::http) const fn is_not_found(&self) -> bool {
        matches!(self.code, Code::NotFound)
    }

    /// Whether the same request is good once the password was given again.
    #[cfg(feature = "pages")]
    pub(in crate::http) const fn is_password_required(&self) -> bool {
        matches!(self.code, Code::PasswordRequired)
    }

    /// Why, for the log.
    pub(in crate::http) const fn reason(&self) -> &'static str {
        self.code.as_str()
    }

    pub(in crate::http) fn reply(self) -> HttpResponse {
        let Self { status, code, message, fields, closes, retry_after, allow, details } = self;
        let mut builder = HttpResponse::build(status);
        builder.insert_header((CACHE_CONTROL, "no-store"));
        if status == StatusCode::UNAUTHORIZED {
            builder.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"administration\""));
        }
        if let Some(after) = retry_after {
            let seconds = u64::try_from(after.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
            builder.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if let Some(allow) = allow {
            builder.insert_header((ALLOW, allow));
        }
        if closes {
            builder.force_close();
        }
        let mut error = json!({ "code": code, "message": message, "fields": fields });
        if let Some(object) = error.as_object_mut() {
            object.extend(details.map(|details| *details).unwrap_or_default());
        }
        builder.json(json!({ "error": error }))
    }
}

fn details(numbers: &[(&str, u64)]) -> Option<Box<Map<String, Value>>> {
    Some(Box::new(numbers.iter().map(|(name, number)| ((*name).to_owned(), json!(number))).collect()))
}

/// The field of such a text.
const fn searched(text: SearchText) -> &'static str {
    match text {
        SearchText::Part => "q",
        SearchText::Beginning => "beginning",
        SearchText::Email => "email",
        SearchText::Device => "device",
        SearchText::Name => "name",
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        let closes = error.ends_connection();
        Self { closes, ..Self::new(error.status(), Code::BadBody, error.to_string()) }
    }
}

impl From<Unavailable> for ApiError {
    fn from(error: Unavailable) -> Self {
        Self::unavailable(&error)
    }
}

impl From<DeskError> for ApiError {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Admin(error) => error.into(),
            DeskError::Unavailable(error) => error.into(),
        }
    }
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        let (bad, conflict) = (StatusCode::BAD_REQUEST, StatusCode::CONFLICT);
        match &error {
            // The store's own words may contain secrets.
            AdminError::Store(failed) | AdminError::DeletedInPart(failed) => Self::unavailable(&failed.summary()),
            AdminError::Random(_) | AdminError::BadKey(_) => Self::unavailable(&error),
            AdminError::NoSuchUser(_)
            | AdminError::NoSuchSession(_)
            | AdminError::NoSuchToken(_)
            | AdminError::NoSuchKey(_)
            | AdminError::NoSuchClient(_) => Self::not_found(),
            AdminError::NoCondition => Self::new(bad, Code::Invalid, error.to_string()),
            AdminError::MoreThanShown { shown, found } => Self {
                details: details(&[("shown", *shown), ("found", *found)]),
                ..Self::new(conflict, Code::Conflict, error.to_string())
            },
            AdminError::EndedInPart { ended, error: failed } => {
                Self { details: details(&[("ended", *ended)]), ..Self::unavailable(&failed.summary()) }
            }
            AdminError::BadName(_) => Self::of_field(bad, Code::Invalid, "username", &error),
            AdminError::BadEmail => Self::of_field(bad, Code::Invalid, "email", &error),
            AdminError::Weak(_) | AdminError::UselessHash(_) => Self::of_field(bad, Code::Invalid, "password", &error),
            AdminError::BadTokenName | AdminError::BadClientName => Self::of_field(bad, Code::Invalid, "name", &error),
            AdminError::NoRights => Self::of_field(bad, Code::Invalid, "rights", &error),
            AdminError::BadLimit => Self::of_field(bad, Code::Invalid, "limit", &error),
            AdminError::KeptTooLong => Self::of_field(bad, Code::Invalid, "keep_old", &error),
            AdminError::ClientNameTaken(_) => Self::of_field(conflict, Code::Conflict, "name", &error),
            AdminError::BadSearch(text) => Self::of_field(bad, Code::Invalid, searched(*text), &error),
            AdminError::EndRequired => Self::of_field(bad, Code::Invalid, "expires_in", &error),
            AdminError::FutureMoment => Self::of_field(bad, Code::Invalid, "before", &error),
            AdminError::NameTaken(_) | AdminError::Lookalike { .. } => {
                Self::of_field(conflict, Code::Conflict, "username", &error)
            }
            AdminError::EmailTaken { .. } => Self::of_field(conflict, Code::Conflict, "email", &error),
            AdminError::KeySecret(_)
            | AdminError::NotActive(_)
            | AdminError::LastAdmin(_)
            | AdminError::NotAdmin(_)
            | AdminError::SecretInUse
            | AdminError::LastKey(_)
            | AdminError::Clashes(_) => Self::new(conflict, Code::Conflict, error.to_string()),
        }
    }
}
