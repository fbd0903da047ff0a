//! The texts by which users and sessions can be searched.

use super::{Admin, AdminError};
use crate::domain::escape::is_unseen;
use crate::store::{SessionMatch, UserEntry, UserFilter};

/// The longest text to search for, in characters.
pub const MAX_SEARCH: usize = 200;

/// What a searched text is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchText {
    /// A part of a user's name or e-mail address.
    Part,
    /// The beginning of a user's name.
    Beginning,
    /// A user's e-mail address.
    Email,
    /// A part of a client's `User-Agent`.
    Device,
    /// A part of a session's name.
    Name,
}

impl Admin {
    /// Lists users.
    ///
    /// # Errors
    /// A text that cannot be searched for, or the store failed.
    pub fn list_users(&self, filter: &UserFilter) -> Result<Vec<UserEntry>, AdminError> {
        let UserFilter { text, beginning, email, .. } = filter;
        check(text.as_ref(), SearchText::Part)?;
        check(beginning.as_ref(), SearchText::Beginning)?;
        check(email.as_ref(), SearchText::Email)?;
        Ok(self.store.list_users(filter)?)
    }
}

/// Checks the texts of these conditions: an empty text would match all sessions.
pub(super) fn check_sessions(matching: &SessionMatch) -> Result<(), AdminError> {
    check(matching.device.as_ref(), SearchText::Device)?;
    check(matching.name.as_ref(), SearchText::Name)
}

fn check(text: Option<&String>, which: SearchText) -> Result<(), AdminError> {
    let is_good =
        |text: &String| !text.trim().is_empty() && text.chars().count() <= MAX_SEARCH && !text.chars().any(is_unseen);
    if text.is_none_or(is_good) { Ok(()) } else { Err(AdminError::BadSearch(which)) }
}
