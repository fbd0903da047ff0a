//! Telling the operator of accounts that no password can open.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::password::{Unverifiable, is_verifiable};
use crate::user::{Account, UserId};

/// So many users are remembered as told; more are not told at all, and `doctor` counts them.
const MOST: usize = 1_000;

/// The users whose stored hash the log has complained of: once each, however often somebody tries.
#[derive(Debug, Default)]
pub(in crate::service) struct UnverifiableAccounts(Mutex<HashSet<UserId>>);

impl UnverifiableAccounts {
    /// Says in the log that nobody can log in as this user, unless it is known or on purpose.
    pub(super) fn tell(&self, account: &Account) {
        let reason = match is_verifiable(&account.password) {
            Ok(_) | Err(Unverifiable::Empty | Unverifiable::Unusable) => return,
            Err(reason) => reason,
        };
        let user = account.user.id;
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MOST && told.insert(user) {
            log::warn!(user = user.0; "no password can log this user in: {reason}; give the user a new one");
        }
    }
}
