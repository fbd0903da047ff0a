//! Administration: users, lists, keys, imports, sweeping.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};

use super::any::AnyConnection;
use super::audit::{self, About};
use super::emptying::{Emptied, Emptying};
use super::hot::statement;
use super::schema::sessions;
use super::sweep::BATCH;
use super::{DieselStore, clients, cutoff, findings, keys, lists, users};
use crate::domain::audit::AuditContext;
use crate::domain::client::{ClientEntry, ClientId};
use crate::domain::import::ImportData;
use crate::domain::jwt::{Algorithm, KeySecret, StoredKey};
use crate::domain::random::Random;
use crate::domain::session::SessionId;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::{NewUser, PasswordHash, UserId};
use crate::store::{
    AdminStore, ClientCreation, ClientRotation, ClockTrust, EventFilter, EventList, Findings, ImportError,
    ImportReport, KeyEntry, KeyError, LastAdmin, LiveSet, NewClient, Retiring, SessionCount, SessionFilter,
    SessionList, SharedEmail, StoreResult, Subject, SweepMoment, SweepPolicy, SweepReport, UserChange, UserChanged,
    UserCreation, UserEntry, UserFilter,
};

statement! {
    /// Some of a user's sessions.
    FindSomeSessions { user: i64 as BigInt } -> Binary,
    ["SELECT id FROM sessions WHERE user_id = ", user, " LIMIT ", {BATCH}]
}

impl AdminStore for DieselStore {
    fn create_user(&self, new: &NewUser, shared: SharedEmail, audit: &AuditContext) -> StoreResult<UserCreation> {
        self.add(|any| users::create(any, new, shared, audit))
    }

    fn change_user(&self, user: UserId, change: &UserChange, audit: &AuditContext) -> StoreResult<UserChanged> {
        self.admin(|connection| match change {
            // This ends sessions, for which there is room on a full disk.
            UserChange::Admin(false, _) => connection.end(|any, _| users::change(any, user, change, audit)),
            UserChange::Username(_) | UserChange::Email(..) | UserChange::Staff(_) | UserChange::Admin(true, _) => {
                connection.add(|any| users::change(any, user, change, audit))
            }
        })
    }

    fn set_password(
        &self,
        user: UserId,
        new: &PasswordHash,
        keep: Option<SessionId>,
        audit: &AuditContext,
    ) -> StoreResult<UserChanged> {
        self.end(|any, room| users::set_password(any, user, (new, keep), audit, room))
    }

    fn set_active(
        &self,
        user: UserId,
        active: bool,
        last: LastAdmin,
        audit: &AuditContext,
    ) -> StoreResult<UserChanged> {
        let set = |any: &mut AnyConnection| users::set_active(any, user, (active, last), audit);
        self.admin(|connection| if active { connection.add(set) } else { connection.end(|any, _| set(any)) })
    }

    fn delete_user(&self, user: UserId, last: LastAdmin, audit: &AuditContext) -> StoreResult<UserChanged> {
        let mut outcome = UserChanged::NoSuchUser;
        // Repeated only if the user was activated again meanwhile and logged in.
        loop {
            match self.end(|any, _| users::condemn(any, user, last, audit))? {
                UserChanged::Done => outcome = UserChanged::Done,
                UserChanged::NoSuchUser => break,
                refused @ (UserChanged::NameTaken
                | UserChanged::Lookalike(_)
                | UserChanged::EmailTaken(_)
                | UserChanged::LastAdmin) => return Ok(refused),
            }
            let mut emptying = Emptying::new(Emptied::Bury(user, audit.at));
            self.repeat(&|| true, |any| {
                let sessions = FindSomeSessions { user: user.0 }.load(any)?;
                let done = emptying.batch(any, sessions)?;
                Ok(done.rows())
            })?;
            if self.write(|any| users::delete(any, user))? > 0 {
                break;
            }
        }
        Ok(outcome)
    }

    fn end_everybody(&self, audit: &AuditContext) -> StoreResult<()> {
        self.end(|any, _| cutoff::end_everybody(any, audit))
    }

    fn end_issued_before(&self, moment: Timestamp, audit: &AuditContext) -> StoreResult<()> {
        self.end(|any, _| cutoff::end_issued_before(any, moment, audit))
    }

    fn list_users(&self, filter: &UserFilter) -> StoreResult<Vec<UserEntry>> {
        self.read(|any| lists::users(any, filter))
    }

    fn list_sessions(&self, filter: &SessionFilter) -> StoreResult<SessionList> {
        self.read(|any| lists::sessions(any, filter))
    }

    fn count_sessions(
        &self,
        set: &LiveSet,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> StoreResult<SessionCount> {
        self.count_set(set, progress)
    }

    fn end_sessions(
        &self,
        set: &LiveSet,
        audit: &AuditContext,
        clock: &dyn Clock,
        progress: &mut dyn FnMut(u64),
    ) -> StoreResult<u64> {
        self.end_set(set, audit, clock, progress)
    }

    fn list_events(&self, filter: &EventFilter) -> StoreResult<EventList> {
        self.read(|any| audit::list(any, filter))
    }

    fn count_events(&self, from: Timestamp) -> StoreResult<BTreeMap<String, u64>> {
        self.read(|any| audit::count(any, from))
    }

    fn note_password_given(&self, session: SessionId, audit: &AuditContext) -> StoreResult<bool> {
        self.add(|any| {
            let user: Option<i64> = diesel::update(sessions::table.find(session.as_bytes().as_slice()))
                .filter(sessions::ended_at.is_null())
                .set(sessions::proven_at.eq(audit.at.as_micros()))
                .returning(sessions::user_id)
                .get_result(any)
                .optional()?;
            let Some(user) = user else { return Ok(false) };
            audit::record(any, audit, About::session(UserId(user), session))?;
            Ok(true)
        })
    }

    fn password_given_at(&self, session: SessionId) -> StoreResult<Option<Timestamp>> {
        let row = sessions::table.find(session.as_bytes().as_slice()).select(sessions::proven_at);
        let found: Option<Option<i64>> = self.read(|any| row.get_result(any).optional())?;
        Ok(found.flatten().map(Timestamp::from_micros))
    }

    fn list_keys(&self) -> StoreResult<Vec<KeyEntry>> {
        self.read(keys::list)
    }

    fn load_keys(&self, given: Option<&KeySecret>) -> Result<Vec<StoredKey>, KeyError> {
        keys::load(self, given)
    }

    fn ensure_keys(
        &self,
        algorithm: Algorithm,
        given: Option<&KeySecret>,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<Vec<StoredKey>, KeyError> {
        keys::ensure(self, algorithm, given, random, now)
    }

    fn rotate_key(
        &self,
        algorithm: Algorithm,
        given: Option<&KeySecret>,
        random: &dyn Random,
        audit: &AuditContext,
    ) -> Result<(), KeyError> {
        keys::rotate(self, algorithm, given, random, audit)
    }

    fn retire_key(&self, id: i64, audit: &AuditContext) -> StoreResult<Retiring> {
        self.write(|any| keys::retire(any, id, audit))
    }

    fn import(&self, data: &ImportData, audit: &AuditContext) -> Result<ImportReport, ImportError> {
        self.import_all(data, audit)
    }

    fn sweep_once(
        &self,
        now: Timestamp,
        trust: ClockTrust,
        policy: &SweepPolicy,
    ) -> StoreResult<(SweepMoment, SweepReport)> {
        let moment = self.begin_sweep(now, trust)?;
        Ok((moment, self.sweep_until(moment.until, policy, &|| true)?))
    }

    fn add_client(&self, new: &NewClient, audit: &AuditContext) -> StoreResult<ClientCreation> {
        self.add(|any| clients::add(any, new, audit))
    }

    fn list_clients(&self, after: Option<ClientId>, limit: u32) -> StoreResult<Vec<ClientEntry>> {
        self.read(|any| clients::list(any, after, limit))
    }

    fn rotate_client(&self, rotation: &ClientRotation, audit: &AuditContext) -> StoreResult<bool> {
        // This ends a secret, for which there is room on a full disk.
        self.end(|any, _| clients::rotate(any, rotation, audit))
    }

    fn delete_client(&self, client: ClientId, audit: &AuditContext) -> StoreResult<bool> {
        self.end(|any, _| clients::delete(any, client, audit))
    }

    fn look_up(&self, subject: &Subject) -> StoreResult<Findings> {
        self.read(|any| findings::look_up(any, subject))
    }
}
