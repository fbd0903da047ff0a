//! Users as administration sees and changes them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::time::Timestamp;
use crate::domain::user::{User, UserId};

/// The outcome of adding a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserCreation {
    /// The user was created, with this id.
    Created(UserId),
    /// The id, or exactly this name, is taken.
    Taken,
    /// A name that looks like this one is taken.
    Lookalike(String),
    /// The user of this name has the e-mail address.
    EmailTaken(String),
}

/// Whether two users may have the same e-mail address, but for letter case. Neither can log in by it then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedEmail {
    /// No.
    Refuse,
    /// Yes.
    Allow,
}

/// What to change of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChange {
    /// The name.
    Username(String),
    /// The e-mail address; empty: none.
    Email(String, SharedEmail),
    /// Whether the user is staff.
    Staff(bool),
    /// Whether the user may administer others.
    Admin(bool, LastAdmin),
}

/// Whether a change may leave no active administrator who has a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastAdmin {
    /// No: the change is refused.
    Keep,
    /// Yes.
    MayGo,
}

/// What came of changing a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChanged {
    /// The user is as wanted.
    Done,
    /// There is no such user.
    NoSuchUser,
    /// Exactly this name is taken.
    NameTaken,
    /// A name that a person could take for this one is taken.
    Lookalike(String),
    /// The user of this name has the e-mail address.
    EmailTaken(String),
    /// No active administrator would be left.
    LastAdmin,
}

/// Which users to list, in the order of their numbers. All conditions hold together.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// A part of the name or e-mail address; letter case and look-alikes do not matter. This looks at every user.
    pub text: Option<String>,
    /// The beginning of the name; letter case and look-alikes do not matter.
    pub beginning: Option<String>,
    /// The whole e-mail address; the case of A to Z does not matter.
    pub email: Option<String>,
    /// The numbers; empty: any.
    pub ids: Vec<UserId>,
    /// Whether the user may log in.
    pub is_active: Option<bool>,
    /// Whether the user is a staff user.
    pub is_staff: Option<bool>,
    /// Whether the user may administer others.
    pub is_admin: Option<bool>,
    /// Only users after this one, which was the last of the previous page.
    pub after: Option<UserId>,
    /// The maximum number of users.
    pub limit: u32,
}

/// A user as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UserEntry {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// When a session was last opened.
    pub last_login: Option<Timestamp>,
    /// When the user joined.
    pub created: Timestamp,
}
