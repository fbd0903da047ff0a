//! The outcome of an import.

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
    /// How many of them belong to inactive users, and were stored as ended.
    pub ended: usize,
    /// Imported names that look like another one, with that other one.
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
    /// Something exists already, or is in the data twice.
    #[error("nothing was imported, because of {} clashes", .0.len())]
    Clashes(Vec<Clash>),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A reason why nothing was imported.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Clash {
    /// The number is taken.
    #[error("the user number {0} is taken")]
    Id(UserId),
    /// The name is taken.
    #[error("the user name {0:?} is taken")]
    Username(String),
    /// The token exists already. Counted from 1; the digest itself is not shown.
    #[error("knox token {number}, of user {user}, is known already")]
    Token {
        /// Its position in the data.
        number: usize,
        /// Its user.
        user: UserId,
    },
    /// The token's user is not part of the import.
    #[error("knox token {number} belongs to user {user}, who is not imported")]
    Orphan {
        /// Its position in the data.
        number: usize,
        /// Its user.
        user: UserId,
    },
    /// The number is so great that few numbers would be left after it.
    #[error("the user number {0} is too great: the greatest that can be imported is {greatest}", greatest = Clash::GREATEST_ID)]
    IdTooGreat(UserId),
    /// The name or e-mail address is too long for some dialect's tokens.
    #[error("user {user} has a name or e-mail address of more than {most} characters", most = Clash::LONGEST_TEXT)]
    TooLong {
        /// The user.
        user: UserId,
    },
    /// A text of the user holds a NUL, which databases cannot store.
    #[error("user {0} has a NUL in the name, e-mail address or password hash")]
    Nul(UserId),
}

impl Clash {
    /// The greatest number that an imported user may have. New users get numbers after the greatest one: this
    /// leaves 2^32 of them, and allows the ids that 63-bit generators create today.
    pub const GREATEST_ID: i64 = i64::MAX - (1 << 32);

    /// The maximum length of an imported name or e-mail address, in characters: that of Django's field for
    /// e-mail addresses, which projects use as names; its field for names has 150.
    pub const LONGEST_TEXT: usize = 254;
}
