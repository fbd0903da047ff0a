//! How sessions end, alone and with others.

use super::{SessionRow, Tables};
use crate::domain::audit::AuditContext;
use crate::domain::session::{Session, SessionId};

impl Tables {
    /// The session, ended if it is from before the cutoff.
    pub(super) fn as_of_cutoff(&self, session: &Session) -> Session {
        let cut = self.cutoff.as_ref().filter(|(before, _)| session.created < *before);
        Session { ended: session.ended.or(cut.map(|(_, audit)| audit.at)), ..session.clone() }
    }

    pub(super) fn end(&mut self, id: SessionId, audit: &AuditContext) -> bool {
        if self.sessions.get(&id).is_none_or(|row| self.as_of_cutoff(&row.session).ended.is_some()) {
            return false;
        }
        let Some(SessionRow { user, session, ended, .. }) = self.sessions.get_mut(&id) else { return false };
        let current = self.accounts.get(user).is_some_and(|a| a.user.epoch == session.epoch);
        if !current {
            return false;
        }
        session.ended = Some(audit.at);
        *ended = Some(audit.clone());
        let user = *user;
        self.tell_of_session(audit, user, id);
        self.past.keep(&mut self.tokens, id, Some(audit.at));
        true
    }
}
