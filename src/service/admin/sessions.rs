//! Sessions: listing and ending them.

use serde_json::json;

use super::search::check_sessions;
use super::{Admin, AdminError};
use crate::domain::audit::Event;
use crate::domain::session::{SessionEntry, SessionId};
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::store::{SessionFilter, SessionMatch};

/// Which sessions to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct SessionQuery {
    /// Only these.
    pub matching: SessionMatch,
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
    /// A text that cannot be searched for, or the store failed.
    pub fn list_sessions(&self, query: SessionQuery) -> Result<Vec<SessionEntry>, AdminError> {
        let SessionQuery { matching, with_ended, before, limit } = query;
        check_sessions(&matching)?;
        let (now, idle_limit) = (self.clock.now(), self.policy.idle_verdict_after());
        Ok(self.store.list_sessions(&SessionFilter { matching, with_ended, now, idle_limit, before, limit })?)
    }

    /// See [`Admin::end_session`].
    pub(super) fn try_end_session(&self, session: SessionId) -> Result<(), AdminError> {
        if self.connect()?.end_session(session, &self.audit(Event::Revoked))? {
            return Ok(());
        }
        Err(AdminError::NoSuchSession(session))
    }

    /// See [`Admin::end_all_sessions`].
    pub(super) fn try_end_all_sessions(&self, user: &User) -> Result<(), AdminError> {
        if self.connect()?.end_all_sessions(user.id, &self.audit(Event::Revoked))? {
            return Ok(());
        }
        Err(AdminError::NoSuchUser(user.username.clone()))
    }

    /// See [`Admin::end_everybody`].
    pub(super) fn try_end_everybody(&self) -> Result<(), AdminError> {
        Ok(self.store.end_everybody(&self.audit(Event::AllSessionsEnded))?)
    }

    /// See [`Admin::end_issued_before`].
    pub(super) fn try_end_issued_before(&self, moment: Timestamp) -> Result<(), AdminError> {
        let audit = self.audit(Event::OldSessionsEnded).with_detail(json!({ "before": moment }));
        if moment > audit.at {
            return Err(AdminError::FutureMoment);
        }
        Ok(self.store.end_issued_before(moment, &audit)?)
    }
}
