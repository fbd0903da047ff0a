//! What users see and change of their own sessions and passwords, in memory.

use super::{SessionRow, Tables, TokenRow};
use crate::domain::audit::AuditContext;
use crate::domain::session::{Session, SessionEntry, SessionId};
use crate::domain::time::Timestamp;
use crate::domain::user::{Epoch, UserId};
use crate::store::{KeptSessions, PasswordChange, SessionFilter};

impl Tables {
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

    pub(super) fn change_password(&mut self, change: &PasswordChange, audit: &AuditContext) -> bool {
        let Some(account) = self.accounts.get_mut(&change.user) else { return false };
        let PasswordChange { epoch, old, .. } = change;
        if !account.user.is_active || account.user.epoch != *epoch || account.password != *old {
            return false;
        }
        account.password = change.new.clone();
        match change.keep {
            KeptSessions::None => self.raise_epoch_but_for(change.user, None, audit),
            KeptSessions::One(session) => self.raise_epoch_but_for(change.user, Some(session), audit),
            KeptSessions::All => {
                self.tell(audit, change.user);
                true
            }
        }
    }

    pub(super) fn list_sessions(&self, filter: &SessionFilter) -> Vec<SessionEntry> {
        let fits = |row: &&SessionRow| {
            row.fits(&filter.matching)
                && filter.before.is_none_or(|before| row.session.id < before)
                && (filter.with_ended || self.is_live(row, filter.idle_limits, filter.now))
        };
        let mut rows: Vec<_> = self.sessions.values().filter(fits).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.session.id));
        rows.truncate(usize::try_from(filter.limit).unwrap_or(usize::MAX));
        rows.into_iter().map(|row| self.session_entry(row)).collect()
    }

    pub(super) fn session_entry(&self, row: &SessionRow) -> SessionEntry {
        // A session that did not end by itself ended with all of its user's, when the epoch was raised above its own.
        let cut = self.cutoff.as_ref().filter(|(before, _)| row.session.created < *before).map(|(_, audit)| audit);
        let raise = || self.raises.get(&(row.user, Epoch(row.session.epoch.0 + 1)));
        let with_others = raise().into_iter().chain(cut).min_by_key(|audit| audit.at);
        let ended = row.ended.as_ref().or(with_others);
        let cacheable = |token: &&TokenRow| token.session == row.session.id && token.consumed.is_none();
        let ends = self.tokens.values().filter(cacheable).map(|token| token.expires);
        let origin = &row.opened.origin;
        SessionEntry {
            session: Session { ended: ended.map(|audit| audit.at), ..row.session.clone() },
            user_id: row.user,
            username: self.accounts.get(&row.user).map(|account| account.user.username.clone()).unwrap_or_default(),
            name: row.name.clone(),
            // A token without an end outlasts all others.
            expires: ends.max_by_key(|end| end.map_or(i64::MAX, Timestamp::as_micros)).flatten(),
            address: origin.address_text(),
            user_agent: origin.user_agent.clone(),
            end_reason: ended.map(|audit| audit.event),
            ended_by: ended.map(|audit| audit.actor.to_string()),
        }
    }
}
