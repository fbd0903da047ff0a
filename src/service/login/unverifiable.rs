//! Logs accounts that no password can log in.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::domain::password::{Unverifiable, is_verifiable};
use crate::domain::user::{Account, UserId};

/// At most this many users are logged and remembered; `knoxide doctor` counts all of them.
const MAX_LOGGED_USERS: usize = 1_000;

/// The users that were logged: each is logged once, however often a login is attempted.
#[derive(Debug, Default)]
pub(in crate::service) struct UnverifiableAccounts(Mutex<HashSet<UserId>>);

impl UnverifiableAccounts {
    /// Logs that no password can log this user in, unless that was logged before or is on purpose.
    pub(super) fn log(&self, account: &Account) {
        let reason = match is_verifiable(&account.password) {
            Ok(_) | Err(Unverifiable::Empty | Unverifiable::Unusable) => return,
            Err(reason) => reason,
        };
        let user = account.user.id;
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() < MAX_LOGGED_USERS && logged.insert(user) {
            log::warn!(user = user.0; "no password can log this user in: {reason}; give the user a new one");
        }
    }
}
