//! The audit trail: which change was made, and by whom.

use diesel::{QueryResult, RunQueryDsl};

use super::any::AnyConnection;
use super::hot::InsertAudit;
use super::rows::storable;
use crate::domain::audit::{AuditContext, Event};
use crate::domain::session::SessionId;
use crate::domain::user::UserId;
use crate::store::NewEvent;

mod list;
mod retention;

pub(super) use list::{count, list};
#[cfg(all(test, feature = "sqlite"))]
pub(super) use retention::HAS_ORIGIN;
#[cfg(all(test, feature = "postgres"))]
pub(super) use retention::HAS_ORIGIN_POSTGRES;

/// The subject of an audit event.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct About {
    /// The user concerned.
    pub(super) user: Option<UserId>,
    /// The one session concerned.
    pub(super) session: Option<SessionId>,
    /// The new epoch of the user, or that of the cutoff if there is no user, if it was raised.
    pub(super) epoch: Option<i64>,
    /// The moment before which all sessions ended, if they did.
    pub(super) issued_before: Option<i64>,
}

impl About {
    /// One session of a user.
    pub(super) const fn session(user: UserId, session: SessionId) -> Self {
        Self { user: Some(user), session: Some(session), epoch: None, issued_before: None }
    }

    /// A user, and the new epoch if it was raised.
    pub(super) const fn user(user: UserId, epoch: Option<i64>) -> Self {
        Self { user: Some(user), session: None, epoch, issued_before: None }
    }
}

/// Records the event of the context, in the open transaction.
pub(super) fn record(connection: &mut AnyConnection, audit: &AuditContext, about: About) -> QueryResult<()> {
    record_as(connection, audit.event, audit, about)
}

/// Records another event than that of the context, with its actor, origin and time.
pub(super) fn record_as(
    connection: &mut AnyConnection,
    event: Event,
    audit: &AuditContext,
    about: About,
) -> QueryResult<()> {
    insert(event, audit, about, 1).execute(connection).map(drop)
}

/// See [`crate::store::Connection::record_events`].
pub(super) fn record_all(connection: &mut AnyConnection, events: &[NewEvent]) -> QueryResult<()> {
    for NewEvent { audit, user, session, count } in events {
        let about = About { user: *user, session: *session, ..About::default() };
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        insert(audit.event, audit, about, count).execute(connection)?;
    }
    Ok(())
}

/// The statement that records an event.
pub(super) fn insert(event: Event, audit: &AuditContext, about: About, count: i64) -> InsertAudit {
    InsertAudit {
        at: audit.at.as_micros(),
        event: event.as_str().to_owned(),
        actor: audit.actor.to_string(),
        user: about.user.map(|user| user.0),
        session: about.session.map(|session| *session.as_bytes()),
        epoch: about.epoch,
        issued_before: about.issued_before,
        address: audit.origin.address_text(),
        user_agent: storable(audit.origin.user_agent.as_deref()),
        request_id: storable(audit.origin.request_id.as_deref()),
        detail: audit.detail.as_ref().map(ToString::to_string),
        count,
    }
}
