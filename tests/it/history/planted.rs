//! A store with a bug, which the judge must find.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use knoxide::domain::audit::AuditContext;
use knoxide::domain::session::{SessionId, TokenRecord};
use knoxide::domain::token::TokenDigest;
use knoxide::store::conformance::{Layer, Layered};
use knoxide::store::{Connection, FeedKind, Store, StoreResult};

/// How long a late cache serves what it has read.
const LATE: Duration = Duration::from_millis(50);

/// How long after its acknowledgement a hasty logout happens.
const HASTY: Duration = Duration::from_millis(20);

/// One logout in this many is forgotten.
const FORGOTTEN: u64 = 10;

/// The bug of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bug {
    /// Rows that were read are served for another 50 ms.
    LateCache,
    /// A logout is acknowledged before it happens.
    HastyLogout,
    /// Now and then a logout is acknowledged and never happens.
    ForgottenLogout,
    /// A failed read is treated as a missing token.
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

/// A bug in a store, and its effects so far.
pub(super) struct Planted {
    store: Arc<dyn Store>,
    bug: Bug,
    read: Mutex<HashMap<TokenDigest, (Instant, TokenRecord)>>,
    logouts: AtomicU64,
}

impl Planted {
    pub(super) fn in_store(store: impl Store, bug: Bug) -> Layered<Arc<dyn Store>, Self> {
        let store: Arc<dyn Store> = Arc::new(store);
        let (read, logouts) = (Mutex::default(), AtomicU64::new(0));
        Layered::new(Arc::clone(&store), Self { store, bug, read, logouts })
    }

    /// Reads rows, but uses those that it read a while ago.
    fn find_late(&self, behind: &mut dyn Connection, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>> {
        let found = behind.find_many(digests)?;
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

    fn end_later(&self, session: SessionId, audit: &AuditContext) {
        let (store, audit) = (Arc::clone(&self.store), audit.clone());
        std::thread::spawn(move || {
            std::thread::sleep(HASTY);
            store.connect().and_then(|mut inner| inner.end_session(session, &audit)).ok();
        });
    }
}

impl Layer for Planted {
    fn feed_kind(&self, _: FeedKind) -> FeedKind {
        FeedKind::None
    }

    fn find_many(&self, behind: &mut dyn Connection, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>> {
        match self.bug {
            Bug::LateCache => self.find_late(behind, digests),
            Bug::BlindRead => behind.find_many(digests).or_else(|_| Ok(digests.iter().map(|_| None).collect())),
            Bug::HastyLogout | Bug::ForgottenLogout => behind.find_many(digests),
        }
    }

    fn end_session(&self, behind: &mut dyn Connection, session: SessionId, audit: &AuditContext) -> StoreResult<bool> {
        match self.bug {
            Bug::HastyLogout => {
                self.end_later(session, audit);
                Ok(true)
            }
            Bug::ForgottenLogout if self.logouts.fetch_add(1, Ordering::Relaxed) % FORGOTTEN == FORGOTTEN - 1 => {
                Ok(true)
            }
            Bug::ForgottenLogout | Bug::LateCache | Bug::BlindRead => behind.end_session(session, audit),
        }
    }
}
