//! Setting up the service.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::cache::{CacheOptions, TokenCache};
use super::clients::RequestLimits;
use super::events::{self, EventCounts};
use super::last_seen::LastSeenWriter;
use super::login::UnverifiableAccounts;
use super::refresh_rate::RefreshRates;
use super::throttle::Throttle;
use super::workers::{DbPool, DbPoolOptions, HashPool, HashPoolOptions};
use super::{Auth, Inner, PASSWORD_TIMEOUT, Timeouts, UserProvider, WRITES};
use crate::domain::jwt::{BadKey, KeyRing};
use crate::domain::password::Hasher;
use crate::domain::policy::{Policy, ThrottlePolicy};
use crate::domain::random::{Random, SystemRandom};
use crate::domain::time::{Clock, SteadyClock, SystemClock};
use crate::store::Store;

/// How many logins may wait for one thread: about eight seconds' worth. The clients of further ones would give up
/// before their turn, and their hashes would be computed for nothing.
fn logins_per_thread(cost: u32) -> usize {
    const AT_DEFAULT_COST: usize = 32;
    match Hasher::DEFAULT_COST.checked_sub(cost) {
        Some(cheaper) => AT_DEFAULT_COST << cheaper.min(5),
        None => AT_DEFAULT_COST >> (cost - Hasher::DEFAULT_COST).min(3),
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

    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            policy: Policy::default(),
            hasher: Hasher::default(),
            provider: None,
            keys: None,
            throttle: ThrottlePolicy::default(),
            // This respects the limits of a control group.
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

    /// Sets a user provider, which is asked instead of the store whether a password is right.
    #[must_use]
    pub fn user_provider(mut self, provider: impl UserProvider) -> Self {
        self.provider = Some(Arc::new(provider));
        self
    }

    /// Sets the keys that sign JWTs. By default, new ones are generated.
    #[must_use]
    pub fn keys(mut self, keys: KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Sets how many wrong passwords are accepted; the default is [`ThrottlePolicy::default`]. The buckets
    /// depend on [`Origin::address`](crate::domain::audit::Origin::address) of each login.
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

    /// Sets how many live tokens may be cached, so that a check of one of them reads no row as long as nothing was
    /// revoked; about 200 bytes each. If the database is a file, each thread that checks has a cache of this size. With
    /// 0 every check reads a row.
    #[must_use]
    pub fn cached_tokens(mut self, tokens: usize) -> Self {
        self.cached_tokens = tokens;
        self
    }

    /// Sets how long a connection may be idle before it is probed, and replaced if it does not answer; 30 s by default.
    /// This way, a connection that a firewall has silently dropped is found before a request needs it.
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
        // Writers that exclude each other gain by sharing a transaction; others gain by not waiting for each other.
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
                request_limits: RequestLimits::default(),
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
