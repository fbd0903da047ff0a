//! Proof that an administrator has recently given the password again.

use super::{Admin, AdminError};
use crate::domain::audit::Event;
use crate::domain::session::SessionId;
use crate::domain::time::Timestamp;

impl Admin {
    /// Notes that the password was given again in this session, now.
    ///
    /// # Errors
    /// The session is over, or the store failed.
    pub fn note_password_given(&self, session: SessionId) -> Result<(), AdminError> {
        if self.store.note_password_given(session, &self.audit(Event::PasswordVerified))? {
            return Ok(());
        }
        Err(AdminError::NoSuchSession(session))
    }

    /// When the password was last given again in this session, if it was.
    ///
    /// # Errors
    /// The store failed.
    pub fn password_given_at(&self, session: SessionId) -> Result<Option<Timestamp>, AdminError> {
        Ok(self.store.password_given_at(session)?)
    }
}
