//! Refusals, all in one shape: `{"error": {"code": …, "message": …, "fields": {…}}}`.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::reply::begin;
use crate::http::drf::body::BodyError;
use crate::service::Unavailable;
use crate::service::admin::desk::DeskError;
use crate::service::admin::{AdminError, SearchText};

/// The code by which programs tell refusals apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ErrorCode")]
pub(super) enum Code {
    /// Fields or their values are wrong; `fields` has the message of each.
    Invalid,
    /// The name or the password is wrong, or the user may not use this API.
    WrongCredentials,
    /// The token is missing or not valid.
    Unauthenticated,
    /// The token is valid, but not for this.
    Forbidden,
    /// The password has to be entered again first.
    PasswordRequired,
    /// There is nothing at this path.
    NotFound,
    /// The path has other methods.
    MethodNotAllowed,
    /// The current state does not allow it.
    Conflict,
    /// The host is not served here.
    WrongHost,
    /// The body cannot be read.
    BadBody,
    /// Too many wrong passwords.
    Throttled,
    /// It could not be done now, and the outcome is unknown.
    Unavailable,
}

impl Code {
    /// The same, for the log.
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
    allow: Option<String>,
    /// Further members of the error: numbers of sessions.
    details: Option<Box<Map<String, Value>>>,
}

impl ApiError {
    fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
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
        let message = "the name or the password is wrong, or the user is not an active administrator";
        Self::new(StatusCode::UNAUTHORIZED, Code::WrongCredentials, message)
    }

    /// 403.
    pub(in crate::http) fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, Code::Forbidden, message)
    }

    /// 403 until the password is entered again.
    pub(in crate::http) fn password_required(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, Code::PasswordRequired, message)
    }

    /// 404.
    pub(in crate::http) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, "there is nothing here")
    }

    /// 405, with the methods that the path has.
    pub(super) fn method_not_allowed(methods: String) -> Self {
        let message = "this path has other methods";
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed, message);
        Self { allow: Some(methods), ..error }
    }

    /// 409.
    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, Code::Conflict, message)
    }

    /// 421.
    pub(super) fn wrong_host() -> Self {
        let message = "the host is not one of KNOXIDE_ADMIN_HOSTS";
        Self::new(StatusCode::MISDIRECTED_REQUEST, Code::WrongHost, message)
    }

    /// 429.
    pub(super) fn throttled(after: Duration) -> Self {
        let message = "too many wrong passwords";
        let retry_after = Some(after);
        Self { retry_after, ..Self::new(StatusCode::TOO_MANY_REQUESTS, Code::Throttled, message) }
    }

    /// 503. The reason goes to the log.
    pub(in crate::http) fn unavailable(why: &dyn std::fmt::Display) -> Self {
        log::warn!("a request could not be answered: {why}");
        let message = "this could not be done now, and its outcome is unknown: look, and try again";
        let retry_after = Some(Duration::from_secs(1));
        Self { retry_after, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, message) }
    }

    /// The same, for this field.
    fn with_field(self, name: &str) -> Self {
        Self { fields: [(name.to_owned(), self.message.clone())].into(), ..self }
    }

    /// Whether the path does not exist, or nothing has its id.
    pub(in crate::http) const fn is_not_found(&self) -> bool {
        matches!(self.code, Code::NotFound)
    }

    /// Whether the same request succeeds after the password has been entered again.
    #[cfg(feature = "pages")]
    pub(in crate::http) const fn is_password_required(&self) -> bool {
        matches!(self.code, Code::PasswordRequired)
    }

    /// The reason, for the log.
    pub(in crate::http) const fn reason(&self) -> &'static str {
        self.code.as_str()
    }

    pub(in crate::http) fn reply(self) -> HttpResponse {
        let Self { status, code, message, fields, closes, retry_after, allow, details } = self;
        let mut builder = begin(status);
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

/// The field that holds this text.
const fn field_of(text: SearchText) -> &'static str {
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
        let invalid = |field| Self::invalid(error.to_string()).with_field(field);
        let conflict = || Self::conflict(error.to_string());
        match &error {
            // The store's own words may contain secrets.
            AdminError::Store(failed) | AdminError::DeletedInPart(failed) => Self::unavailable(&failed.summary()),
            AdminError::EndedInPart { ended, error: failed } => {
                Self { details: details(&[("ended", *ended)]), ..Self::unavailable(&failed.summary()) }
            }
            AdminError::Random(_) | AdminError::BadKey(_) => Self::unavailable(&error),
            AdminError::NoSuchUser(_)
            | AdminError::NoSuchSession(_)
            | AdminError::NoSuchToken(_)
            | AdminError::NoSuchKey(_)
            | AdminError::NoSuchClient(_) => Self::not_found(),
            AdminError::NoCondition => Self::invalid(error.to_string()),
            AdminError::BadName(_) => invalid("username"),
            AdminError::BadEmail => invalid("email"),
            AdminError::Weak(_) | AdminError::UselessHash(_) => invalid("password"),
            AdminError::BadTokenName | AdminError::BadClientName => invalid("name"),
            AdminError::NoRights => invalid("rights"),
            AdminError::BadLimit => invalid("limit"),
            AdminError::KeptTooLong => invalid("keep_old"),
            AdminError::BadSearch(text) => invalid(field_of(*text)),
            AdminError::EndRequired => invalid("expires_in"),
            AdminError::FutureMoment => invalid("before"),
            AdminError::NameTaken(_) | AdminError::Lookalike { .. } => conflict().with_field("username"),
            AdminError::EmailTaken { .. } => conflict().with_field("email"),
            AdminError::ClientNameTaken(_) => conflict().with_field("name"),
            AdminError::MoreThanShown { shown, found } => {
                Self { details: details(&[("shown", *shown), ("found", *found)]), ..conflict() }
            }
            AdminError::KeySecret(_)
            | AdminError::NotActive(_)
            | AdminError::LastAdmin(_)
            | AdminError::NotAdmin(_)
            | AdminError::SecretInUse
            | AdminError::LastKey(_)
            | AdminError::Clashes(_) => conflict(),
        }
    }
}
