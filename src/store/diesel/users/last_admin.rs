//! Whether a user is the last administrator.

use diesel::sql_types::BigInt;
use diesel::{QueryResult, RunQueryDsl};

use super::super::any::{AnyConnection, on_each};
use super::super::hot::statement;
use crate::domain::user::UserId;
use crate::store::LastAdmin;

#[cfg(feature = "sqlite")]
statement! {
    /// The administrators who can log in.
    FindAdmins {} -> BigInt,
    ["SELECT id FROM users WHERE is_admin = 1 AND is_active AND password_hash NOT LIKE '!%'"]
}

#[cfg(feature = "postgres")]
statement! {
    /// The same, locked: of two administrators who act on each other, the second one waits, and then finds that the
    /// first one's act is done.
    LockAdmins {} -> BigInt,
    [
        "SELECT id FROM users WHERE is_admin AND is_active AND password_hash NOT LIKE '!%' ORDER BY id \
         FOR NO KEY UPDATE",
    ]
}

/// Whether nobody else could administer the users if `user` could no longer. No with [`LastAdmin::MayGo`].
pub(in super::super) fn is_last_admin(any: &mut AnyConnection, user: UserId, last: LastAdmin) -> QueryResult<bool> {
    match last {
        LastAdmin::MayGo => return Ok(false),
        LastAdmin::Keep => {}
    }
    let admins: Vec<i64> = on_each!(any,
        sqlite(c) => FindAdmins {}.load(c)?,
        postgres(c) => LockAdmins {}.load(c)?,
    );
    Ok(admins == [user.0])
}
