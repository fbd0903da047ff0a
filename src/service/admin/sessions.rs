//! Sessions: listing and ending them.

use serde_json::json;

use super::search::{check_sessions, go_on};
use super::{Admin, AdminError};
use crate::domain::audit::Event;
use crate::domain::session::{SessionEntry, SessionId};
use crate::domain::time::Timestamp;
use crate::domain::user::User;
use crate::service::sessions::EFFORT;
use crate::store::{SessionFilter, SessionList, SessionMatch};

/// Which sessions to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct SessionQuery {
    /// Only these.
    pub matching: SessionMatch,
    /// Also those that are over.
    pub with_ended: bool,
    /// Only sessions opened before this one: the last of the previous page, or where its search stopped.
    pub before: Option<SessionId>,
    /// At most this many.
    pub limit: u32,
}

impl Admin {
    /// Lists sessions within a bounded time: if very many do not match, it stops before it has found enough, and says
    /// where. A session counts as live as long as a check may still accept its token.
    ///
    /// # Errors
    /// A text that cannot be searched for, or the store failed.
    pub fn list_sessions(&self, query: SessionQuery) -> Result<SessionList, AdminError> {
        let SessionQuery { matching, with_ended, before, limit } = query;
        check_sessions(&matching)?;
        let (now, idle_limits) = (self.clock.now(), self.policy.idle_verdicts());
        let filter = SessionFilter { matching, with_ended, now, idle_limits, before, limit, effort: EFFORT };
        Ok(self.store.list_sessions(&filter)?)
    }

    /// As [`Admin::list_sessions`], but goes on until it has found enough or there are no more, however long that
    /// takes.
    ///
    /// # Errors
    /// A text that cannot be searched for, or the store failed.
    pub fn search_sessions(&self, query: SessionQuery) -> Result<Vec<SessionEntry>, AdminError> {
        go_on(query.limit, move |stopped, limit| {
            let before = stopped.or(query.before);
            let part = self.list_sessions(SessionQuery { before, limit, ..query.clone() })?;
            Ok((part.sessions, part.unsearched))
        })
    }

    /// Ends one session.
    ///
    /// # Errors
    /// There is no such live session, or the store failed.
    pub fn end_session(&self, session: SessionId) -> Result<(), AdminError> {
        let ended = self.connect()?.end_session(session, &self.audit(Event::Revoked))?;
        let done = if ended { Ok(()) } else { Err(AdminError::NoSuchSession(session)) };
        self.record_refusal(Event::Revoked, (None, Some(session)), &done)?;
        done
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// The user is gone, or the store failed.
    pub fn end_all_sessions(&self, user: &User) -> Result<(), AdminError> {
        self.recording_refusal(Event::Revoked, Some(user.id), || {
            if self.connect()?.end_all_sessions(user.id, &self.audit(Event::Revoked))? {
                return Ok(());
            }
            Err(AdminError::NoSuchUser(user.username.clone()))
        })
    }

    /// Ends the sessions of all users, including that of the caller, at the same cost for any number.
    ///
    /// # Errors
    /// The store failed.
    pub fn end_everybody(&self) -> Result<(), AdminError> {
        self.recording_refusal(Event::AllSessionsEnded, None, || {
            Ok(self.store.end_everybody(&self.audit(Event::AllSessionsEnded))?)
        })
    }

    /// Ends all sessions that were opened before `moment`, at the same cost for any number.
    ///
    /// # Errors
    /// The moment is in the future, or the store failed.
    pub fn end_issued_before(&self, moment: Timestamp) -> Result<(), AdminError> {
        self.recording_refusal(Event::OldSessionsEnded, None, || {
            let audit = self.audit(Event::OldSessionsEnded).with_detail(json!({ "before": moment }));
            if moment > audit.at {
                return Err(AdminError::FutureMoment);
            }
            Ok(self.store.end_issued_before(moment, &audit)?)
        })
    }
}
