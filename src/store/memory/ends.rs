//! How sessions end, alone and with others.

use super::{SessionRow, Tables};
use crate::domain::audit::AuditContext;
use crate::domain::session::{Session, SessionId};
use crate::domain::user::{Epoch, UserId};

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

    pub(super) fn raise_epoch(&mut self, id: UserId, audit: &AuditContext) -> bool {
        let Some(user) = self.user_mut(id) else { return false };
        user.epoch = Epoch(user.epoch.0 + 1);
        let raised = (id, user.epoch);
        self.raises.insert(raised, audit.clone());
        true
    }

    /// Activates or deactivates a user. Sessions that ended before stay ended. `false` if there is no such user.
    pub(super) fn switch(&mut self, id: UserId, active: bool, audit: &AuditContext) -> bool {
        let Some(user) = self.user_mut(id) else { return false };
        if user.is_active != active {
            user.is_active = active;
            self.raise_epoch(id, audit);
        }
        self.tell(audit, id);
        true
    }
}
