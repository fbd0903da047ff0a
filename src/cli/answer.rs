//! The answers of commands: the same content for people and for programs.

use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::escape::visible;
use crate::service::admin::{AdminError, SearchText};
use crate::store::StoreError;

/// A command's answer, in both forms.
pub(super) struct Answer {
    /// For programs.
    pub(super) json: Value,
    /// For people; lines end with a line feed.
    pub(super) text: String,
    /// The exit code.
    pub(super) code: Code,
}

impl Answer {
    /// A sentence for people, an object for programs.
    pub(super) fn new(text: impl Into<String>, json: Value) -> Self {
        Self { json, text: text.into() + "\n", code: Code::Done }
    }

    /// An empty answer.
    pub(super) const fn silent() -> Self {
        Self { json: Value::Null, text: String::new(), code: Code::Done }
    }

    /// A table for people, with one row per item; an array for programs.
    pub(super) fn table<T: Serialize, const N: usize>(
        header: [&str; N],
        things: &[T],
        row: impl Fn(&T) -> [String; N],
    ) -> Answered {
        Ok(Self::new(table(header, things.iter().map(row)), to_json(&things)?))
    }
}

/// A value in its JSON form.
pub(super) fn to_json(value: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value)
        .map_err(|error| Failure::new(Code::Failed, format!("the answer cannot be written as JSON: {error}")))
}

/// A table without frames. Control characters are escaped, so that each row stays on its line.
pub(super) fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row.iter().map(|cell| visible(cell)));
    }
    // Columns are separated only by spaces, and the first column needs none before it.
    table.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Exit codes; the program's help lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// Done.
    Done = 0,
    /// Failed, or `doctor` found a problem.
    Failed = 1,
    /// Wrong arguments, or wrong settings.
    Usage = 2,
    /// There is no such user, session, client or file.
    NotFound = 3,
    /// Refused, or a conflict.
    Refused = 4,
    /// The database is not available.
    Unavailable = 5,
}

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// The exit code.
    pub(super) code: Code,
    /// The error message.
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        json!({ "error": self.message, "code": self.code as u8 })
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Unavailable(_) | StoreError::NotBegun(_) | StoreError::Busy(_) => Code::Unavailable,
            StoreError::Full(_) | StoreError::Failed(_) => Code::Failed,
        };
        Self::new(code, error.to_string())
    }
}

/// The option that takes this text.
const fn option(text: SearchText) -> &'static str {
    match text {
        SearchText::Part => "--search",
        SearchText::Beginning => "--begins",
        SearchText::Email => "--email",
        SearchText::Device => "--device",
        SearchText::Name => "--name",
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        let code = match &error {
            AdminError::Store(error) | AdminError::DeletedInPart(error) | AdminError::EndedInPart { error, .. } => {
                Self::from(error.clone()).code
            }
            AdminError::Random(_) | AdminError::BadKey(_) => Code::Failed,
            AdminError::EmailTaken { .. } => {
                let cure = "choose another address, or say --shared-email";
                return Self::new(Code::Refused, format!("{error}: {cure}"));
            }
            AdminError::LastAdmin(_) => {
                let cure = "make another user an administrator first";
                return Self::new(Code::Refused, format!("{error}: {cure}"));
            }
            AdminError::EndRequired => return Self::new(Code::Usage, format!("--ttl: {error}")),
            AdminError::BadClientName => return Self::new(Code::Usage, format!("NAME: {error}")),
            AdminError::NoRights => return Self::new(Code::Usage, format!("--rights: {error}")),
            AdminError::BadLimit => return Self::new(Code::Usage, format!("--limit: {error}")),
            AdminError::KeptTooLong => return Self::new(Code::Usage, format!("--keep-old: {error}")),
            AdminError::BadTokenName => return Self::new(Code::Usage, format!("--name: {error}")),
            AdminError::BadSearch(text) => return Self::new(Code::Usage, format!("{}: {error}", option(*text))),
            AdminError::KeySecret(_) | AdminError::NoCondition => Code::Usage,
            AdminError::NoSuchUser(_)
            | AdminError::NoSuchSession(_)
            | AdminError::NoSuchToken(_)
            | AdminError::NoSuchKey(_)
            | AdminError::NoSuchClient(_) => Code::NotFound,
            AdminError::BadName(_)
            | AdminError::BadEmail
            | AdminError::NameTaken(_)
            | AdminError::ClientNameTaken(_)
            | AdminError::Lookalike { .. }
            | AdminError::Weak(_)
            | AdminError::UselessHash(_)
            | AdminError::NotActive(_)
            | AdminError::NotAdmin(_)
            | AdminError::FutureMoment
            | AdminError::SecretInUse
            | AdminError::LastKey(_)
            | AdminError::Clashes(_)
            | AdminError::MoreThanShown { .. } => Code::Refused,
        };
        Self::new(code, error.to_string())
    }
}

/// What commands return.
pub(super) type Answered = Result<Answer, Failure>;
