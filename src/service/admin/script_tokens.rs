//! Tokens of scripts by their names.

use super::{Admin, AdminError, SessionQuery};
use crate::domain::audit::Event;
use crate::domain::user::User;
use crate::store::SessionMatch;

/// How many sessions are read at once.
const PAGE: u32 = 100;

impl Admin {
    /// Ends all live tokens of a user that were made for scripts under exactly this name; returns how many there were.
    ///
    /// # Errors
    /// There is no such token, or the store failed. Those that were ended stay ended.
    pub fn end_tokens_named(&self, user: &User, name: &str) -> Result<u64, AdminError> {
        let matching = SessionMatch {
            user: Some(user.id),
            name: Some(name.to_owned()),
            for_script: true,
            ..SessionMatch::default()
        };
        let mut query = SessionQuery { matching, limit: PAGE, ..SessionQuery::default() };
        let mut ended = 0;
        loop {
            let found = self.search_sessions(query.clone())?;
            query.before = found.last().map(|entry| entry.session.id);
            for entry in found.iter().filter(|entry| entry.name.as_deref() == Some(name)) {
                match self.end_session(entry.session.id) {
                    Ok(()) => ended += 1,
                    // It has expired, or another administrator was faster.
                    Err(AdminError::NoSuchSession(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            if query.before.is_none() {
                break;
            }
        }
        self.recording_refusal(Event::Revoked, Some(user.id), || {
            if ended == 0 { Err(AdminError::NoSuchToken(name.to_owned())) } else { Ok(ended) }
        })
    }
}
