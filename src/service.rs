//! The use cases: log in, check, refresh, end sessions, and in [`admin`] those of an administrator. HTTP and the
//! command line call nothing else.
//!
//! [`Auth`] is a cheap handle; the threads behind it end when the last clone is dropped.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::domain::audit::{Actor, AuditContext, Event, Origin};
use crate::domain::dialect::Dialect;
use crate::domain::jwt::KeyRing;
use crate::domain::password::{HashMemory, Hasher};
use crate::domain::policy::{Policy, TokenForm};
use crate::domain::random::Random;
use crate::domain::time::{Clock, SteadyClock, Timestamp};
use crate::store::Store;

pub mod admin;
mod builder;
mod cache;
mod check;
mod clients;
mod events;
mod last_seen;
mod login;
mod logout;
mod mint;
mod refresh;
mod refresh_rate;
mod revoke;
mod sessions;
#[cfg(test)]
mod tests;
mod throttle;
mod unavailable;
mod user_provider;
mod waits;
mod workers;

pub use builder::AuthBuilder;
use cache::TokenCache;
pub use check::{Activity, Check, CheckError, Resolver};
use clients::RequestLimits;
pub use clients::{CallRefusal, Client, ClientError};
use events::EventCounts;
pub use events::{EventCursor, OwnEvent, OwnEvents};
use last_seen::LastSeenWriter;
use login::UnverifiableAccounts;
pub use login::{Issued, LoginError, LoginRefusal, LoginRequest, Pages, PasswordError, PasswordRequest, Whose};
pub use mint::IssuedToken;
pub use refresh::{BadToken, RefreshedTokens, TokenError, TokenRefusal};
use refresh_rate::RefreshRates;
pub use revoke::Revoker;
pub use sessions::{OwnSession, SessionPage};
use throttle::Throttle;
pub use throttle::{AccountLabel, ThrottleEntry, ThrottleScope};
pub use unavailable::{ChangedMeanwhile, ProviderFault, Unavailable};
pub use user_provider::{ExternalUser, UserProvider, UserProviderError};
use waits::within;
use workers::{DbPool, HashPool};

/// How long a login may wait for its hash, including the time that hashes of earlier logins take.
const PASSWORD_TIMEOUT: Duration = Duration::from_secs(30);

/// The name of the pool for writes.
const WRITES: &str = "writes";

/// Logs users in, checks their tokens, ends their sessions.
#[derive(Clone)]
pub struct Auth {
    inner: Arc<Inner>,
}

struct Inner {
    clock: SteadyClock,
    random: Arc<dyn Random>,
    policy: Policy,
    hasher: Hasher,
    hash_memory: Arc<HashMemory>,
    unverifiable: UnverifiableAccounts,
    provider: Option<Arc<dyn UserProvider>>,
    keys: RwLock<Arc<KeyRing>>,
    timeouts: Timeouts,
    cache: TokenCache,
    checks: DbPool,
    /// Held by a list of sessions until it is finished: a second one waits, so that a thread of `checks` stays free.
    lists: Arc<tokio::sync::Semaphore>,
    writes: DbPool,
    passwords: HashPool,
    throttle: Arc<Throttle>,
    last_seen_writer: LastSeenWriter,
    events: EventCounts,
    refreshes: RefreshRates,
    request_limits: RequestLimits,
}

/// How long a request waits for each kind of work.
#[derive(Debug, Clone, Copy)]
struct Timeouts {
    check: Duration,
    write: Duration,
    password: Duration,
}

impl Auth {
    /// Starts to configure a service over `store`.
    pub fn builder(store: impl Store) -> AuthBuilder {
        AuthBuilder::new(Arc::new(store))
    }

    /// The current time of the service's clock, which does not go back even if the machine's does: see
    /// [`SteadyClock`].
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Sets the keys that sign from now on; tokens of the old keys stay good.
    pub fn set_keys(&self, keys: KeyRing) {
        *self.inner.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// The published keys as a JSON Web Key Set (RFC 7517).
    pub fn published_keys(&self) -> serde_json::Value {
        let jwts = Dialect::ALL.iter().map(|dialect| self.policy().dialects.get(*dialect));
        let lifetimes = jwts.filter(|policy| policy.form == TokenForm::Jwt);
        // Tokens that never expire need their key permanently.
        let longest = lifetimes.map(|policy| policy.access_ttl.unwrap_or(Duration::MAX)).max();
        self.keys().published(self.now(), longest.unwrap_or_default())
    }

    fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.inner.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The operator's settings for tokens.
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// Whether the store answers, may be used, and accepts new data.
    ///
    /// # Errors
    /// When it does not, within the time-out of a check.
    pub async fn ready(&self) -> Result<(), Unavailable> {
        let inner = &self.inner;
        let answer = inner.checks.run(workers::OnDisconnect::Cancel, |connection| {
            connection.ping()?;
            connection.check_room()
        });
        within(inner.timeouts.check, "checks", answer).await
    }

    /// Ends the service: accepted work is finished and written, within `limit`, and
    /// everything after that is refused as unavailable.
    pub fn close(&self, limit: Duration) {
        let until = Instant::now() + limit;
        self.inner.close(until);
        self.inner.cache.drain(until);
        self.inner.checks.drain(until);
        self.inner.writes.drain(until);
    }

    fn audit(&self, event: Event, actor: Actor, origin: Origin) -> AuditContext {
        AuditContext { event, actor, origin, at: self.now(), detail: None }
    }
}

impl Inner {
    fn close(&self, until: Instant) {
        self.cache.close();
        self.checks.close();
        self.passwords.close();
        self.events.close(until);
        // It closes the pool for writes once everything is written.
        self.last_seen_writer.close();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close(Instant::now() + events::LAST_WRITE);
    }
}
