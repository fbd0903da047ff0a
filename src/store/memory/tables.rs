//! What is read of several maps together, and what is changed in them.

use std::sync::Arc;

use super::{SessionRow, Tables, TokenRow};
use crate::domain::policy::IdleLimits;
use crate::domain::session::{Session, SessionEntry, SessionId, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenDigest, TokenKind};
use crate::domain::user::{Account, Epoch, NewUser, User, UserId};
use crate::store::access_limit::{Candidate, surplus};
use crate::store::{AccessLimit, Refresh, SessionLimit};

impl Tables {
    pub(super) fn record(&self, digest: &TokenDigest) -> Option<TokenRecord> {
        let row = self.tokens.get(digest)?;
        let SessionRow { user, session, .. } = self.sessions.get(&row.session)?;
        let user = self.accounts.get(user)?.user.clone();
        Some(TokenRecord {
            kind: session.kind.use_of(row.kind),
            created: row.created,
            expires: row.expires,
            consumed: row.consumed,
            session: self.as_of_cutoff(session),
            user: Arc::new(user),
        })
    }

    pub(super) fn user_mut(&mut self, id: UserId) -> Option<&mut User> {
        self.accounts.get_mut(&id).map(|account| &mut account.user)
    }

    /// Whether a session of an active user could still be used.
    pub(super) fn is_live(&self, row: &SessionRow, limits: IdleLimits, now: Timestamp) -> bool {
        let session = &row.session;
        let current = self.accounts.get(&row.user).is_some_and(|a| a.user.is_active && a.user.epoch == session.epoch);
        let idle = limits.of(session.kind).is_some_and(|limit| now.since(session.last_seen) > limit);
        let mut tokens = self.tokens.values().filter(|t| t.session == session.id && t.consumed.is_none());
        self.as_of_cutoff(session).ended.is_none()
            && current
            && !idle
            && tokens.any(|t| t.expires.is_none_or(|end| end > now))
    }

    pub(super) fn session_entry(&self, row: &SessionRow) -> SessionEntry {
        let ended = row.ended.as_ref().or_else(|| self.end_with_others(row));
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

    /// The user's live sessions, the oldest first.
    pub(super) fn live_sessions(&self, user: UserId, limit: SessionLimit, now: Timestamp) -> Vec<SessionId> {
        let limits = IdleLimits { others: limit.idle_limit, ..IdleLimits::NONE };
        let mut live: Vec<&Session> = (self.sessions.values())
            .filter(|row| row.user == user && row.session.kind.dialect().is_some() && self.is_live(row, limits, now))
            .map(|row| &row.session)
            .collect();
        live.sort_by_key(|session| (session.created, session.id));
        live.into_iter().map(|session| session.id).collect()
    }

    /// Deletes the access tokens of the session that exceed its limit.
    pub(super) fn keep_within(&mut self, session: SessionId, refresh: &Refresh, limit: AccessLimit) {
        let of_session = || self.tokens.iter().filter(|(_, row)| row.session == session);
        let tokens = of_session().filter(|(_, row)| row.kind == TokenKind::Access && row.consumed.is_none());
        let tokens =
            tokens.map(|(digest, row)| Candidate { digest: *digest, created: row.created, expires: row.expires });
        let recent = of_session().filter(|(_, row)| row.consumed.is_some_and(|at| at >= limit.successors_from));
        let successors: Vec<_> = recent.filter_map(|(_, row)| row.successor).collect();
        let stays = |digest: &TokenDigest| refresh.involves(digest) || successors.contains(digest);
        for digest in surplus(tokens.collect(), limit, refresh.at, stays) {
            self.past.evict(&mut self.tokens, &digest, refresh.at);
        }
    }

    pub(super) fn insert_user(&mut self, new: &NewUser) -> UserId {
        let id = new.id.unwrap_or(UserId(self.greatest_user_id + 1));
        self.greatest_user_id = self.greatest_user_id.max(id.0);
        let user = User {
            id,
            username: new.username.clone(),
            email: new.email.clone(),
            is_active: new.is_active,
            is_staff: new.is_staff,
            is_admin: new.is_admin,
            epoch: Epoch(1),
        };
        self.accounts.insert(id, Account { user, password: new.password.clone() });
        self.joined.insert(id, new.created);
        id
    }
}
