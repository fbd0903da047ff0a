//! A user's own sessions: listing and ending them.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::workers::OnDisconnect;
use super::{Auth, Unavailable};
use crate::domain::audit::{Actor, Event, Origin};
use crate::domain::session::{SessionEntry, SessionId, Verified};
use crate::domain::time::Timestamp;
use crate::store::{Connection, Effort, SessionFilter, SessionList, SessionMatch, StoreResult};

/// How far the search for a page of sessions or audit events goes, so that the page is there within 200 ms among a million
/// of them. The last portion may exceed this time; `scripts/soak pages` measures the total.
pub(super) const EFFORT: Effort = Effort { rows: 5_000, time: Duration::from_millis(60) };

/// A page of a user's live sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPage {
    /// The sessions, newest first. The first page has the current one, at its end if it is older than all others.
    pub sessions: Vec<SessionEntry>,
    /// The session after which the next page begins, if there is one: the last of this page, or where its search
    /// stopped.
    pub next: Option<SessionId>,
    /// Whether the search stopped before the page was full, because there are very many sessions that are over.
    pub has_stopped: bool,
}

/// A session as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OwnSession {
    /// Its id.
    pub id: SessionId,
    /// The dialect of its tokens, or what it was opened for.
    pub dialect: &'static str,
    /// The name that the client gave it.
    pub name: Option<String>,
    /// When it was opened.
    pub created: Timestamp,
    /// When it was last used.
    pub last_seen: Timestamp,
    /// The latest expiry of its tokens; `None` if one of them never expires.
    pub expiry: Option<Timestamp>,
    /// The address it was opened from.
    pub address: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// Whether it is the session of the request.
    pub current: bool,
}

impl OwnSession {
    /// The session as `who` sees it.
    pub fn of(entry: SessionEntry, who: &Verified) -> Self {
        let SessionEntry { session, name, expires, address, user_agent, .. } = entry;
        Self {
            id: session.id,
            dialect: session.kind.as_str(),
            name,
            created: session.created,
            last_seen: session.last_seen,
            expiry: expires,
            address,
            user_agent,
            current: session.id == who.session.id,
        }
    }
}

impl Auth {
    /// Lists the live sessions of the user `who`. The current session is always on the first page and on no other, so
    /// that each session is on exactly one page.
    ///
    /// # Errors
    /// When the sessions could not be read.
    pub async fn own_sessions(
        &self,
        who: &Verified,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<SessionPage, Unavailable> {
        let filter = SessionFilter {
            matching: SessionMatch { user: Some(who.user.id), ..SessionMatch::default() },
            with_ended: false,
            now: self.now(),
            idle_limits: self.policy().idle_verdicts(),
            before: after,
            // One more shows whether there is another page.
            limit: limit.saturating_add(1),
            effort: EFFORT,
        };
        let (current, limit) = (who.session.id, self.inner.timeouts.check);
        let turn = tokio::time::timeout(limit, Arc::clone(&self.inner.lists).acquire_owned()).await;
        let turn = turn.map_err(|_| Unavailable::TimedOut("checks"))?;
        let read = move |connection: &mut dyn Connection| {
            // Held until the read has ended, even if the client is gone.
            let _turn = turn;
            read_page(connection, &filter, current)
        };
        let mut page = self.read(read).await?;
        for entry in &mut page.sessions {
            // A use that this node has not written yet counts too.
            let seen = self.inner.last_seen_writer.pending(entry.session.id);
            entry.session.last_seen = entry.session.last_seen.max(seen.unwrap_or(entry.session.last_seen));
        }
        Ok(page)
    }

    /// Ends a session of the user `who`. `false` if the user has no such session, or it has already ended.
    ///
    /// # Errors
    /// When the outcome is not known.
    pub async fn end_own_session(
        &self,
        who: &Verified,
        session: SessionId,
        origin: Origin,
    ) -> Result<bool, Unavailable> {
        let found = self.read(move |connection| connection.find_session(session)).await?;
        // The user of a session never changes, so this needs no guard.
        if found.is_none_or(|entry| entry.user_id != who.user.id) {
            return Ok(false);
        }
        let event = if session == who.session.id { Event::Logout } else { Event::RevokedByUser };
        let audit = self.audit(event, Actor::User(who.user.id), origin);
        self.write(OnDisconnect::Finish, move |connection| connection.end_session(session, &audit)).await
    }

    /// Ends all sessions of the user `who` except the current one, in all dialects.
    ///
    /// # Errors
    /// When the outcome is not known.
    pub async fn end_other_sessions(&self, who: &Verified, origin: Origin) -> Result<(), Unavailable> {
        let audit = self.audit(Event::OthersRevoked, Actor::User(who.user.id), origin);
        let (user, keep) = (who.user.id, who.session.id);
        let end = move |connection: &mut dyn Connection| connection.end_other_sessions(user, keep, &audit);
        self.write(OnDisconnect::Finish, end).await.map(drop)
    }
}

fn read_page(connection: &mut dyn Connection, filter: &SessionFilter, current: SessionId) -> StoreResult<SessionPage> {
    let SessionList { mut sessions, unsearched } = connection.list_sessions(filter)?;
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX).saturating_sub(1);
    let has_more = sessions.len() > limit;
    sessions.truncate(limit);
    let next = sessions.last().filter(|_| has_more).map(|entry| entry.session.id).or(unsearched);
    let is_first = filter.before.is_none();
    if !is_first {
        sessions.retain(|entry| entry.session.id != current);
    } else if !sessions.iter().any(|entry| entry.session.id == current) {
        // It may have been ended since the check.
        sessions.extend(connection.find_session(current)?.filter(|entry| entry.session.ended.is_none()));
    }
    Ok(SessionPage { sessions, next, has_stopped: unsearched.is_some() })
}
