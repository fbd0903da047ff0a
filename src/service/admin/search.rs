//! Searches: the texts by which users and sessions can be searched, and how a search continues where it stopped.

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

/// Searches until `limit` rows are found or there are no more. Each part of the search continues where the one before
/// it stopped; `part` receives this place, and how many rows are still wanted.
pub(super) fn go_on<T, P>(
    limit: u32,
    mut part: impl FnMut(Option<P>, u32) -> Result<(Vec<T>, Option<P>), AdminError>,
) -> Result<Vec<T>, AdminError> {
    let (mut found, mut left, mut stopped) = (Vec::new(), limit, None);
    loop {
        let (rows, unsearched) = part(stopped, left)?;
        left = left.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        found.extend(rows);
        if unsearched.is_none() || left == 0 {
            return Ok(found);
        }
        stopped = unsearched;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows found by parts that stop at these numbers, and the arguments of each part.
    fn search(limit: u32, parts: &[(&[u8], Option<u8>)]) -> (Vec<u8>, Vec<(Option<u8>, u32)>) {
        let (mut parts, mut asked) = (parts.iter(), Vec::new());
        let found = go_on(limit, |stopped, left| {
            asked.push((stopped, left));
            let (rows, unsearched) = parts.next().expect("a search that has stopped");
            Ok((rows.to_vec(), *unsearched))
        });
        (found.expect("a list"), asked)
    }

    #[test]
    fn a_search_goes_on_until_it_is_full_or_there_are_no_more() {
        let (found, asked) = search(3, &[(&[9], Some(7)), (&[], Some(5)), (&[4, 3], None)]);
        assert_eq!((found, asked), (vec![9, 4, 3], vec![(None, 3), (Some(7), 2), (Some(5), 2)]));
        let (found, asked) = search(3, &[(&[9], Some(7)), (&[], None)]);
        assert_eq!((found, asked.len()), (vec![9], 2));
        let (found, asked) = search(1, &[(&[9], Some(7))]);
        assert_eq!((found, asked.len()), (vec![9], 1), "it has enough");
    }
}
