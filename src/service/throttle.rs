//! How many wrong passwords are taken (`docs/throttling.md`).
//!
//! Whoever wants a password verified needs a [`Permit`], and nothing else lets work onto the hashing
//! threads. A permit is a place in every bucket that the try belongs to, taken before the try begins,
//! so that a thousand tries at once are no more than a thousand one after the other. Failures stay
//! counted; whatever ends otherwise gives its places back.

mod buckets;
mod key;
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
pub(super) use self::permit::{Permit, Share};
use crate::cause::Origin;
use crate::policy::{Network, ThrottlePolicy};
use crate::random::{Random, RandomError};
use crate::time::{Clock, Timestamp};
use crate::user::{LoginName, UserId};

/// How many tries may wait for others to be over. More are told to come again.
const MAX_WAITING: usize = 1024;

/// How much more than an account's own burst its second spelling may add: see [`Kind::User`].
const SPELLINGS: u32 = 3;

/// For how long it is remembered that a network is not known to an account.
const STRANGER_FOR: Duration = Duration::from_secs(60);
/// How many such pairs are remembered.
const STRANGERS: usize = 1 << 12;

/// Why a try may not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// There were too many failures; one more is taken after this time.
    Throttled(Duration, AccountLabel),
    /// Too many tries wait already.
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
    /// An account, whatever name it was called by, from all networks that it does not know. It can be
    /// called by name and by e-mail address, and guesses of both kinds are guesses. It is wider than
    /// the name's bucket and is forgiven as fast, so that it never fills as long as one spelling is
    /// used; who wants to learn by it that two spellings are one account pays with dozens of failures
    /// at both.
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

/// A place in a bucket.
type Place = (Kind, Key);

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
    /// Pairs that were found not to be known, and until when that is believed. A lost entry only costs
    /// a read of the database.
    strangers: Vec<(u64, i64)>,
}

/// Who tries, from where.
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
        let wider = |allowance: crate::policy::Allowance| crate::policy::Allowance {
            burst: allowance.burst.saturating_mul(SPELLINGS),
            ..allowance
        };
        let state = State {
            pairs: Buckets::new(policy.pair),
            addresses: Buckets::new(policy.address),
            accounts: Buckets::new(policy.account),
            users: Buckets::new(wider(policy.account)),
            user_pairs: Buckets::new(wider(policy.pair)),
            strangers: vec![(0, 0); STRANGERS],
        };
        let keys = Keys::new(random)?;
        Ok(Arc::new(Self { policy, clock, keys, state: Mutex::new(state), waiting: AtomicUsize::new(0) }))
    }

    /// Lets a login in for which nothing was looked up yet, as far as its name and its network allow.
    /// [`Permit::identify`] decides the rest.
    pub(super) async fn admit(self: &Arc<Self>, login: &LoginName, origin: &Origin) -> Result<Permit, Denied> {
        let mut permit = Permit::new(Arc::clone(self), self.attempt(login, origin));
        if !self.policy.enabled {
            return Ok(permit);
        }
        let attempt = &permit.attempt;
        let mut wanted = vec![(Kind::Pair, attempt.pair)];
        wanted.extend(attempt.address.map(|address| (Kind::Address, address)));
        if self.lock().is_stranger(attempt.pair, self.clock.now()) {
            self.look(&[(Kind::Account, attempt.account)], attempt)?;
        }
        self.reserve(&wanted, &mut permit).await?;
        Ok(permit)
    }

    /// What a network must have logged in since, to be known.
    pub(super) fn known_since(&self) -> Timestamp {
        self.clock.now().saturating_sub(self.policy.known_for)
    }

    fn attempt(&self, login: &LoginName, origin: &Origin) -> Attempt {
        let (name, network) = (folded(login), Network::of(origin.address));
        let (name, from) = (name.as_bytes(), network.to_string());
        let account = self.keys.key(&[b"account", name]);
        let exempt = self.policy.exempt.contains(origin.address);
        Attempt {
            network,
            name_hash: self.keys.key(&[b"log", name]).tag,
            pair: self.keys.key(&[b"pair", name, from.as_bytes()]),
            account,
            address: (!exempt).then(|| self.keys.key(&[b"address", from.as_bytes()])),
        }
    }

    fn user_places(&self, user: UserId, network: Network) -> [Key; 2] {
        let (user, from) = (user.0.to_le_bytes(), network.to_string());
        [self.keys.key(&[b"user", &user]), self.keys.key(&[b"user pair", &user, from.as_bytes()])]
    }

    /// Takes all of these places, or none. Where a bucket's last places are taken by tries that are on
    /// their way, waits for what comes of them: a client with the right password is not to be refused
    /// because it asked often at once.
    async fn reserve(&self, wanted: &[Place], permit: &mut Permit) -> Result<(), Denied> {
        let mut seat = None;
        loop {
            // Made under the lock, and so told of everything that happens after it.
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
            if seat.is_none() {
                seat = Some(Seat::take(&self.waiting)?);
            }
            awaited.await;
        }
    }

    /// Refuses if one of these places has no room, without taking any.
    fn look(&self, wanted: &[Place], attempt: &Attempt) -> Result<(), Denied> {
        self.room(&mut self.lock(), wanted, attempt).map(drop)
    }

    /// `None` if all have room; else what to wait for.
    fn room(
        &self,
        state: &mut State,
        wanted: &[Place],
        attempt: &Attempt,
    ) -> Result<Option<tokio::sync::futures::OwnedNotified>, Denied> {
        let now = self.clock.now();
        let mut awaited: Option<Arc<Notify>> = None;
        let mut after = None;
        for (kind, key) in wanted {
            match state.of(*kind).room(*key, now) {
                Room::Free => {}
                Room::Awaited(over) => awaited = awaited.or(Some(over)),
                Room::Full(wait) => {
                    after = after.max(Some(wait));
                    self.tell(state, (*kind, *key), attempt, now);
                }
            }
        }
        match after {
            Some(after) => Err(Denied::Throttled(after, state.label(attempt, now))),
            None => Ok(awaited.map(Notify::notified_owned)),
        }
    }

    /// One line in the log for each full bucket and minute.
    fn tell(&self, state: &mut State, (kind, key): Place, attempt: &Attempt, now: Timestamp) {
        if state.of(kind).may_tell(key, now) {
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

    /// Whose account it is, as far as failures before have told.
    fn label(&self, attempt: &Attempt, now: Timestamp) -> AccountLabel {
        let user = self.accounts.user(attempt.account, now).or_else(|| self.pairs.user(attempt.pair, now));
        user.map_or(AccountLabel::Name(attempt.name_hash), AccountLabel::User)
    }

    fn is_stranger(&self, pair: Key, now: Timestamp) -> bool {
        let found = self.strangers.get(stranger_place(pair));
        // A clock that was set back prolongs nothing.
        let still = now.as_micros()..=now.saturating_add(STRANGER_FOR).as_micros();
        found.is_some_and(|(tag, until)| *tag == pair.tag && still.contains(until))
    }

    fn note_stranger(&mut self, pair: Key, now: Timestamp) {
        if let Some(entry) = self.strangers.get_mut(stranger_place(pair)) {
            *entry = (pair.tag, now.saturating_add(STRANGER_FOR).as_micros());
        }
    }

    fn forget_stranger(&mut self, pair: Key) {
        if let Some(entry) = self.strangers.get_mut(stranger_place(pair)).filter(|entry| entry.0 == pair.tag) {
            *entry = (0, 0);
        }
    }
}

fn stranger_place(pair: Key) -> usize {
    usize::try_from(pair.place % STRANGERS as u64).unwrap_or_default()
}

/// One of a bounded number of tries that wait.
struct Seat<'a>(&'a AtomicUsize);

impl<'a> Seat<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, Denied> {
        let seat = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING { Err(Denied::Busy) } else { Ok(seat) }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
