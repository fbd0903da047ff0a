//! The right to have one password verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::buckets::Failure;
use super::key::Key;
use super::{AccountLabel, Attempt, BucketKey, Denied, Kind, Throttle};
use crate::domain::policy::Network;
use crate::domain::user::UserId;

/// The account and the network that an attempt is counted for while it waits for a hashing thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) struct Share {
    /// The account.
    pub(in crate::service) account: u64,
    /// The network, unless it is exempt.
    pub(in crate::service) address: Option<u64>,
    /// Whether the account knows the network.
    pub(in crate::service) known: bool,
}

/// The right to have one password verified, with the room that it reserves in the throttle's buckets.
///
/// [`Permit::failed`] and [`Permit::succeeded`] report the result. If it is dropped without either, it counts as a
/// failure only if hashing had begun: a client that disconnects during a guess has used it up.
pub(in crate::service) struct Permit {
    throttle: Arc<Throttle>,
    pub(super) attempt: Attempt,
    pub(super) held: Vec<BucketKey>,
    user: Option<UserId>,
    known: bool,
    begun: Arc<AtomicBool>,
}

impl Permit {
    pub(super) fn new(throttle: Arc<Throttle>, attempt: Attempt) -> Self {
        Self { throttle, attempt, held: Vec::new(), user: None, known: false, begun: Arc::default() }
    }

    /// Where the login comes from.
    pub(in crate::service) const fn network(&self) -> Network {
        self.attempt.network
    }

    /// Continues with what was looked up: the account, if there is one, and whether it has logged in from
    /// this network lately.
    ///
    /// # Errors
    /// When the account's bucket has no room.
    pub(in crate::service) async fn identify(&mut self, user: Option<UserId>, known: bool) -> Result<(), Denied> {
        self.user = user;
        self.known = known;
        let throttle = Arc::clone(&self.throttle);
        if !throttle.policy.enabled {
            return Ok(());
        }
        let of_user = user.map(|user| throttle.user_keys(user, self.attempt.network));
        let wanted: Vec<BucketKey> = match of_user {
            Some([_, pair]) if known => vec![(Kind::UserPair, pair)],
            Some([all, _]) => vec![(Kind::Account, self.attempt.account), (Kind::User, all)],
            None => vec![(Kind::Account, self.attempt.account)],
        };
        if !known {
            throttle.lock().note_unknown(self.attempt.pair, throttle.clock.now());
        }
        throttle.reserve(&wanted, self).await
    }

    /// The account, for the log.
    pub(in crate::service) fn label(&self) -> AccountLabel {
        self.user.map_or(AccountLabel::Name(self.attempt.name_hash), AccountLabel::User)
    }

    /// What the attempt is counted for while it waits for a thread.
    pub(in crate::service) fn share(&self) -> Share {
        Share {
            account: self.attempt.account.tag,
            address: self.attempt.address.map(|address: Key| address.tag),
            known: self.known,
        }
    }

    /// A flag to set when hashing begins.
    pub(in crate::service) fn begun(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.begun)
    }

    /// The password was wrong, or the login was refused with the same message.
    pub(in crate::service) fn failed(mut self) {
        self.settle(true);
    }

    /// The password was right: this account's failures from this network are forgotten, and no others.
    pub(in crate::service) fn succeeded(mut self) {
        let own = self.held.clone();
        self.settle(false);
        let now = self.throttle.clock.now();
        let mut state = self.throttle.lock();
        for (kind, key) in own {
            match kind {
                Kind::Pair | Kind::UserPair => state.of(kind).clear(key, now),
                Kind::Address | Kind::Account | Kind::User => {}
            }
        }
        state.forget_unknown(self.attempt.pair);
    }

    /// It is unknown whether the password was right, which is not the client's fault.
    pub(in crate::service) fn given_back(mut self) {
        self.settle(false);
    }

    fn settle(&mut self, failed: bool) {
        let now = self.throttle.clock.now();
        let failure = Failure { user: self.user, name: self.attempt.name_hash, network: self.attempt.network };
        let mut state = self.throttle.lock();
        for (kind, key) in self.held.drain(..) {
            let buckets = state.of(kind);
            if failed {
                buckets.count(key, failure, now);
            }
            buckets.release(key);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            self.settle(self.begun.load(Ordering::Relaxed));
        }
    }
}
