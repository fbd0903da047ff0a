//! The [`Connection`] of a [`super::DieselStore`]: each method one transaction.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Instant;

use diesel::result::QueryResult;
use diesel::sql_types::BigInt;
use diesel::{OptionalExtension, RunQueryDsl};

use super::any::{self, AnyConnection, Ending, Failed, on_each};
use super::connect::{Role, Target};
use super::emptying::{AT_THE_END, IN_A_GROUP};
use super::error::{
    Waited, is_conflict, is_understood, logged, may_lack_room, not_begun, store_error, store_error_after,
};
use super::hot::statement;
use super::{audit, clients, lists, networks, sessions, standby, triggers, users};
use crate::domain::audit::AuditContext;
use crate::domain::client::{ClientId, ClientRecord};
use crate::domain::session::{SessionEntry, SessionId, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenDigest;
use crate::domain::user::{Account, Epoch, LoginName, NewUser, PasswordHash, UserId};
use crate::store::{
    Connection, EventFilter, EventList, NewEvent, NewSession, Opening, PasswordChange, Refresh, Refreshed,
    SessionFilter, SessionList, StoreError, StoreResult, Successor,
};

/// The schema that this program was written for.
pub(super) const SCHEMA: i64 = 14;

statement! {
    /// The version of the schema, and the oldest program that can work with it.
    SchemaInfo {} -> (BigInt, BigInt),
    ["SELECT version, compatible_from FROM schema_info"]
}

/// One connection, and the state of its transactions.
pub(super) struct DieselConnection {
    pub(super) any: AnyConnection,
    target: Arc<Target>,
    /// Whether steps are parts of an outer transaction.
    grouped: bool,
    /// Set when the database has dropped the outer transaction.
    lost: Option<StoreError>,
    /// Set when an error said that only another connection can help.
    spent: bool,
    /// Whether the group so far has ended sessions.
    ending: bool,
    /// How many more tokens the group, or a single transaction, may delete when it ends sessions.
    room: i64,
}

impl DieselConnection {
    /// Connects.
    ///
    /// # Errors
    /// When the database cannot be reached, or must not be used.
    pub(super) fn open(target: &Arc<Target>, role: Role) -> StoreResult<Self> {
        let any = target.connect(role)?;
        Ok(Self {
            any,
            target: Arc::clone(target),
            grouped: false,
            lost: None,
            spent: false,
            ending: false,
            room: AT_THE_END,
        })
    }

    /// Whether it can be used again: the database answers and its file is in place.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn check(&mut self) -> StoreResult<()> {
        self.read(diesel::r2d2::R2D2Connection::ping)
    }

    /// Whether it must be dropped.
    pub(super) fn is_broken(&mut self) -> bool {
        self.spent || diesel::r2d2::R2D2Connection::is_broken(&mut self.any)
    }

    /// Runs statements that only read.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) fn read<T>(&mut self, work: impl FnOnce(&mut AnyConnection) -> QueryResult<T>) -> StoreResult<T> {
        self.check_place()?;
        let begun = Instant::now();
        work(&mut self.any).map_err(|error| self.sorted(&error, begun))
    }

    fn sorted(&mut self, error: &diesel::result::Error, begun: Instant) -> StoreError {
        let waited = self.waited(begun);
        let error = store_error_after(error, &mut self.any, waited);
        self.spent |= error.is_broken_connection();
        error
    }

    fn waited(&self, begun: Instant) -> Waited {
        if begun.elapsed() < self.target.lock_timeout() { Waited::NotLong } else { Waited::Long }
    }

    /// Runs a transaction, and once more if it conflicted with another one.
    ///
    /// # Errors
    /// When the database fails; then nothing was written, unless the commit itself failed.
    pub(super) fn write<T>(&mut self, mut work: impl FnMut(&mut AnyConnection) -> QueryResult<T>) -> StoreResult<T> {
        self.write_or_undo(|connection| work(connection).map(Ending::Keep))
    }

    /// The same for a transaction that may be rolled back with a result.
    ///
    /// # Errors
    /// As [`DieselConnection::write`].
    pub(super) fn write_or_undo<T>(
        &mut self,
        mut work: impl FnMut(&mut AnyConnection) -> QueryResult<Ending<T>>,
    ) -> StoreResult<T> {
        self.check_place()?;
        let begun = Instant::now();
        let first = match any::write(&mut self.any, &mut work) {
            // Writes to a file that is no longer at its path must not be acknowledged.
            Ok(value) => return self.check_place().map(|()| value),
            Err(failed) => failed,
        };
        // A conflict may be worded in any language, and is found before a wait for a lock has to end.
        let perhaps = !is_understood(&first.error, &self.any) && self.waited(begun) == Waited::NotLong;
        if self.grouped || !first.undone || !(is_conflict(&first.error) || perhaps) {
            return Err(self.failure(&first, begun));
        }
        let begun = Instant::now();
        let value = any::write(&mut self.any, work).map_err(|second| self.failure(&second, begun))?;
        self.check_place().map(|()| value)
    }

    /// Runs a transaction that only adds data, unless the remaining disk space is reserved.
    pub(super) fn add<T>(&mut self, work: impl FnMut(&mut AnyConnection) -> QueryResult<T>) -> StoreResult<T> {
        self.target.admit_growth()?;
        self.write(work)
    }

    /// Runs a transaction that ends sessions, for which there is space even on a full disk. It gets the number of
    /// tokens that it may delete, and subtracts what it deletes: 0 while the disk is nearly full.
    pub(super) fn end<T>(
        &mut self,
        mut work: impl FnMut(&mut AnyConnection, &mut i64) -> QueryResult<T>,
    ) -> StoreResult<T> {
        let room = if self.target.make_room() { self.room.min(AT_THE_END) } else { 0 };
        let mut left = room;
        self.ending |= self.grouped;
        let outcome = self.write(|connection| {
            left = room;
            work(connection, &mut left)
        });
        if self.grouped {
            self.room -= room - left;
        }
        match outcome {
            // The system reported enough space, or another process was faster. If this attempt cannot be
            // repeated, the next one finds the space.
            Err(error) if may_lack_room(&error) && self.target.give_up_reserve() => {
                if self.lost.is_some() || self.is_broken() {
                    return Err(error);
                }
                self.write(|connection| work(connection, &mut 0))
            }
            outcome => outcome,
        }
    }

    fn failure(&mut self, failed: &Failed, begun: Instant) -> StoreError {
        let error = self.sorted(&failed.error, begun);
        if matches!(error, StoreError::Full(_)) {
            self.target.note_full();
        }
        if self.grouped && !failed.undone {
            self.lost = Some(error.clone());
        }
        if self.grouped || failed.begun { error } else { not_begun(error) }
    }

    /// Whether a step may run here. Once the outer transaction is gone, further steps
    /// would each be a transaction of its own, and stay although the group failed. In a
    /// group, the file is checked before and after the whole group.
    fn check_place(&self) -> StoreResult<()> {
        match &self.lost {
            Some(error) => Err(error.clone()),
            None if self.grouped => Ok(()),
            None => self.target.check_file(),
        }
    }

    /// Whether manual changes reach the revocation feeds.
    fn check_triggers(&mut self) -> StoreResult<()> {
        let differences = self.read(triggers::differences)?;
        if differences.is_empty() {
            return Ok(());
        }
        Err(logged(StoreError::Failed(triggers::describe(&differences))))
    }

    fn finish_group(&mut self) -> StoreResult<()> {
        (self.grouped, self.room) = (false, AT_THE_END);
        let finished = if let Some(error) = self.lost.take() {
            // There may be nothing to undo; the result is the same either way.
            let _ = any::rollback(&mut self.any);
            Err(error)
        } else {
            any::commit(&mut self.any).map_err(|error| store_error(&error, &mut self.any))
        };
        if self.ending && finished.as_ref().is_err_and(may_lack_room) {
            // For the next attempt: steps of the group run once.
            self.target.give_up_reserve();
        }
        finished?;
        self.target.check_file()
    }
}

impl Connection for DieselConnection {
    fn ping(&mut self) -> StoreResult<()> {
        let info: Option<(i64, i64)> = self.read(|connection| SchemaInfo {}.get_result(connection).optional())?;
        let unfit = match info {
            Some((version, compatible_from)) if version >= SCHEMA && compatible_from <= SCHEMA => {
                return self.check_triggers();
            }
            Some((version, _)) if version < SCHEMA => "the database's schema is too old: run `knoxide migrate`",
            Some(_) => "the database's schema is marked as incompatible with this program: use a newer one",
            None => "the database's schema has no version",
        };
        Err(logged(StoreError::Failed(unfit.to_owned())))
    }

    fn check_room(&mut self) -> StoreResult<()> {
        self.target.check_room()
    }

    fn find_many(&mut self, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>> {
        self.read(|connection| sessions::find_many(connection, digests))
    }

    fn find_account(&mut self, login: &LoginName) -> StoreResult<Option<Account>> {
        self.read(|connection| users::find(connection, login))
    }

    fn find_account_by_id(&mut self, user: UserId) -> StoreResult<Option<Account>> {
        self.read(|connection| users::find_by_id(connection, user))
    }

    fn last_login_from(&mut self, user: UserId, network: &str) -> StoreResult<Option<Timestamp>> {
        self.read(|connection| networks::last_login_from(connection, user, network))
    }

    fn open_session(&mut self, new: &NewSession) -> StoreResult<Opening> {
        self.target.admit_growth()?;
        self.write_or_undo(|connection| sessions::open(connection, new))
    }

    fn refresh(&mut self, refresh: &Refresh) -> StoreResult<Refreshed> {
        self.add(|connection| sessions::refresh(connection, refresh))
    }

    fn find_successor(&mut self, digest: &TokenDigest) -> StoreResult<Option<Successor>> {
        let found = self.read(|connection| sessions::find_successor(connection, digest))?;
        if found.is_some() && on_each!(&self.any, sqlite(_c) => false, postgres(_c) => true) {
            // The caller returns the successor again, so no failover may lose it.
            self.write(standby::confirm)?;
        }
        Ok(found)
    }

    fn end_session(&mut self, session: SessionId, audit: &AuditContext) -> StoreResult<bool> {
        self.end(|connection, room| sessions::end(connection, session, audit, room))
    }

    fn end_idle_session(
        &mut self,
        session: SessionId,
        last_seen: Timestamp,
        audit: &AuditContext,
    ) -> StoreResult<bool> {
        // While there is no space to record uses, it is unknown whether a session is idle.
        self.add(|connection| sessions::end_idle(connection, session, last_seen, audit))
    }

    fn end_all_sessions(&mut self, user: UserId, audit: &AuditContext) -> StoreResult<bool> {
        self.end(|connection, room| users::end_all(connection, user, None, audit, room))
    }

    fn end_other_sessions(&mut self, user: UserId, keep: SessionId, audit: &AuditContext) -> StoreResult<bool> {
        self.end(|connection, room| users::end_all(connection, user, Some(keep), audit, room))
    }

    fn list_sessions(&mut self, filter: &SessionFilter) -> StoreResult<SessionList> {
        self.read(|connection| lists::sessions(connection, filter))
    }

    fn find_session(&mut self, session: SessionId) -> StoreResult<Option<SessionEntry>> {
        self.read(|connection| lists::session(connection, session))
    }

    fn change_password(&mut self, change: &PasswordChange, audit: &AuditContext) -> StoreResult<bool> {
        self.end(|connection, room| users::change_password(connection, change, audit, room))
    }

    fn upgrade_password_hash(&mut self, user: UserId, old: &PasswordHash, new: &PasswordHash) -> StoreResult<bool> {
        self.add(|connection| users::upgrade_hash(connection, user, old, new))
    }

    fn put_shadow_user(&mut self, user: &NewUser, audit: &AuditContext) -> StoreResult<Epoch> {
        self.add(|connection| users::put_shadow(connection, user, audit))?
            .ok_or_else(|| StoreError::Failed("the name of a shadow user belongs to another user".to_owned()))
    }

    fn record_events(&mut self, events: &[NewEvent]) -> StoreResult<()> {
        self.add(|connection| audit::record_all(connection, events))
    }

    fn list_events(&mut self, filter: &EventFilter) -> StoreResult<EventList> {
        self.read(|connection| audit::list(connection, filter))
    }

    fn touch(&mut self, seen: &[(SessionId, Timestamp)]) -> StoreResult<()> {
        if seen.is_empty() {
            return Ok(());
        }
        self.add(|connection| sessions::touch(connection, seen))
    }

    fn find_client(&mut self, client: ClientId) -> StoreResult<Option<ClientRecord>> {
        self.read(|connection| clients::find(connection, client))
    }

    fn touch_clients(&mut self, used: &[(ClientId, Timestamp)]) -> StoreResult<()> {
        self.add(|connection| clients::touch(connection, used))
    }

    fn group(&mut self, work: &mut dyn FnMut(&mut dyn Connection)) -> StoreResult<()> {
        let shares = on_each!(&self.any, sqlite(_c) => true, postgres(_c) => false);
        if !shares || self.grouped {
            work(self);
            return self.check_place();
        }
        self.target.check_file()?;
        any::begin_write(&mut self.any).map_err(|error| not_begun(store_error(&error, &mut self.any)))?;
        (self.grouped, self.ending, self.room) = (true, false, IN_A_GROUP);
        let ran = catch_unwind(AssertUnwindSafe(|| work(self)));
        if let Err(panic) = ran {
            // An open transaction would include every later write of this connection. If the rollback
            // fails too, diesel marks the connection as broken.
            (self.grouped, self.room) = (false, AT_THE_END);
            let _ = any::rollback(&mut self.any);
            resume_unwind(panic);
        }
        self.finish_group()
    }
}
