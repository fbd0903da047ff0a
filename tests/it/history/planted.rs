//! A store with a bug, which the judge must find.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use knoxide::cause::Cause;
use knoxide::session::{SessionId, TokenRecord};
use knoxide::store::{
    Connection, NewSession, Opening, Refresh, Refreshed, Store, StoreResult, Successor, UserCreation,
};
use knoxide::time::Timestamp;
use knoxide::token::TokenDigest;
use knoxide::user::{Account, Epoch, LoginName, NewUser, PasswordHash, UserId};

/// For how long a late cache serves what it once read.
const LATE: Duration = Duration::from_millis(50);

/// How much later than acknowledged a hasty logout is done.
const HASTY: Duration = Duration::from_millis(20);

/// Every so many logouts are forgotten.
const FORGOTTEN: u64 = 10;

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bug {
    /// What was read is served for 50 ms more.
    LateCache,
    /// A logout is acknowledged before it is done.
    HastyLogout,
    /// Now and then a logout is acknowledged and never done.
    ForgottenLogout,
    /// A failure to look is taken for a token that is not there.
    BlindRead,
}

impl Bug {
    const ALL: [Self; 4] = [Self::LateCache, Self::HastyLogout, Self::ForgottenLogout, Self::BlindRead];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::LateCache => "late-cache",
            Self::HastyLogout => "hasty-logout",
            Self::ForgottenLogout => "forgotten-logout",
            Self::BlindRead => "blind-read",
        }
    }

    pub(super) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|bug| bug.as_str() == name).unwrap_or_else(|| panic!("no bug is named {name}"))
    }
}

/// What all connections of a store with a bug share.
struct Shared {
    store: Arc<dyn Store>,
    bug: Bug,
    read: Mutex<HashMap<TokenDigest, (Instant, TokenRecord)>>,
    logouts: AtomicU64,
}

/// A store with a bug.
pub(super) struct Planted(Arc<Shared>);

impl Planted {
    pub(super) fn in_store(store: impl Store, bug: Bug) -> Self {
        let (read, logouts) = (Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Shared { store: Arc::new(store), bug, read, logouts }))
    }
}

impl Store for Planted {
    fn connect(&self) -> StoreResult<Box<dyn Connection>> {
        Ok(Box::new(Spoilt { shared: Arc::clone(&self.0), inner: self.0.store.connect()? }))
    }

    fn writers(&self) -> usize {
        self.0.store.writers()
    }
}

impl Shared {
    /// Reads, but trusts what it read a while ago.
    fn find_late(&self, inner: &mut dyn Connection, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>> {
        let found = inner.find_many(digests)?;
        let now = Instant::now();
        let mut read = self.read.lock().expect("no panic");
        let late = digests.iter().zip(found).map(|(digest, found)| {
            let key = *digest;
            let kept = read.get(&key).filter(|(since, _)| now - *since < LATE).map(|(_, record)| record.clone());
            match (kept, found) {
                (None, Some(record)) => {
                    read.insert(key, (now, record.clone()));
                    Some(record)
                }
                (kept, found) => kept.or(found),
            }
        });
        Ok(late.collect())
    }

    fn end_later(&self, session: SessionId, cause: &Cause) {
        let (store, cause) = (Arc::clone(&self.store), cause.clone());
        std::thread::spawn(move || {
            std::thread::sleep(HASTY);
            store.connect().and_then(|mut inner| inner.end_session(session, &cause)).ok();
        });
    }
}

/// A connection of such a store; inside a group, one that belongs to the group.
struct Spoilt<C> {
    shared: Arc<Shared>,
    inner: C,
}

impl<C: AsConnection> Connection for Spoilt<C> {
    fn ping(&mut self) -> StoreResult<()> {
        self.inner.get().ping()
    }

    fn find_many(&mut self, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>> {
        let inner = self.inner.get();
        match self.shared.bug {
            Bug::LateCache => self.shared.find_late(inner, digests),
            Bug::BlindRead => inner.find_many(digests).or_else(|_| Ok(digests.iter().map(|_| None).collect())),
            Bug::HastyLogout | Bug::ForgottenLogout => inner.find_many(digests),
        }
    }

    fn find_account(&mut self, login: &LoginName) -> StoreResult<Option<Account>> {
        self.inner.get().find_account(login)
    }

    fn find_account_by_id(&mut self, user: UserId) -> StoreResult<Option<Account>> {
        self.inner.get().find_account_by_id(user)
    }

    fn open_session(&mut self, new: &NewSession) -> StoreResult<Opening> {
        self.inner.get().open_session(new)
    }

    fn refresh(&mut self, refresh: &Refresh) -> StoreResult<Refreshed> {
        self.inner.get().refresh(refresh)
    }

    fn find_successor(&mut self, digest: &TokenDigest) -> StoreResult<Option<Successor>> {
        self.inner.get().find_successor(digest)
    }

    fn end_session(&mut self, session: SessionId, cause: &Cause) -> StoreResult<bool> {
        match self.shared.bug {
            Bug::HastyLogout => {
                self.shared.end_later(session, cause);
                Ok(true)
            }
            Bug::ForgottenLogout
                if self.shared.logouts.fetch_add(1, Ordering::Relaxed) % FORGOTTEN == FORGOTTEN - 1 =>
            {
                Ok(true)
            }
            Bug::ForgottenLogout | Bug::LateCache | Bug::BlindRead => self.inner.get().end_session(session, cause),
        }
    }

    fn end_idle_session(&mut self, session: SessionId, last_seen: Timestamp, cause: &Cause) -> StoreResult<bool> {
        self.inner.get().end_idle_session(session, last_seen, cause)
    }

    fn end_all_sessions(&mut self, user: UserId, cause: &Cause) -> StoreResult<bool> {
        self.inner.get().end_all_sessions(user, cause)
    }

    fn create_user(&mut self, new: &NewUser, cause: &Cause) -> StoreResult<UserCreation> {
        self.inner.get().create_user(new, cause)
    }

    fn set_password(
        &mut self,
        user: UserId,
        new: &PasswordHash,
        keep: Option<SessionId>,
        cause: &Cause,
    ) -> StoreResult<bool> {
        self.inner.get().set_password(user, new, keep, cause)
    }

    fn upgrade_password_hash(&mut self, user: UserId, old: &PasswordHash, new: &PasswordHash) -> StoreResult<bool> {
        self.inner.get().upgrade_password_hash(user, old, new)
    }

    fn set_active(&mut self, user: UserId, active: bool, cause: &Cause) -> StoreResult<bool> {
        self.inner.get().set_active(user, active, cause)
    }

    fn put_shadow_user(&mut self, user: &NewUser, cause: &Cause) -> StoreResult<Epoch> {
        self.inner.get().put_shadow_user(user, cause)
    }

    fn touch(&mut self, seen: &[(SessionId, Timestamp)]) -> StoreResult<()> {
        self.inner.get().touch(seen)
    }

    fn group(&mut self, work: &mut dyn FnMut(&mut dyn Connection)) -> StoreResult<()> {
        let shared = &self.shared;
        self.inner.get().group(&mut |inner| work(&mut Spoilt { shared: Arc::clone(shared), inner }))
    }
}

/// A connection, owned or lent.
trait AsConnection: Send {
    fn get(&mut self) -> &mut dyn Connection;
}

impl AsConnection for Box<dyn Connection> {
    fn get(&mut self) -> &mut dyn Connection {
        &mut **self
    }
}

impl AsConnection for &mut dyn Connection {
    fn get(&mut self) -> &mut dyn Connection {
        &mut **self
    }
}
