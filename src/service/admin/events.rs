//! Audit events: listing them, and recording acts that were refused. An act that is done writes its event in its own
//! transaction.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::search::go_on;
use super::{Admin, AdminError, check_new_account};
use crate::domain::audit::{AuditContext, Event};
use crate::domain::session::SessionId;
use crate::domain::time::Timestamp;
use crate::domain::user::{User, UserId};
use crate::service::sessions::EFFORT;
use crate::store::{EventCursor, EventEntry, EventFilter, EventList, NewEvent};

impl AdminError {
    /// Why an act was refused, as it is recorded; `None` if it failed by accident, and may have been done.
    pub const fn refusal(&self) -> Option<&'static str> {
        Some(match self {
            Self::Store(_) | Self::DeletedInPart(_) | Self::EndedInPart { .. } | Self::Random(_) => return None,
            Self::NoCondition => "no_condition",
            Self::MoreThanShown { .. } => "more_than_shown",
            Self::BadKey(_) => "bad_key",
            Self::KeySecret(_) => "other_key_secret",
            Self::NoSuchUser(_) => "no_such_user",
            Self::LastAdmin(_) => "last_admin",
            Self::NotAdmin(_) => "not_an_administrator",
            Self::EndRequired => "end_required",
            Self::FutureMoment => "future_moment",
            Self::NoSuchSession(_) => "no_such_session",
            Self::NoSuchToken(_) => "no_such_token",
            Self::NoSuchKey(_) => "no_such_key",
            Self::BadName(_) => "bad_name",
            Self::BadEmail => "bad_email",
            Self::NameTaken(_) => "name_taken",
            Self::Lookalike { .. } => "lookalike_name",
            Self::EmailTaken { .. } => "email_taken",
            Self::Weak(_) => "weak_password",
            Self::UselessHash(_) => "useless_hash",
            Self::BadTokenName => "bad_token_name",
            Self::NotActive(_) => "user_not_active",
            Self::SecretInUse => "secret_in_use",
            Self::LastKey(_) => "last_key",
            Self::Clashes(_) => "clashes",
            Self::BadSearch(_) => "bad_search",
            Self::NoSuchClient(_) => "no_such_client",
            Self::BadClientName => "bad_client_name",
            Self::ClientNameTaken(_) => "client_name_taken",
            Self::NoRights => "no_rights",
            Self::BadLimit => "bad_limit",
            Self::KeptTooLong => "kept_too_long",
        })
    }
}

/// Lists events until enough are found or there are no more, however often `list` stops early.
pub(crate) fn search_events(
    filter: &EventFilter,
    list: impl Fn(&EventFilter) -> Result<EventList, AdminError>,
) -> Result<Vec<EventEntry>, AdminError> {
    go_on(filter.limit, |stopped: Option<EventCursor>, limit| {
        let part = list(&EventFilter { after: stopped.or(filter.after), limit, ..filter.clone() })?;
        Ok((part.events, part.unsearched.map(|position| position.cursor)))
    })
}

impl Admin {
    /// Lists audit events, in a bounded time, whatever the filter says about it: among very many that do not match, it
    /// stops before it has found enough, and says where.
    ///
    /// # Errors
    /// The store failed.
    pub fn list_events(&self, filter: &EventFilter) -> Result<EventList, AdminError> {
        Ok(self.store.list_events(&EventFilter { effort: EFFORT, ..filter.clone() })?)
    }

    /// The same without a bound: searches until enough are found or there are no more.
    ///
    /// # Errors
    /// The store failed.
    pub fn search_events(&self, filter: &EventFilter) -> Result<Vec<EventEntry>, AdminError> {
        search_events(filter, |part| self.list_events(part))
    }

    /// How many events of each name there are of this time and later, as many as their rows stand for.
    ///
    /// # Errors
    /// The store failed.
    pub fn count_events(&self, from: Timestamp) -> Result<BTreeMap<String, u64>, AdminError> {
        Ok(self.store.count_events(from)?)
    }

    /// Records an event in a transaction of its own: an act that was refused before a method of this type was called,
    /// or that has no other transaction. `detail` must hold no secret, no name, and nothing that a client typed.
    /// The methods of this type record their own refusals.
    ///
    /// # Errors
    /// The store failed: then the act must be answered as if it had.
    pub fn record(&self, event: Event, user: Option<UserId>, detail: Value) -> Result<(), AdminError> {
        self.record_context(self.audit(event).with_detail(detail), user, None)
    }

    fn record_context(
        &self,
        audit: AuditContext,
        user: Option<UserId>,
        session: Option<SessionId>,
    ) -> Result<(), AdminError> {
        Ok(self.connect()?.record_events(&[NewEvent { audit, user, session, count: 1 }])?)
    }

    /// The user on whom an act is to be done: as [`Admin::find_user`], and if there is none, the act is recorded as
    /// refused.
    ///
    /// # Errors
    /// There is none, or the store failed.
    pub fn find_for(&self, act: Event, named: &str) -> Result<User, AdminError> {
        self.recording_refusal(act, None, || self.find_user(named))
    }

    /// As [`check_new_account`], for a caller that asks for the password afterwards: the refusal is recorded.
    ///
    /// # Errors
    /// What is wrong, or the store failed.
    pub fn check_new_account(&self, username: &str, email: &str) -> Result<(), AdminError> {
        self.recording_refusal(Event::UserCreated, None, || check_new_account(username, email))
    }

    /// Does an act. If it is refused, that is recorded before it is answered.
    pub(super) fn recording_refusal<T>(
        &self,
        act: Event,
        user: Option<UserId>,
        done: impl FnOnce() -> Result<T, AdminError>,
    ) -> Result<T, AdminError> {
        let done = done();
        self.record_refusal(act, (user, None), &done)?;
        done
    }

    /// Records an act on a user or a session if it was refused.
    pub(super) fn record_refusal<T>(
        &self,
        act: Event,
        (user, session): (Option<UserId>, Option<SessionId>),
        done: &Result<T, AdminError>,
    ) -> Result<(), AdminError> {
        let Some(reason) = done.as_ref().err().and_then(AdminError::refusal) else { return Ok(()) };
        let detail = json!({ "act": act.as_str(), "reason": reason });
        self.record_context(self.audit(Event::ActRefused).with_detail(detail), user, session)
    }
}
