//! The right to have one password verified.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::key::Key;
use super::{AccountLabel, Attempt, Denied, Kind, Place, Throttle};
use crate::policy::Network;
use crate::user::UserId;

/// What a try counts against among those that wait for a hashing thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) struct Share {
    /// The account.
    pub(in crate::service) account: u64,
    /// The network, unless it is exempt.
    pub(in crate::service) address: Option<u64>,
    /// Whether the account knows the network.
    pub(in crate::service) known: bool,
}

/// The right to have one password verified, and the places that it takes in the throttle's buckets.
///
/// [`Permit::failed`] and [`Permit::succeeded`] say what came of it. Dropped without either, it was no
/// failure, unless hashing had begun: whoever hangs up in the middle of a guess has used it.
pub(in crate::service) struct Permit {
    throttle: Arc<Throttle>,
    pub(super) attempt: Attempt,
    pub(super) held: Vec<Place>,
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

    /// Goes on with what was looked up: whose account it is, if anybody's, and whether the account has
    /// logged in from this network lately.
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
        let of_user = user.map(|user| throttle.user_places(user, self.attempt.network));
        let wanted: Vec<Place> = match of_user {
            Some([_, pair]) if known => vec![(Kind::UserPair, pair)],
            Some([all, _]) => vec![(Kind::Account, self.attempt.account), (Kind::User, all)],
            None => vec![(Kind::Account, self.attempt.account)],
        };
        if !known {
            throttle.lock().note_stranger(self.attempt.pair, throttle.clock.now());
        }
        throttle.reserve(&wanted, self).await
    }

    /// The account, for the log.
    pub(in crate::service) fn label(&self) -> AccountLabel {
        self.user.map_or(AccountLabel::Name(self.attempt.name_hash), AccountLabel::User)
    }

    /// What the try counts against while it waits for a thread.
    pub(in crate::service) fn share(&self) -> Share {
        Share {
            account: self.attempt.account.tag,
            address: self.attempt.address.map(|address: Key| address.tag),
            known: self.known,
        }
    }

    /// To be set when hashing begins.
    pub(in crate::service) fn begun(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.begun)
    }

    /// The password was wrong, or was refused in the same words.
    pub(in crate::service) fn failed(mut self) {
        self.settle(true);
    }

    /// The password was right: forgets what this account failed at from this network, and nothing else.
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
        state.forget_stranger(self.attempt.pair);
    }

    /// It is not known whether the password was right, for no fault of the client's.
    pub(in crate::service) fn given_back(mut self) {
        self.settle(false);
    }

    fn settle(&mut self, failed: bool) {
        let now = self.throttle.clock.now();
        let mut state = self.throttle.lock();
        for (kind, key) in self.held.drain(..) {
            let buckets = state.of(kind);
            if failed {
                buckets.count(key, self.user, now);
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
