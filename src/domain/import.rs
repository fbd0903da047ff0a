//! The import file: users and knox tokens, in the form of `docs/contract.md#the-import-file`.
//!
//! Passwords and tokens in clear text, which the file may contain for tests, are never read.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

mod shape;

use crate::domain::time::Timestamp;
use crate::domain::token::TokenDigest;
use crate::domain::user::{PasswordHash, UserId};

/// The content of an import file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportData {
    /// Users, with the numbers that they keep.
    pub users: Vec<ImportUser>,
    /// Tokens of these users.
    pub tokens: Vec<ImportToken>,
}

/// A user of an import file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportUser {
    /// The number, which is kept.
    pub id: UserId,
    /// The name, which is kept even if a new user could not have it.
    pub username: String,
    /// The e-mail address, possibly empty.
    pub email: String,
    /// The password's hash, unchanged.
    pub password: PasswordHash,
    /// Whether the user may log in.
    pub is_active: bool,
    /// Django's staff flag.
    pub is_staff: bool,
    /// Whether the user may administer others: Django's `is_superuser`.
    pub is_admin: bool,
    /// When the user joined; `None`: now.
    pub created: Option<Timestamp>,
    /// When the user last logged in.
    pub last_login: Option<Timestamp>,
}

/// A knox token of an import file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportToken {
    /// Its digest, SHA-512 of its text.
    pub digest: TokenDigest,
    /// Its user, one of [`ImportData::users`].
    pub user: UserId,
    /// When it was issued.
    pub created: Timestamp,
    /// When it expires; `None`: never.
    pub expires: Option<Timestamp>,
}

/// Why a file cannot be read as an import.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportFormatError {
    /// It is not the expected JSON. Has the position, never the text that was found there.
    #[error("line {line}, column {column}: this is not an import file ({kind})")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong: syntax, or the form.
        kind: String,
    },
    /// It is something else, or in another form.
    #[error("this is {0}")]
    Other(&'static str),
    /// Its format is not 1.
    #[error("the file has format {0}, but only format 1 is supported")]
    Format(u64),
    /// A token's digest is not 128 hex digits. Counted from 1.
    #[error("knox token {0}: the digest is not 128 hex digits")]
    Digest(usize),
    /// A time is not in the form of RFC 3339. Counted from 1.
    #[error("{0} {1}: the time is not in the form 2024-01-02T03:04:05Z")]
    Time(&'static str, usize),
    /// A token's user is not in the file. Counted from 1.
    #[error("knox token {0}: its user is not in the file")]
    UnknownUser(usize),
}

#[derive(Deserialize)]
struct File {
    format: u64,
    users: Vec<FileUser>,
    #[serde(default)]
    knox_tokens: Vec<FileToken>,
}

#[derive(Deserialize)]
struct FileUser {
    id: i64,
    username: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    password_hash: Option<String>,
    #[serde(default = "yes")]
    is_active: bool,
    #[serde(default)]
    is_staff: bool,
    #[serde(default)]
    is_superuser: bool,
    #[serde(default)]
    deleted: bool,
    #[serde(default, alias = "created")]
    date_joined: Option<String>,
    #[serde(default)]
    last_login: Option<String>,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct FileToken {
    user: String,
    digest: String,
    created: String,
    #[serde(default)]
    expiry: Option<String>,
}

impl ImportData {
    /// Reads a file: UTF-8, with or without a byte order mark. See [`ImportData::from_json`].
    ///
    /// # Errors
    /// What the file is instead, or the first part that cannot be read.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ImportFormatError> {
        Self::from_json(shape::text_of(bytes)?)
    }

    /// Reads `users.json`. Users marked as deleted are left out, with their tokens.
    ///
    /// # Errors
    /// The first part that cannot be read.
    pub fn from_json(text: &str) -> Result<Self, ImportFormatError> {
        let file: File = serde_json::from_str(text).map_err(|error| json_error(&error))?;
        if file.format != 1 {
            return Err(ImportFormatError::Format(file.format));
        }
        let deleted: HashSet<String> =
            file.users.iter().filter(|user| user.deleted).map(|user| user.username.clone()).collect();
        let mut users = Vec::with_capacity(file.users.len());
        for (index, user) in file.users.into_iter().enumerate().filter(|(_, user)| !user.deleted) {
            users.push(read_user(user, index + 1)?);
        }
        let ids: HashMap<&str, UserId> = users.iter().map(|user| (user.username.as_str(), user.id)).collect();
        let mut tokens = Vec::with_capacity(file.knox_tokens.len());
        for (index, token) in file.knox_tokens.iter().enumerate() {
            match ids.get(token.user.as_str()) {
                Some(user) => tokens.push(read_token(token, *user, index + 1)?),
                None if deleted.contains(&token.user) => {}
                None => return Err(ImportFormatError::UnknownUser(index + 1)),
            }
        }
        Ok(Self { users, tokens })
    }
}

/// serde's own messages repeat the value that they found, which may be a hash, but for those of a missing key.
fn json_error(error: &serde_json::Error) -> ImportFormatError {
    let missing = error.to_string().strip_prefix("missing field `").and_then(|rest| {
        let (key, _) = rest.split_once('`')?;
        Some(format!("the key {key:?} is missing"))
    });
    let kind = missing.unwrap_or_else(|| {
        let kind = match error.classify() {
            serde_json::error::Category::Io => "it cannot be read",
            serde_json::error::Category::Syntax => "bad JSON",
            serde_json::error::Category::Data => "a value is of the wrong type, or a key is there twice",
            serde_json::error::Category::Eof => "it ends too early",
        };
        kind.to_owned()
    });
    ImportFormatError::Json { line: error.line(), column: error.column(), kind }
}

fn read_user(user: FileUser, number: usize) -> Result<ImportUser, ImportFormatError> {
    let time = |text: Option<String>| read_time(text.as_deref(), "user", number);
    Ok(ImportUser {
        id: UserId(user.id),
        username: user.username,
        email: user.email.unwrap_or_default(),
        password: user.password_hash.map_or_else(PasswordHash::unusable, PasswordHash::from_stored),
        is_active: user.is_active,
        is_staff: user.is_staff,
        is_admin: user.is_superuser,
        created: time(user.date_joined)?,
        last_login: time(user.last_login)?,
    })
}

fn read_token(token: &FileToken, user: UserId, number: usize) -> Result<ImportToken, ImportFormatError> {
    const WHAT: &str = "knox token";
    Ok(ImportToken {
        digest: TokenDigest::from_hex(&token.digest).ok_or(ImportFormatError::Digest(number))?,
        user,
        created: read_time(Some(&token.created), WHAT, number)?.ok_or(ImportFormatError::Time(WHAT, number))?,
        expires: read_time(token.expiry.as_deref(), WHAT, number)?,
    })
}

fn read_time(text: Option<&str>, what: &'static str, number: usize) -> Result<Option<Timestamp>, ImportFormatError> {
    text.map(|text| Timestamp::parse(text).ok_or(ImportFormatError::Time(what, number))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                       0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn users_and_their_tokens_are_read_and_deleted_ones_left_out() {
        let text = format!(
            r#"{{"format": 1, "users": [
                {{"id": 4, "username": "alice", "password": "clear", "password_hash": "md5$a$b", "is_active": false}},
                {{"id": 5, "username": "gone", "email": "g@x", "deleted": true}}],
               "knox_tokens": [
                {{"user": "gone", "token": "t", "digest": "{HEX}", "created": "2024-01-02T03:04:05Z"}},
                {{"user": "alice", "digest": "{HEX}", "created": "2024-01-02T03:04:05Z", "expiry": null}}]}}"#
        );
        let data = ImportData::from_json(&text).expect("a good file");
        let [alice] = &data.users[..] else { panic!("one user") };
        assert_eq!((alice.id, alice.is_active, alice.email.as_str()), (UserId(4), false, ""));
        assert_eq!(alice.password.expose(), "md5$a$b");
        let [token] = &data.tokens[..] else { panic!("one token") };
        assert_eq!((token.user, token.expires), (UserId(4), None));
    }

    #[test]
    fn mistakes_are_named_without_repeating_the_file() {
        let error = |text: &str| ImportData::from_json(text).expect_err(text);
        assert_eq!(error(r#"{"format": 2, "users": []}"#), ImportFormatError::Format(2));
        let wrong = error(r#"{"format": 1, "users": [{"id": "hunter2"}]}"#).to_string();
        assert!(wrong.contains("line 1") && !wrong.contains("hunter2"), "{wrong}");
        let token = |user: &str, digest: &str, created: &str| {
            error(&format!(
                r#"{{"format": 1, "users": [{{"id": 1, "username": "a"}}],
                   "knox_tokens": [{{"user": "{user}", "digest": "{digest}", "created": "{created}"}}]}}"#
            ))
        };
        assert_eq!(token("b", HEX, "2024-01-02T03:04:05Z"), ImportFormatError::UnknownUser(1));
        assert_eq!(token("a", "00", "2024-01-02T03:04:05Z"), ImportFormatError::Digest(1));
        assert_eq!(token("a", HEX, "yesterday"), ImportFormatError::Time("knox token", 1));
    }
}
