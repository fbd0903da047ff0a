//! The use cases: log in, check, refresh, end sessions, and in [`admin`] those of an administrator. HTTP and the
//! command line call nothing else.
//!
//! [`Auth`] is a cheap handle; the threads behind it end when the last clone is dropped.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::domain::audit::{Actor, AuditContext, Event, Origin};
use crate::domain::dialect::Dialect;
use crate::domain::jwt::{BadKey, KeyRing};
use crate::domain::password::{HashMemory, Hasher};
use crate::domain::policy::{Policy, ThrottlePolicy, TokenForm};
use crate::domain::random::{Random, SystemRandom};
use crate::domain::time::{Clock, SteadyClock, SystemClock, Timestamp};
use crate::store::{Store, StoreError};

pub mod admin;
mod cache;
mod check;
mod events;
mod last_seen;
mod login;
mod logout;
mod mint;
mod refresh;
mod refresh_rate;
mod sessions;
#[cfg(test)]
mod tests;
mod throttle;
mod user_provider;
mod waits;
mod workers;

use cache::{CacheOptions, TokenCache};
pub use check::{Activity, Check, CheckError, Resolver};
use events::EventCounts;
pub use events::{EventCursor, OwnEvent, OwnEvents};
use last_seen::LastSeenWriter;
use login::UnverifiableAccounts;
pub use login::{Issued, LoginError, LoginRefusal, LoginRequest, PasswordError, PasswordRequest, Whose};
pub use mint::IssuedToken;
pub use refresh::{RefreshedTokens, TokenError, TokenRefusal};
use refresh_rate::RefreshRates;
pub use sessions::SessionPage;
use throttle::Throttle;
pub use throttle::{AccountLabel, ThrottleEntry, ThrottleScope};
pub use user_provider::{ExternalUser, UserProvider, UserProviderError};
use waits::within;
use workers::{DbPool, DbPoolOptions, HashPool, HashPoolOptions};

/// The service could not do its work now, and the outcome is unknown. Ask again.
///
/// Its text goes to the log and repeats nothing that a store or a user provider
/// said, since that may contain secrets: they log harmless details themselves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The store failed.
    #[error("{}", .0.summary())]
    Store(#[from] StoreError),
    /// No answer came in time.
    #[error("no answer from the {0} pool in time")]
    TimedOut(&'static str),
    /// There are no random bytes, or the user provider did not answer.
    #[error("{0}")]
    Other(&'static str),
}

impl Unavailable {
    /// Whether the disk of the store is full. Checks are still answered then.
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Store(StoreError::Full(_)))
    }
}
/// How long a login may wait for its hash, including the hashes of logins before it.
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
    /// Held by a list of sessions to its end: a second one waits, so that a thread of `checks` stays free.
    lists: Arc<tokio::sync::Semaphore>,
    writes: DbPool,
    passwords: HashPool,
    throttle: Arc<Throttle>,
    last_seen_writer: LastSeenWriter,
    events: EventCounts,
    refreshes: RefreshRates,
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

    /// The present moment by the service's clock, which does not go back where the machine's does:
    /// see [`SteadyClock`].
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Signs with other keys from now on; tokens of the old keys stay good.
    pub fn set_keys(&self, keys: KeyRing) {
        *self.inner.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// The published keys as a JSON Web Key Set (RFC 7517).
    pub fn published_keys(&self) -> serde_json::Value {
        let jwts = Dialect::ALL.iter().map(|dialect| self.policy().dialects.get(*dialect));
        let lifetimes = jwts.filter(|policy| policy.form == TokenForm::Jwt);
        // Tokens without an end need their key permanently.
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

    /// Whether the store answers, may be used, and takes new data.
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

/// How many logins may wait for one thread: about eight seconds' worth. More would only wait
/// until their clients have given up, and their hashes would be useless.
fn logins_per_thread(cost: u32) -> usize {
    const AT_DEFAULT_COST: usize = 32;
    match Hasher::DEFAULT_COST.checked_sub(cost) {
        Some(cheaper) => AT_DEFAULT_COST << cheaper.min(5),
        None => AT_DEFAULT_COST >> (cost - Hasher::DEFAULT_COST).min(3),
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close(Instant::now() + events::LAST_WRITE);
    }
}

/// Sets up an [`Auth`].
pub struct AuthBuilder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    policy: Policy,
    hasher: Hasher,
    provider: Option<Arc<dyn UserProvider>>,
    keys: Option<KeyRing>,
    throttle: ThrottlePolicy,
    password_threads: usize,
    check_timeout: Duration,
    cached_tokens: usize,
    probe_idle_after: Duration,
}

impl AuthBuilder {
    /// The default number of cached tokens.
    pub const CACHED_TOKENS: usize = 1_000_000;
    /// How long a check waits for the database by default.
    pub const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

    fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            policy: Policy::default(),
            hasher: Hasher::default(),
            provider: None,
            keys: None,
            throttle: ThrottlePolicy::default(),
            // Respects the limits of a control group.
            password_threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            check_timeout: Self::CHECK_TIMEOUT,
            cached_tokens: Self::CACHED_TOKENS,
            probe_idle_after: Duration::from_secs(30),
        }
    }

    /// Sets lifetimes and limits; the default is [`Policy::default`].
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the clock; the default is the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the source of random bytes; the default is the operating system's.
    #[must_use]
    pub fn random(mut self, random: impl Random) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Sets how passwords are hashed; the default is bcrypt at cost 12.
    #[must_use]
    pub fn hasher(mut self, hasher: Hasher) -> Self {
        self.hasher = hasher;
        self
    }

    /// Asks this user provider instead of the store whether a password is right.
    #[must_use]
    pub fn user_provider(mut self, provider: impl UserProvider) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// Sets the keys that sign JWTs. The default is new ones.
    #[must_use]
    pub fn keys(mut self, keys: KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Sets how many wrong passwords are accepted; the default is [`ThrottlePolicy::default`]. The buckets
    /// depend on [`Origin::address`] of each login.
    #[must_use]
    pub fn throttle(mut self, policy: ThrottlePolicy) -> Self {
        self.throttle = policy;
        self
    }

    /// Sets how many threads hash passwords; the default is the number of cores.
    #[must_use]
    pub fn password_threads(mut self, threads: usize) -> Self {
        self.password_threads = threads.max(1);
        self
    }

    /// Sets how long a check may wait before the answer is "could not look"; 1 s by default.
    #[must_use]
    pub fn check_timeout(mut self, limit: Duration) -> Self {
        self.check_timeout = limit;
        self
    }

    /// Sets how many live tokens may be cached, so that a check of one of them reads nothing
    /// while nothing was revoked; about 200 bytes each. If the database is a file, each thread
    /// that checks has a cache of this size. With 0 every check reads.
    #[must_use]
    pub fn cached_tokens(mut self, tokens: usize) -> Self {
        self.cached_tokens = tokens;
        self
    }

    /// Sets how long a connection may be idle before it is probed, and replaced
    /// if it does not answer; 30 s by default. So a connection that a firewall dropped silently
    /// is found before a request needs it.
    #[must_use]
    pub fn probe_idle_after(mut self, idle: Duration) -> Self {
        // A zero would keep the threads busy with probes.
        self.probe_idle_after = idle.max(Duration::from_millis(1));
        self
    }

    /// Starts the service's threads.
    ///
    /// # Errors
    /// When there are no random bytes for keys.
    pub fn build(self) -> Result<Auth, BadKey> {
        let keys = match self.keys {
            Some(keys) => keys,
            None => KeyRing::ephemeral(&*self.random, self.clock.now())?,
        };
        let writers = self.store.writers();
        let pool = |name, threads, batch, queue| {
            // Only the steps of a single writer share a transaction; those of other pools write nothing,
            // or gain nothing by it.
            let groups = name == WRITES && writers == 1;
            let options = DbPoolOptions { name, threads, batch, queue, groups, probe_after: self.probe_idle_after };
            DbPool::start(options, Arc::clone(&self.store))
        };
        // Writers that exclude each other gain by sharing a transaction; others gain by not waiting.
        let writes = pool(WRITES, writers, if writers == 1 { 64 } else { 1 }, 4096);
        // A zero would keep a thread busy.
        let touch_interval = self.policy.touch_interval.max(Duration::from_millis(10));
        let hashing = HashPoolOptions {
            threads: self.password_threads,
            queue: self.password_threads * logins_per_thread(self.hasher.cost()),
            patience: PASSWORD_TIMEOUT,
        };
        let checks = pool("checks", 2, 256, 16_384);
        let options = CacheOptions {
            capacity: self.cached_tokens,
            timeout: self.check_timeout,
            probe_after: self.probe_idle_after,
            pool: checks.clone(),
        };
        let limits = Timeouts { check: self.check_timeout, write: Duration::from_secs(5), password: PASSWORD_TIMEOUT };
        Ok(Auth {
            inner: Arc::new(Inner {
                cache: TokenCache::new(&self.store, &*self.random, options)?,
                checks,
                lists: Arc::new(tokio::sync::Semaphore::new(1)),
                last_seen_writer: LastSeenWriter::start(touch_interval, writes.clone()),
                events: EventCounts::start(events::INTERVAL, writes.clone(), Arc::clone(&self.clock)),
                writes,
                passwords: HashPool::start("passwords", hashing),
                throttle: Throttle::new(self.throttle, Arc::clone(&self.clock), &*self.random)?,
                clock: SteadyClock::new(self.clock),
                random: self.random,
                refreshes: RefreshRates::new(self.policy.refresh_rate),
                policy: self.policy,
                hasher: self.hasher,
                hash_memory: Arc::default(),
                unverifiable: UnverifiableAccounts::default(),
                provider: self.provider,
                keys: RwLock::new(Arc::new(keys)),
                timeouts: limits,
            }),
        })
    }
}
