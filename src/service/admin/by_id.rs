//! Single users and sessions by their ids, as lists show them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Admin, AdminError};
use crate::domain::session::{SessionEntry, SessionId};
use crate::domain::user::{Account, User, UserId};
use crate::store::{UserEntry, UserFilter};

impl Admin {
    /// The user with this number.
    ///
    /// # Errors
    /// There is none, or the store failed.
    pub fn user_by_id(&self, id: UserId) -> Result<User, AdminError> {
        let found = self.connect()?.find_account_by_id(id)?;
        found.map(|Account { user, .. }| user).ok_or_else(|| no_such_user(id))
    }

    /// The user with this number, as it is listed.
    ///
    /// # Errors
    /// There is none, or the store failed.
    pub fn user_entry(&self, id: UserId) -> Result<UserEntry, AdminError> {
        let filter = UserFilter { ids: vec![id], limit: 1, ..UserFilter::default() };
        let found = self.store.list_users(&filter)?.into_iter().find(|entry| entry.user.id == id);
        found.ok_or_else(|| no_such_user(id))
    }

    /// The names of those of these users who exist.
    ///
    /// # Errors
    /// The store failed.
    pub fn usernames(&self, ids: &BTreeSet<UserId>) -> Result<BTreeMap<UserId, String>, AdminError> {
        let Some(limit) = u32::try_from(ids.len()).ok().filter(|limit| *limit > 0) else { return Ok(BTreeMap::new()) };
        let filter = UserFilter { ids: ids.iter().copied().collect(), limit, ..UserFilter::default() };
        let found = self.store.list_users(&filter)?;
        Ok(found.into_iter().map(|UserEntry { user, .. }| (user.id, user.username)).collect())
    }

    /// The session with this id as it is listed, whether it is live or not.
    ///
    /// # Errors
    /// There is none, or the store failed.
    pub fn session_entry(&self, id: SessionId) -> Result<SessionEntry, AdminError> {
        // A list begins with the newest session before `before`. Ids are compared as numbers, so this is the one.
        let next = u128::from_be_bytes(*id.as_bytes()).checked_add(1);
        let before = next.map(|next| SessionId::from_bytes(next.to_be_bytes()));
        let query = super::SessionQuery { with_ended: true, before, limit: 1, ..super::SessionQuery::default() };
        let found = self.search_sessions(query)?.into_iter().find(|entry| entry.session.id == id);
        found.ok_or(AdminError::NoSuchSession(id))
    }
}

fn no_such_user(id: UserId) -> AdminError {
    AdminError::NoSuchUser(format!("id:{id}"))
}
