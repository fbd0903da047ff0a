//! What comes of an import.

use serde::Serialize;

use crate::domain::user::UserId;
use crate::store::StoreError;

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Users added.
    pub users: usize,
    /// Tokens added, each with a session of its own.
    pub tokens: usize,
    /// How many of them are those of inactive users, and were stored as ended.
    pub ended: usize,
    /// Imported names that a person could take for another one, with that other one.
    pub lookalikes: Vec<(String, String)>,
    /// E-mail addresses of imported users that other users have, too.
    pub shared_emails: Vec<SharedAddress>,
}

/// An e-mail address that several users have, but for letter case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharedAddress {
    /// The address, with A to Z in lower case.
    pub email: String,
    /// How many users have it.
    pub users: i64,
    /// In how many spellings they have it. If there are fewer than users, some cannot log in by e-mail.
    pub spellings: i64,
    /// The user among them with the smallest number.
    pub first: UserId,
    /// The user among them with the greatest number.
    pub last: UserId,
}

/// Why an import changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Something is there already, or twice in the data.
    #[error("nothing was imported, because of {} clashes", .0.len())]
    Clashes(Vec<Clash>),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What stands in the way of an import.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Clash {
    /// The number is taken.
    #[error("the user number {0} is taken")]
    Id(UserId),
    /// The name is taken.
    #[error("the user name {0:?} is taken")]
    Username(String),
    /// The token is known already. Counted from 1; the digest itself is not shown.
    #[error("knox token {number}, of user {user}, is known already")]
    Token {
        /// Its place in the data.
        number: usize,
        /// Its user.
        user: UserId,
    },
    /// The token's user is not part of the import.
    #[error("knox token {number} belongs to user {user}, who is not imported")]
    Orphan {
        /// Its place in the data.
        number: usize,
        /// Its user.
        user: UserId,
    },
    /// The number is so great that the numbers after it would soon be used up.
    #[error("the user number {0} is too great: the greatest that can be imported is {greatest}", greatest = Clash::GREATEST_ID)]
    IdTooGreat(UserId),
    /// The name or e-mail address is too long for some dialect's tokens.
    #[error("user {user} has a name or e-mail address of more than {most} characters", most = Clash::LONGEST_TEXT)]
    TooLong {
        /// Whose it is.
        user: UserId,
    },
    /// A text of the user holds a NUL, which databases cannot store.
    #[error("user {0} has a NUL in the name, e-mail address or password hash")]
    Nul(UserId),
}

impl Clash {
    /// The greatest number a user can be imported with. New users get numbers after the greatest one: this
    /// leaves them 2^32, and takes what generators of 63-bit ids give today.
    pub const GREATEST_ID: i64 = i64::MAX - (1 << 32);

    /// The most characters of a name or e-mail address that is imported: as many as Django's field for
    /// e-mail addresses takes, which projects use as names; its field for names takes 150.
    pub const LONGEST_TEXT: usize = 254;
}
