//! The row that ends the sessions of all users at once, and how sessions ended that have no end of their own.
//!
//! A session is live only while its epoch is that of its user plus that of the cutoff, and if it was opened at
//! the cutoff's moment or later. So one changed row ends any number of sessions (`docs/adr/0035-one-row-ends-all-sessions.md`).

use std::collections::HashMap;

use diesel::prelude::*;

use super::any::AnyConnection;
use super::audit::{self, About};
use super::hot::{CUTOFF_EPOCH, ISSUED_BEFORE};
use super::schema::{audit_events, session_cutoff, users};
use crate::domain::audit::AuditContext;
use crate::domain::time::Timestamp;

/// See [`crate::store::AdminStore::end_everybody`].
pub(super) fn end_everybody(any: &mut AnyConnection, audit: &AuditContext) -> QueryResult<()> {
    let epoch = diesel::update(session_cutoff::table.find(1))
        .set(session_cutoff::epoch.eq(session_cutoff::epoch + 1))
        .returning(session_cutoff::epoch)
        .get_result(any)?;
    audit::record(any, audit, About { epoch: Some(epoch), ..About::default() })
}

/// See [`crate::store::AdminStore::end_issued_before`]. A greater moment may have ended them all before.
pub(super) fn end_issued_before(any: &mut AnyConnection, moment: Timestamp, audit: &AuditContext) -> QueryResult<()> {
    let before = moment.as_micros();
    diesel::update(session_cutoff::table.find(1))
        .filter(session_cutoff::issued_before.lt(before))
        .set(session_cutoff::issued_before.eq(before))
        .execute(any)?;
    // This record waits for the standbys, also if another transaction has moved the row.
    audit::record(any, audit, About { issued_before: Some(before), ..About::default() })
}

#[diesel::dsl::auto_type]
fn cutoff_epoch() -> _ {
    session_cutoff::table.find(1_i64).select(session_cutoff::epoch).single_value().assume_not_null()
}

type CarriedEpoch = <users::auth_epoch as std::ops::Add<cutoff_epoch>>::Output;

/// The epoch of a user as sessions carry it, for diesel's query builder.
pub(super) fn carried_epoch() -> CarriedEpoch {
    users::auth_epoch + cutoff_epoch()
}

/// The same as text, in a query on `users`.
pub(super) fn user_epoch() -> String {
    format!("users.auth_epoch + {CUTOFF_EPOCH}")
}

/// The present epoch of a session's user, in a query on `sessions`. Without its user, a session is over.
pub(super) fn epoch_of_user() -> String {
    format!(
        "coalesce((SELECT u.auth_epoch FROM users u WHERE u.id = sessions.user_id) + {CUTOFF_EPOCH}, sessions.auth_epoch + 1)"
    )
}

/// Whether a session of an active user is neither of an old epoch nor from before the cutoff, in a query on `sessions`.
/// No join: SQLite would begin with the users, and sort all their sessions. The plus keeps it from `sessions_open`, which is
/// in another order than pages are.
pub(super) fn is_current() -> String {
    format!(
        "(+sessions.auth_epoch = (SELECT u.auth_epoch FROM users u WHERE u.id = sessions.user_id AND u.is_active) \
         + {CUTOFF_EPOCH} AND sessions.created >= {ISSUED_BEFORE})"
    )
}

/// A session that may have ended together with others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened {
    pub(super) user: i64,
    /// The present epoch of the user, as sessions carry it.
    pub(super) user_epoch: i64,
    pub(super) epoch: i64,
    pub(super) created: i64,
    pub(super) last_seen: i64,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) at: i64,
    /// The event that ended it; `None`: SQL without an event.
    pub(super) event: Option<String>,
    pub(super) actor: Option<String>,
}

/// An event that ended sessions of all users.
struct CutoffEvent {
    ended: Ended,
    issued_before: Option<i64>,
}

/// The row, and the events that changed it.
struct Cutoff {
    issued_before: i64,
    events: Vec<CutoffEvent>,
}

type CutoffEventRow = (i64, String, String, Option<i64>);
type EpochEventRow = (Option<i64>, Option<i64>, i64, String, String);

/// How each of these sessions ended together with others; `None` where it did not.
pub(super) fn ends(any: &mut AnyConnection, sessions: &[Opened]) -> QueryResult<Vec<Option<Ended>>> {
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    let issued_before: i64 = session_cutoff::table.find(1).select(session_cutoff::issued_before).first(any)?;
    let over = sessions.iter().filter(|session| session.epoch != session.user_epoch || session.created < issued_before);
    // Most pages have none that is over, and no session ended by an event from before it was opened.
    let Some(oldest) = over.map(|session| session.created).min() else {
        return Ok(vec![None; sessions.len()]);
    };
    let cutoff = Cutoff::since(any, oldest, issued_before)?;
    let of_users = epoch_events(any, sessions)?;
    Ok(sessions.iter().map(|session| cutoff.end_of(*session, &of_users)).collect())
}

impl Cutoff {
    /// With the events since a moment. No limit: a session whose event is left out would seem to have ended without one.
    fn since(any: &mut AnyConnection, oldest: i64, issued_before: i64) -> QueryResult<Self> {
        let events: Vec<CutoffEventRow> = audit_events::table
            .filter(diesel::dsl::sql::<diesel::sql_types::Bool>(
                "event IN ('all_sessions_ended', 'old_sessions_ended')",
            ))
            .filter(audit_events::at.ge(oldest))
            .order(audit_events::id)
            .select((audit_events::at, audit_events::event, audit_events::actor, audit_events::issued_before))
            .load(any)?;
        let events = events.into_iter().map(|(at, event, actor, issued_before)| CutoffEvent {
            ended: Ended { at, event: Some(event), actor: Some(actor) },
            issued_before,
        });
        Ok(Self { issued_before, events: events.collect() })
    }

    fn end_of(&self, session: Opened, of_users: &EpochEvents) -> Option<Ended> {
        let by_epoch = (session.epoch != session.user_epoch).then(|| {
            let of_user = of_users.get(&(session.user, session.epoch + 1)).cloned();
            of_user.or_else(|| self.first(session, |event| event.issued_before.is_none()))
        });
        let by_moment = (session.created < self.issued_before)
            .then(|| self.first(session, |event| event.issued_before.is_some_and(|before| session.created < before)));
        match (by_epoch, by_moment) {
            (None, None) => None,
            (Some(Some(one)), Some(Some(other))) => Some(if one.at <= other.at { one } else { other }),
            (Some(Some(only)), _) | (_, Some(Some(only))) => Some(only),
            // It ended by SQL, at some time after its last use.
            (Some(None), _) | (_, Some(None)) => Some(Ended { at: session.last_seen, event: None, actor: None }),
        }
    }

    /// The first event since the session was opened that fits.
    fn first(&self, session: Opened, fits: impl Fn(&CutoffEvent) -> bool) -> Option<Ended> {
        self.events
            .iter()
            .find(|event| event.ended.at >= session.created && fits(event))
            .map(|event| event.ended.clone())
    }
}

/// What raised a user's epoch to a number.
type EpochEvents = HashMap<(i64, i64), Ended>;

/// The events that ended these sessions together with all others of their user.
fn epoch_events(any: &mut AnyConnection, sessions: &[Opened]) -> QueryResult<EpochEvents> {
    let dead: Vec<_> = sessions.iter().filter(|session| session.epoch != session.user_epoch).collect();
    if dead.is_empty() {
        return Ok(HashMap::new());
    }
    let users: Vec<i64> = dead.iter().map(|session| session.user).collect();
    let epochs: Vec<i64> = dead.iter().map(|session| session.epoch + 1).collect();
    let events: Vec<EpochEventRow> = audit_events::table
        .filter(audit_events::user_id.eq_any(users))
        .filter(audit_events::auth_epoch.eq_any(epochs))
        .select((
            audit_events::user_id,
            audit_events::auth_epoch,
            audit_events::at,
            audit_events::event,
            audit_events::actor,
        ))
        .load(any)?;
    let keyed = events.into_iter().filter_map(|(user, epoch, at, event, actor)| {
        Some(((user?, epoch?), Ended { at, event: Some(event), actor: Some(actor) }))
    });
    Ok(keyed.collect())
}
