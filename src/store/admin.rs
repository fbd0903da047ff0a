//! What a store does for administrators: users, lists, signing keys, clients, imports, sweeping.
//!
//! The server's requests need none of it, so a custom store may leave it out. All methods
//! block, may take long, and use connections of their own; each is one atomic step unless it says otherwise.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::{EventFilter, EventList, Store, StoreError, StoreResult};
use crate::domain::audit::AuditContext;
use crate::domain::client::{ClientEntry, ClientId};
use crate::domain::import::ImportData;
use crate::domain::jwt::{Algorithm, KeySecret, StoredKey};
use crate::domain::random::Random;
use crate::domain::session::SessionId;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::{NewUser, PasswordHash, UserId};

mod clients;
mod findings;
mod import;
mod keys;
mod lists;
mod matching;
mod sweep;
mod users;

pub use clients::{ClientCreation, ClientRotation, NewClient};
pub use findings::{EndScope, Findings, FoundEnd, FoundEvent, FoundSession, FoundToken, KeptSession, LastEnd, Subject};
pub use import::{Clash, ImportError, ImportReport, SharedAddress};
pub use keys::{KeyEntry, KeyError, Retiring};
pub use lists::{Effort, SessionFilter, SessionList};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(super) use matching::is_single;
pub use matching::{LiveSet, SessionCount, SessionMatch};
pub use sweep::{ClockTrust, SweepMoment, SweepPolicy, SweepReport};
pub use users::{LastAdmin, SharedEmail, UserChange, UserChanged, UserCreation, UserEntry, UserFilter};

/// A [`Store`] with administration. Users and sessions are required; a store without signing
/// keys, clients, imports or sweeping keeps the default methods.
pub trait AdminStore: Store {
    /// Adds a user.
    ///
    /// # Errors
    /// When the database fails.
    fn create_user(&self, new: &NewUser, shared: SharedEmail, audit: &AuditContext) -> StoreResult<UserCreation>;

    /// Gives a user another name, e-mail address or flag, which the next check sees. The sessions for administration
    /// of a user who is no longer an administrator end for good; no other session ends. Setting what is already so
    /// changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    fn change_user(&self, user: UserId, change: &UserChange, audit: &AuditContext) -> StoreResult<UserChanged>;

    /// Sets a new password and ends all sessions of the user except `keep`. A hash that no password fits is
    /// refused for the last administrator, as [`AdminStore::set_active`] does.
    ///
    /// # Errors
    /// When the database fails.
    fn set_password(
        &self,
        user: UserId,
        new: &PasswordHash,
        keep: Option<SessionId>,
        audit: &AuditContext,
    ) -> StoreResult<UserChanged>;

    /// Activates or deactivates a user. Both raise the epoch: deactivating ends all sessions,
    /// and activating revives none, however the user was locked out. If the user already has that
    /// state, nothing changes.
    ///
    /// With [`LastAdmin::Keep`], the last user who is an administrator, active and has a password stays so:
    /// this and [`AdminStore::delete_user`], [`AdminStore::change_user`] and [`AdminStore::set_password`] refuse to
    /// change that, also when two administrators act on each other at once.
    ///
    /// # Errors
    /// When the database fails.
    fn set_active(&self, user: UserId, active: bool, last: LastAdmin, audit: &AuditContext)
    -> StoreResult<UserChanged>;

    /// Removes a user with its sessions and tokens, in as many small transactions as it takes. From the first of them on the user is locked out, so that an interrupted
    /// removal does no harm and can be repeated.
    ///
    /// # Errors
    /// When the database fails. The user may be locked out then, and some of its sessions removed.
    fn delete_user(&self, user: UserId, last: LastAdmin, audit: &AuditContext) -> StoreResult<UserChanged>;

    /// Ends the sessions of all users, whatever their number, at the cost of one changed row. A login that began before
    /// opens no session that outlives this.
    ///
    /// # Errors
    /// When the database fails.
    fn end_everybody(&self, audit: &AuditContext) -> StoreResult<()>;

    /// Ends all sessions that were opened before `moment`, at the cost of one changed row. A moment that is earlier
    /// than that of a call before changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    fn end_issued_before(&self, moment: Timestamp, audit: &AuditContext) -> StoreResult<()>;

    /// Lists users.
    ///
    /// # Errors
    /// When the database fails.
    fn list_users(&self, filter: &UserFilter) -> StoreResult<Vec<UserEntry>>;

    /// Lists sessions, as [`Connection::list_sessions`](super::Connection::list_sessions) does.
    ///
    /// # Errors
    /// When the database fails.
    fn list_sessions(&self, filter: &SessionFilter) -> StoreResult<SessionList> {
        self.connect()?.list_sessions(filter)
    }

    /// Counts live sessions. `progress` is called with the number so far; once it says
    /// [`ControlFlow::Break`], nobody wants to know the rest, and the number so far is returned.
    ///
    /// # Errors
    /// When the database fails.
    fn count_sessions(
        &self,
        set: &LiveSet,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> StoreResult<SessionCount>;

    /// Ends live sessions, in as many small transactions as it takes, and returns their number. When this returns, every
    /// session of the set is over; a login that overlaps it comes before or after. The first transaction records
    /// [`Event::MassEndStarted`](crate::domain::audit::Event::MassEndStarted), and the last one
    /// [`Event::MassEndDone`](crate::domain::audit::Event::MassEndDone), each with the detail of `audit`; the sessions get
    /// the event of `audit`, and no record each. `audit` has the moment of the first transaction; all others have that
    /// of `clock`. `progress` is called with the number so far.
    ///
    /// # Errors
    /// When the database fails. The sessions counted by `progress` stay ended, and repeating the call ends the rest.
    fn end_sessions(
        &self,
        set: &LiveSet,
        audit: &AuditContext,
        clock: &dyn Clock,
        progress: &mut dyn FnMut(u64),
    ) -> StoreResult<u64>;

    /// Lists audit events, as [`Connection::list_events`](super::Connection::list_events) does, but without the time
    /// limit of a request's connection.
    ///
    /// # Errors
    /// When the database fails.
    fn list_events(&self, filter: &EventFilter) -> StoreResult<EventList> {
        self.connect()?.list_events(filter)
    }

    /// How many events of each name there are of this time and later, as many as their rows stand for.
    ///
    /// # Errors
    /// When the database fails.
    fn count_events(&self, from: Timestamp) -> StoreResult<BTreeMap<String, u64>> {
        count_listed(self, from)
    }

    /// Notes in a session that its user has given the password again; `false` if there is no such session, or it has
    /// ended.
    ///
    /// # Errors
    /// When the database fails.
    fn note_password_given(&self, session: SessionId, audit: &AuditContext) -> StoreResult<bool>;

    /// When its user last did so.
    ///
    /// # Errors
    /// When the database fails.
    fn password_given_at(&self, session: SessionId) -> StoreResult<Option<Timestamp>>;

    /// Lists all signing keys, without their secrets.
    ///
    /// # Errors
    /// When the database fails.
    fn list_keys(&self) -> StoreResult<Vec<KeyEntry>> {
        Err(unsupported("signing keys"))
    }

    /// All signing keys in use. `given` is the HS256 secret of the settings.
    ///
    /// # Errors
    /// When the database fails, or `given` is not the secret of the other nodes.
    fn load_keys(&self, given: Option<&KeySecret>) -> Result<Vec<StoredKey>, KeyError> {
        let _ = given;
        Err(unsupported("signing keys").into())
    }

    /// Creates the keys that are missing for signing with `algorithm`, and returns all in use. Two
    /// nodes that do so at once agree on the same ones.
    ///
    /// # Errors
    /// As [`AdminStore::load_keys`], and when no key can be created.
    fn ensure_keys(
        &self,
        algorithm: Algorithm,
        given: Option<&KeySecret>,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<Vec<StoredKey>, KeyError> {
        let _ = (algorithm, given, random, now);
        Err(unsupported("signing keys").into())
    }

    /// Adds a key that takes over signing. The old one stays published until its tokens have expired.
    ///
    /// # Errors
    /// When the database fails, or no key can be created.
    fn rotate_key(
        &self,
        algorithm: Algorithm,
        given: Option<&KeySecret>,
        random: &dyn Random,
        audit: &AuditContext,
    ) -> Result<(), KeyError> {
        let _ = (algorithm, given, random, audit);
        Err(unsupported("signing keys").into())
    }

    /// Takes a key out of use at once: it is no longer published, and an expired token that it signed is
    /// refused as unknown instead of expired. Tokens in the database stay good.
    ///
    /// # Errors
    /// When the database fails.
    fn retire_key(&self, id: i64, audit: &AuditContext) -> StoreResult<Retiring> {
        let _ = (id, audit);
        Err(unsupported("signing keys"))
    }

    /// Imports users and knox tokens in one transaction. Users keep their numbers and
    /// password hashes; look-alike names are reported, not refused. Each token gets a session;
    /// those of inactive users are ended, so that activating the user revives none.
    ///
    /// # Errors
    /// All conflicts, or a failure of the database; then nothing was changed.
    fn import(&self, data: &ImportData, audit: &AuditContext) -> Result<ImportReport, ImportError> {
        let _ = (data, audit);
        Err(unsupported("imports").into())
    }

    /// Sweeps once: deletes what expired or ended long enough ago, in many small transactions. Also returns
    /// the moment that this was measured from.
    ///
    /// # Errors
    /// When the database fails. What was deleted stays deleted.
    fn sweep_once(
        &self,
        now: Timestamp,
        trust: ClockTrust,
        policy: &SweepPolicy,
    ) -> StoreResult<(SweepMoment, SweepReport)> {
        let _ = (now, trust, policy);
        Ok((SweepMoment { until: None, is_held: false }, SweepReport::default()))
    }

    /// Registers a client, unless its name is taken. An id that exists already is an error.
    ///
    /// # Errors
    /// When the database fails.
    fn add_client(&self, new: &NewClient, audit: &AuditContext) -> StoreResult<ClientCreation> {
        let _ = (new, audit);
        Err(unsupported("clients"))
    }

    /// Lists clients in the order of their ids, those after `after`, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    fn list_clients(&self, after: Option<ClientId>, limit: u32) -> StoreResult<Vec<ClientEntry>> {
        let _ = (after, limit);
        Err(unsupported("clients"))
    }

    /// Gives a client a new secret; `false` if there is no such client. Once this has returned, no secret is good but the
    /// new one and, until the moment of the rotation, the one that it replaces.
    ///
    /// # Errors
    /// When the database fails.
    fn rotate_client(&self, rotation: &ClientRotation, audit: &AuditContext) -> StoreResult<bool> {
        let _ = (rotation, audit);
        Err(unsupported("clients"))
    }

    /// Deletes a client with its secrets; `false` if there is no such client.
    ///
    /// # Errors
    /// When the database fails.
    fn delete_client(&self, client: ClientId, audit: &AuditContext) -> StoreResult<bool> {
        let _ = (client, audit);
        Err(unsupported("clients"))
    }

    /// What is known of a token or a session, also when its row is gone. No check asks this.
    ///
    /// # Errors
    /// When the database fails.
    fn look_up(&self, subject: &Subject) -> StoreResult<Findings> {
        let _ = subject;
        Err(unsupported("past"))
    }
}

/// Counts events page by page, for stores that cannot do it in one step.
fn count_listed<S: AdminStore + ?Sized>(store: &S, from: Timestamp) -> StoreResult<BTreeMap<String, u64>> {
    let mut filter = EventFilter { from: Some(from), limit: 1000, ..EventFilter::default() };
    let mut counts = BTreeMap::new();
    loop {
        let page = store.list_events(&filter)?.events;
        let Some(last) = page.last() else { return Ok(counts) };
        filter.after = Some(last.cursor);
        for event in page {
            *counts.entry(event.event).or_default() += event.count;
        }
    }
}

fn unsupported(what: &str) -> StoreError {
    StoreError::Failed(format!("this store has no {what}"))
}
