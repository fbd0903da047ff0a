//! Login throttling: limits how many wrong passwords are accepted (`docs/throttling.md`).
//!
//! Work reaches the hashing threads only with a [`Permit`]. A permit reserves room in all buckets that the
//! attempt belongs to before the attempt begins, so that a thousand attempts at once are counted like a
//! thousand one after the other. Failures stay counted; all other results release the room.

mod buckets;
mod key;
mod list;
mod permit;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use self::buckets::{Buckets, Room};
pub use self::key::AccountLabel;
use self::key::{Key, Keys, folded};
pub use self::list::{ThrottleEntry, ThrottleScope};
pub(super) use self::permit::{Permit, Share};
use crate::domain::audit::Origin;
use crate::domain::policy::{Network, ThrottlePolicy};
use crate::domain::random::{Random, RandomError};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::{LoginName, UserId};

/// How many attempts may wait for others to end. Further ones are refused for now.
const MAX_WAITING: usize = 1024;

/// The bursts of [`Kind::User`] and [`Kind::UserPair`] are this many times those of the name's buckets.
const SPELLING_FACTOR: u32 = 3;

/// How long it is cached that an account does not know a network.
const UNKNOWN_PAIR_TTL: Duration = Duration::from_secs(60);
/// The size of that cache.
const UNKNOWN_PAIRS: usize = 1 << 12;

/// Why an attempt is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// There were too many failures; try again after this time.
    Throttled(Duration, AccountLabel),
    /// Too many attempts are waiting.
    Busy,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A name, from one network.
    Pair,
    /// Any name, from one network.
    Address,
    /// A name, from all networks that its account does not know.
    Account,
    /// An account, from all networks that it does not know. Attempts with its user name and with its e-mail address are
    /// counted together. The bucket is larger than the name's bucket and empties as fast, so it never fills while only
    /// one spelling is used. It takes dozens of failures with both spellings to learn from it that they belong to one
    /// account.
    User,
    /// As [`Kind::User`], for one network that the account knows.
    UserPair,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pair | Self::UserPair => "pair",
            Self::Address => "address",
            Self::Account | Self::User => "account",
        }
    }
}

/// Identifies a bucket.
type BucketKey = (Kind, Key);

/// The throttle of one service.
pub(super) struct Throttle {
    policy: ThrottlePolicy,
    clock: Arc<dyn Clock>,
    keys: Keys,
    state: Mutex<State>,
    waiting: AtomicUsize,
}

struct State {
    pairs: Buckets,
    addresses: Buckets,
    accounts: Buckets,
    users: Buckets,
    user_pairs: Buckets,
    /// Pairs of an account and a network that it does not know, and until when that is cached. A lost entry
    /// only costs a read of the database.
    unknown_pairs: Vec<(u64, i64)>,
}

/// The keys of an attempt.
struct Attempt {
    network: Network,
    name_hash: u64,
    pair: Key,
    account: Key,
    address: Option<Key>,
}

impl Throttle {
    pub(super) fn new(
        policy: ThrottlePolicy,
        clock: Arc<dyn Clock>,
        random: &dyn Random,
    ) -> Result<Arc<Self>, RandomError> {
        let wider = |allowance: crate::domain::policy::Allowance| crate::domain::policy::Allowance {
            burst: allowance.burst.saturating_mul(SPELLING_FACTOR),
            ..allowance
        };
        let state = State {
            pairs: Buckets::new(policy.pair),
            addresses: Buckets::new(policy.address),
            accounts: Buckets::new(policy.account),
            users: Buckets::new(wider(policy.account)),
            user_pairs: Buckets::new(wider(policy.pair)),
            unknown_pairs: vec![(0, 0); UNKNOWN_PAIRS],
        };
        let keys = Keys::new(random)?;
        Ok(Arc::new(Self { policy, clock, keys, state: Mutex::new(state), waiting: AtomicUsize::new(0) }))
    }

    /// Admits a login by its name and its network, before anything is looked up.
    /// [`Permit::identify`] decides by the account.
    pub(super) async fn admit(self: &Arc<Self>, login: &LoginName, origin: &Origin) -> Result<Permit, Denied> {
        let mut permit = Permit::new(Arc::clone(self), self.attempt(login, origin));
        if !self.policy.enabled {
            return Ok(permit);
        }
        let attempt = &permit.attempt;
        let mut wanted = vec![(Kind::Pair, attempt.pair)];
        wanted.extend(attempt.address.map(|address| (Kind::Address, address)));
        if self.lock().is_unknown(attempt.pair, self.clock.now()) {
            self.check_room(&[(Kind::Account, attempt.account)], attempt)?;
        }
        self.reserve(&wanted, &mut permit).await?;
        Ok(permit)
    }

    /// A network is known to an account that has logged in from it since this time.
    pub(super) fn known_since(&self) -> Timestamp {
        self.clock.now().saturating_sub(self.policy.known_for)
    }

    fn attempt(&self, login: &LoginName, origin: &Origin) -> Attempt {
        let (name, network) = (folded(login), Network::of(origin.address));
        let (name, from) = (name.as_bytes(), network.to_string());
        let account = self.account_key(login);
        let exempt = self.policy.exempt.contains(origin.address);
        Attempt {
            network,
            name_hash: self.keys.key(&[b"log", name]).tag,
            pair: self.keys.key(&[b"pair", name, from.as_bytes()]),
            account,
            address: (!exempt).then(|| self.keys.key(&[b"address", from.as_bytes()])),
        }
    }

    fn account_key(&self, login: &LoginName) -> Key {
        self.keys.key(&[b"account", folded(login).as_bytes()])
    }

    fn user_keys(&self, user: UserId, network: Network) -> [Key; 2] {
        let (user, from) = (user.0.to_le_bytes(), network.to_string());
        [self.keys.key(&[b"user", &user]), self.keys.key(&[b"user pair", &user, from.as_bytes()])]
    }

    /// Reserves room in all of these buckets, or in none. If attempts in flight have reserved the last room of a
    /// bucket, it waits for their results: a client with the right password must not be refused because it sends many
    /// requests at once.
    async fn reserve(&self, wanted: &[BucketKey], permit: &mut Permit) -> Result<(), Denied> {
        let mut slot = None;
        loop {
            // Created under the lock, so it is notified of everything that happens later.
            let awaited = {
                let mut state = self.lock();
                let awaited = self.room(&mut state, wanted, &permit.attempt)?;
                if awaited.is_none() {
                    for (kind, key) in wanted {
                        state.of(*kind).reserve(*key);
                    }
                    permit.held.extend_from_slice(wanted);
                }
                awaited
            };
            let Some(awaited) = awaited else { return Ok(()) };
            if slot.is_none() {
                slot = Some(WaitingSlot::take(&self.waiting)?);
            }
            awaited.await;
        }
    }

    /// Refuses if one of these buckets has no room. Reserves nothing.
    fn check_room(&self, wanted: &[BucketKey], attempt: &Attempt) -> Result<(), Denied> {
        self.room(&mut self.lock(), wanted, attempt).map(drop)
    }

    /// `None` if all buckets have room; else what to wait for.
    fn room(
        &self,
        state: &mut State,
        wanted: &[BucketKey],
        attempt: &Attempt,
    ) -> Result<Option<tokio::sync::futures::OwnedNotified>, Denied> {
        let now = self.clock.now();
        let mut awaited: Option<Arc<Notify>> = None;
        let mut after = None;
        for (kind, key) in wanted {
            match state.of(*kind).room(*key, now) {
                Room::Free => {}
                Room::Awaited(ended) => awaited = awaited.or(Some(ended)),
                Room::Full(wait) => {
                    after = after.max(Some(wait));
                    self.log_full(state, (*kind, *key), attempt, now);
                }
            }
        }
        match after {
            Some(after) => Err(Denied::Throttled(after, state.label(attempt, now))),
            None => Ok(awaited.map(Notify::notified_owned)),
        }
    }

    /// Logs a full bucket, once a minute.
    fn log_full(&self, state: &mut State, (kind, key): BucketKey, attempt: &Attempt, now: Timestamp) {
        if state.of(kind).may_log(key, now) {
            let (user, address) = (state.label(attempt, now).to_string(), attempt.network.to_string());
            log::warn!(bucket = kind.as_str(), user = user.as_str(), address = address.as_str();
                "logins are throttled after too many failures");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn of(&mut self, kind: Kind) -> &mut Buckets {
        match kind {
            Kind::Pair => &mut self.pairs,
            Kind::Address => &mut self.addresses,
            Kind::Account => &mut self.accounts,
            Kind::User => &mut self.users,
            Kind::UserPair => &mut self.user_pairs,
        }
    }

    /// The account, if earlier failures have found it.
    fn label(&self, attempt: &Attempt, now: Timestamp) -> AccountLabel {
        let user = self.accounts.user(attempt.account, now).or_else(|| self.pairs.user(attempt.pair, now));
        user.map_or(AccountLabel::Name(attempt.name_hash), AccountLabel::User)
    }

    fn is_unknown(&self, pair: Key, now: Timestamp) -> bool {
        let found = self.unknown_pairs.get(unknown_pair_index(pair));
        // If the clock was set back, that must not prolong it.
        let still = now.as_micros()..=now.saturating_add(UNKNOWN_PAIR_TTL).as_micros();
        found.is_some_and(|(tag, until)| *tag == pair.tag && still.contains(until))
    }

    fn note_unknown(&mut self, pair: Key, now: Timestamp) {
        if let Some(entry) = self.unknown_pairs.get_mut(unknown_pair_index(pair)) {
            *entry = (pair.tag, now.saturating_add(UNKNOWN_PAIR_TTL).as_micros());
        }
    }

    fn forget_unknown(&mut self, pair: Key) {
        if let Some(entry) = self.unknown_pairs.get_mut(unknown_pair_index(pair)).filter(|entry| entry.0 == pair.tag) {
            *entry = (0, 0);
        }
    }
}

fn unknown_pair_index(pair: Key) -> usize {
    usize::try_from(pair.set % UNKNOWN_PAIRS as u64).unwrap_or_default()
}

/// One of a bounded number of waiting attempts.
struct WaitingSlot<'a>(&'a AtomicUsize);

impl<'a> WaitingSlot<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, Denied> {
        let slot = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING { Err(Denied::Busy) } else { Ok(slot) }
    }
}

impl Drop for WaitingSlot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
