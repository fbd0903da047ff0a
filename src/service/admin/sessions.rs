//! Sessions: listing and ending them.

use super::{Admin, AdminError};
use crate::domain::audit::Event;
use crate::domain::session::{SessionEntry, SessionId};
use crate::domain::time::Timestamp;
use crate::domain::user::{User, UserId};
use crate::store::SessionFilter;

/// Which sessions to list, newest first.
#[derive(Debug, Clone, Copy)]
pub struct SessionQuery {
    /// Only this user's.
    pub user: Option<UserId>,
    /// Also those that are over.
    pub with_ended: bool,
    /// Only sessions opened before this one: the last of the page before.
    pub before: Option<SessionId>,
    /// At most this many.
    pub limit: u32,
}

impl Admin {
    /// Lists sessions. A session counts as live for as long as a check may still accept its token.
    ///
    /// # Errors
    /// The store failed.
    pub fn list_sessions(&self, query: SessionQuery) -> Result<Vec<SessionEntry>, AdminError> {
        let SessionQuery { user, with_ended, before, limit } = query;
        let (now, idle_limit) = (self.clock.now(), self.policy.idle_verdict_after());
        Ok(self.store.list_sessions(&SessionFilter { user, with_ended, now, idle_limit, before, limit })?)
    }

    /// Ends one session.
    ///
    /// # Errors
    /// There is no such live session, or the store failed.
    pub fn end_session(&self, session: SessionId) -> Result<(), AdminError> {
        if self.connect()?.end_session(session, &self.audit(Event::Revoked))? {
            return Ok(());
        }
        Err(AdminError::NoSuchSession(session))
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// The user is gone, or the store failed.
    pub fn end_all_sessions(&self, user: &User) -> Result<(), AdminError> {
        if self.connect()?.end_all_sessions(user.id, &self.audit(Event::Revoked))? {
            return Ok(());
        }
        Err(AdminError::NoSuchUser(user.username.clone()))
    }

    /// Ends the sessions of all users, also that of the caller, at the same cost for any number.
    ///
    /// # Errors
    /// The store failed.
    pub fn end_everybody(&self) -> Result<(), AdminError> {
        Ok(self.store.end_everybody(&self.audit(Event::AllSessionsEnded))?)
    }

    /// Ends all sessions that were opened before `moment`, at the same cost for any number.
    ///
    /// # Errors
    /// The moment is in the future, or the store failed.
    pub fn end_issued_before(&self, moment: Timestamp) -> Result<(), AdminError> {
        let audit = self.audit(Event::OldSessionsEnded);
        if moment > audit.at {
            return Err(AdminError::FutureMoment);
        }
        Ok(self.store.end_issued_before(moment, &audit)?)
    }
}
