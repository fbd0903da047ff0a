//! Audit events: listing them, and recording acts that were refused. An act that is done writes its event in its own
//! transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{
    AddedClient, Admin, AdminError, Imported, NewAccount, NewPassword, RotatedClient, ScriptToken, Shown,
    check_new_account,
};
use crate::domain::audit::{AuditContext, Event};
use crate::domain::client::{ClientId, Rights};
use crate::domain::import::ImportData;
use crate::domain::jwt::{Algorithm, KeySecret};
use crate::domain::password::one_time::OneTimePassword;
use crate::domain::session::{SessionId, SessionKind};
use crate::domain::time::Timestamp;
use crate::domain::user::{User, UserId};
use crate::store::{EventEntry, EventFilter, NewEvent, SessionMatch, SharedEmail};

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

impl Admin {
    /// Lists audit events.
    ///
    /// # Errors
    /// The store failed.
    pub fn list_events(&self, filter: &EventFilter) -> Result<Vec<EventEntry>, AdminError> {
        Ok(self.store.list_events(filter)?)
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
        self.told(act, None, self.find_user(named))
    }

    /// As [`check_new_account`], for a caller that asks for the password afterwards: the refusal is recorded.
    ///
    /// # Errors
    /// What is wrong, or the store failed.
    pub fn check_new_account(&self, username: &str, email: &str) -> Result<(), AdminError> {
        self.told(Event::UserCreated, None, check_new_account(username, email))
    }

    /// Records the refusal of an act, before it is answered.
    pub(super) fn told<T>(
        &self,
        act: Event,
        user: Option<UserId>,
        done: Result<T, AdminError>,
    ) -> Result<T, AdminError> {
        self.told_of_session(act, (user, None), done)
    }

    fn told_of_session<T>(
        &self,
        act: Event,
        (user, session): (Option<UserId>, Option<SessionId>),
        done: Result<T, AdminError>,
    ) -> Result<T, AdminError> {
        if let Some(reason) = done.as_ref().err().and_then(AdminError::refusal) {
            let detail = json!({ "act": act.as_str(), "reason": reason });
            self.record_context(self.audit(Event::ActRefused).with_detail(detail), user, session)?;
        }
        done
    }
}

/// The acts, with an event also where one is refused.
impl Admin {
    /// Adds a user, under the [`normal_form`](crate::domain::user::normal_form) of the name and of the e-mail address.
    ///
    /// # Errors
    /// A name, e-mail address or password that cannot be; or the store failed.
    pub fn add_user(&self, new: NewAccount) -> Result<UserId, AdminError> {
        self.told(Event::UserCreated, None, self.try_add_user(new))
    }

    /// Gives a user another name. No session ends.
    ///
    /// # Errors
    /// A name that cannot be, a user who is gone; or the store failed.
    pub fn rename_user(&self, user: &User, name: &str) -> Result<(), AdminError> {
        self.told(Event::UserRenamed, Some(user.id), self.try_rename_user(user, name))
    }

    /// Gives a user another e-mail address, or takes it away if `email` is empty. No session ends.
    ///
    /// # Errors
    /// An address that cannot be, a user who is gone; or the store failed.
    pub fn set_email(&self, user: &User, email: &str, shared: SharedEmail) -> Result<(), AdminError> {
        self.told(Event::EmailChanged, Some(user.id), self.try_set_email(user, email, shared))
    }

    /// Makes a user a staff user, or no longer. No session ends.
    ///
    /// # Errors
    /// The user is gone, or the store failed.
    pub fn set_staff(&self, user: &User, is_staff: bool) -> Result<(), AdminError> {
        let act = if is_staff { Event::StaffGranted } else { Event::StaffWithdrawn };
        self.told(act, Some(user.id), self.try_set_staff(user, is_staff))
    }

    /// Makes a user an administrator, or no longer. No session for clients ends; those for administration are refused
    /// at once.
    ///
    /// # Errors
    /// The user is gone, or is the last administrator; or the store failed.
    pub fn set_admin(&self, user: &User, is_admin: bool) -> Result<(), AdminError> {
        let act = if is_admin { Event::AdminGranted } else { Event::AdminWithdrawn };
        self.told(act, Some(user.id), self.try_set_admin(user, is_admin))
    }

    /// Gives a user a new password, which ends all sessions.
    ///
    /// # Errors
    /// A password that cannot be, a user who is gone, or the last administrator and a hash that no password fits; or
    /// the store failed.
    pub fn set_password(&self, user: &User, new: NewPassword) -> Result<(), AdminError> {
        self.told(Event::PasswordChanged, Some(user.id), self.try_set_password(user, new))
    }

    /// Puts a one-time password in the place of a user's password, which ends all sessions. The value is good once,
    /// for setting another password, and exists nowhere else.
    ///
    /// # Errors
    /// The user is gone or is the last administrator, or there are no random bytes; or the store failed.
    pub fn reset_password(&self, user: &User) -> Result<OneTimePassword, AdminError> {
        self.told(Event::PasswordReset, Some(user.id), self.try_reset_password(user))
    }

    /// Lets a user log in, or shuts a user out and ends all sessions.
    ///
    /// # Errors
    /// The user is gone, or is the last administrator; or the store failed.
    pub fn set_active(&self, user: &User, active: bool) -> Result<(), AdminError> {
        let act = if active { Event::Activated } else { Event::Deactivated };
        self.told(act, Some(user.id), self.try_set_active(user, active))
    }

    /// Deletes a user with all sessions.
    ///
    /// # Errors
    /// The user is gone, or is the last administrator; or the store failed, and the user may be deleted in part.
    pub fn delete_user(&self, user: &User) -> Result<(), AdminError> {
        self.told(Event::UserDeleted, Some(user.id), self.try_delete_user(user))
    }

    /// Ends one session.
    ///
    /// # Errors
    /// There is no such live session, or the store failed.
    pub fn end_session(&self, session: SessionId) -> Result<(), AdminError> {
        self.told_of_session(Event::Revoked, (None, Some(session)), self.try_end_session(session))
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// The user is gone, or the store failed.
    pub fn end_all_sessions(&self, user: &User) -> Result<(), AdminError> {
        self.told(Event::Revoked, Some(user.id), self.try_end_all_sessions(user))
    }

    /// Ends the live sessions that match and were opened up to the moment of a dry run, and returns their number. When
    /// this returns, no check accepts a token of any of them. `progress` is called with the number so far.
    ///
    /// # Errors
    /// There is no condition, or more sessions match than were shown: then none is ended. Or the store failed, and
    /// some are ended: calling this again ends the rest.
    pub fn end_filtered(
        &self,
        matching: &SessionMatch,
        shown: Shown,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, AdminError> {
        self.told(Event::MassEndStarted, None, self.try_end_filtered(matching, shown, progress))
    }

    /// Ends the sessions of all users, also that of the caller, at the same cost for any number.
    ///
    /// # Errors
    /// The store failed.
    pub fn end_everybody(&self) -> Result<(), AdminError> {
        self.told(Event::AllSessionsEnded, None, self.try_end_everybody())
    }

    /// Ends all sessions that were opened before `moment`, at the same cost for any number.
    ///
    /// # Errors
    /// The moment is in the future, or the store failed.
    pub fn end_issued_before(&self, moment: Timestamp) -> Result<(), AdminError> {
        self.told(Event::OldSessionsEnded, None, self.try_end_issued_before(moment))
    }

    /// Makes a token for a script that acts as `user`, good for `lifetime`; `None`: until it is revoked. The
    /// limit on a user's sessions does not apply. A token for administration ([`SessionKind::AdminScript`]) is good at
    /// the administration API alone.
    ///
    /// # Errors
    /// A name that cannot be, a user who is not active, a token for administration without an end or of a user who is no
    /// administrator; or the store failed.
    pub fn create_token(
        &self,
        user: &User,
        name: String,
        lifetime: Option<Duration>,
        kind: SessionKind,
    ) -> Result<ScriptToken, AdminError> {
        self.told(Event::TokenCreated, Some(user.id), self.try_create_token(user, name, lifetime, kind))
    }

    /// Adds a key that takes over signing, and returns the moment from which it signs. `given` is the HS256
    /// secret of the settings.
    ///
    /// # Errors
    /// The secret of the settings is that of the newest key already; or the store failed.
    pub fn rotate_key(&self, algorithm: Algorithm, given: Option<&KeySecret>) -> Result<Timestamp, AdminError> {
        self.told(Event::KeyRotated, None, self.try_rotate_key(algorithm, given))
    }

    /// Takes a key out of use at once.
    ///
    /// # Errors
    /// There is no such key in use, or nothing could be made without it; or the store failed.
    pub fn retire_key(&self, id: i64) -> Result<(), AdminError> {
        self.told(Event::KeyRetired, None, self.try_retire_key(id))
    }

    /// Registers a client that may make `limit` requests a second on each node; `None`: any number.
    ///
    /// # Errors
    /// A name that cannot be or is taken, no right, a limit that cannot be; or the store failed.
    pub fn add_client(&self, name: String, rights: Rights, limit: Option<u32>) -> Result<AddedClient, AdminError> {
        self.told(Event::ClientAdded, None, self.try_add_client(name, rights, limit))
    }

    /// Gives a client a new secret. The one that it replaces stays good for `keep_old`, and the one before that is refused
    /// at once.
    ///
    /// # Errors
    /// There is no such client, or `keep_old` is more than [`MAX_KEEP_OLD_SECRET`](super::MAX_KEEP_OLD_SECRET); or the
    /// store failed.
    pub fn rotate_client(&self, client: ClientId, keep_old: Duration) -> Result<RotatedClient, AdminError> {
        self.told(Event::ClientRotated, None, self.try_rotate_client(client, keep_old))
    }

    /// Deletes a client: its secrets are refused at once, and for good.
    ///
    /// # Errors
    /// There is no such client, or the store failed.
    pub fn delete_client(&self, client: ClientId) -> Result<(), AdminError> {
        self.told(Event::ClientDeleted, None, self.try_delete_client(client))
    }

    /// Takes over users and knox tokens: all of them, or nothing.
    ///
    /// # Errors
    /// All clashes with what is there; or the store failed.
    pub fn import(&self, data: &ImportData) -> Result<Imported, AdminError> {
        self.told(Event::Imported, None, self.try_import(data))
    }
}
