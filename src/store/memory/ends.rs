//! How sessions end, alone and with others.

use super::{SessionRow, Tables};
use crate::domain::audit::AuditContext;
use crate::domain::session::{Session, SessionId};
use crate::domain::user::{Epoch, UserId};

impl Tables {
    /// The session, ended if it is from before the cutoff.
    pub(super) fn as_of_cutoff(&self, session: &Session) -> Session {
        let cut = self.cut(session).map(|audit| audit.at);
        Session { ended: session.ended.or(cut), ..session.clone() }
    }

    fn cut(&self, session: &Session) -> Option<&AuditContext> {
        self.cutoff.as_ref().filter(|(before, _)| session.created < *before).map(|(_, audit)| audit)
    }

    /// What first ended a session together with others: the cutoff, or what raised the epoch of its user above its own.
    pub(super) fn end_with_others(&self, row: &SessionRow) -> Option<&AuditContext> {
        let raise = self.raises.get(&(row.user, Epoch(row.session.epoch.0 + 1)));
        raise.into_iter().chain(self.cut(&row.session)).min_by_key(|audit| audit.at)
    }

    pub(super) fn end(&mut self, id: SessionId, audit: &AuditContext) -> bool {
        let Some(user) = self.mark_ended(id, audit) else { return false };
        self.tell_of_session(audit, user, id);
        true
    }

    /// Ends the sessions for administration of a user; the event of the user tells of them.
    pub(super) fn end_administration(&mut self, user: UserId, audit: &AuditContext) {
        let of_user = self.sessions.values().filter(|row| row.user == user && row.session.kind.is_for_administration());
        let ids: Vec<_> = of_user.map(|row| row.session.id).collect();
        for id in ids {
            self.mark_ended(id, audit);
        }
    }

    /// The user of the session, if it was live.
    fn mark_ended(&mut self, id: SessionId, audit: &AuditContext) -> Option<UserId> {
        if self.sessions.get(&id).is_none_or(|row| self.as_of_cutoff(&row.session).ended.is_some()) {
            return None;
        }
        let SessionRow { user, session, ended, .. } = self.sessions.get_mut(&id)?;
        let current = self.accounts.get(user).is_some_and(|a| a.user.epoch == session.epoch);
        if !current {
            return None;
        }
        session.ended = Some(audit.at);
        *ended = Some(audit.clone());
        let user = *user;
        self.past.keep(&mut self.tokens, id, Some(audit.at));
        Some(user)
    }

    pub(super) fn raise_epoch(&mut self, id: UserId, audit: &AuditContext) -> bool {
        let Some(user) = self.user_mut(id) else { return false };
        user.epoch = Epoch(user.epoch.0 + 1);
        let raised = (id, user.epoch);
        self.raises.insert(raised, audit.clone());
        true
    }

    /// Raises the epoch, and that of the live session `keep` with it. `false` if there is no such user.
    pub(super) fn raise_epoch_but_for(&mut self, user: UserId, keep: Option<SessionId>, audit: &AuditContext) -> bool {
        let Some(Epoch(old)) = self.accounts.get(&user).map(|account| account.user.epoch) else { return false };
        self.raise_epoch(user, audit);
        self.tell(audit, user);
        let kept = keep.and_then(|id| self.sessions.get_mut(&id)).filter(|row| row.user == user);
        if let Some(row) = kept.filter(|row| row.session.epoch == Epoch(old) && row.session.ended.is_none()) {
            row.session.epoch = Epoch(old + 1);
        }
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
