//! How a check uses a store with a revocation feed; requests are counted in the store.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use knoxide::domain::audit::{Actor, AuditContext, Event, Origin};
use knoxide::domain::dialect::Dialect;
use knoxide::domain::password::Hasher;
use knoxide::domain::random::SystemRandom;
use knoxide::domain::session::Refusal;
use knoxide::domain::time::Timestamp;
use knoxide::domain::token::{Token, TokenDigest};
use knoxide::domain::user::{LoginName, NewUser, Password, UserId};
use knoxide::service::{Activity, Auth, Check, CheckError, LoginRequest, Resolver};
use knoxide::store::memory::MemoryStore;
use knoxide::store::{
    AdminStore as _, Connection, FeedKind, FeedUpdate, Invalidation, RevocationFeed, Revoked, SharedEmail, Store,
    StoreError, StoreResult, UserCreation,
};

mod shared;

/// A store in memory whose feed reports what the test says.
#[derive(Clone, Default)]
struct Followed {
    behind: MemoryStore,
    watch: Arc<Watch>,
}

#[derive(Default)]
struct Watch {
    polls: AtomicUsize,
    asked: AtomicUsize,
    feeds: AtomicUsize,
    fails: AtomicBool,
    panics: AtomicBool,
    /// The invalidations of each feed's next poll.
    invalidation: Mutex<Vec<Revoked>>,
    everything: AtomicBool,
}

struct Counting {
    behind: Box<dyn Connection>,
    watch: Arc<Watch>,
}

impl Store for Followed {
    fn connect(&self) -> StoreResult<Box<dyn Connection>> {
        self.behind.connect()
    }

    fn writers(&self) -> usize {
        1
    }

    fn feed_kind(&self) -> FeedKind {
        FeedKind::PerThread
    }

    fn feed(&self) -> StoreResult<Box<dyn RevocationFeed>> {
        self.watch.feeds.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Counting { behind: self.behind.connect()?, watch: Arc::clone(&self.watch) }))
    }
}

impl RevocationFeed for Counting {
    fn poll(&mut self, digests: &[TokenDigest]) -> StoreResult<FeedUpdate> {
        let watch = &self.watch;
        assert!(!watch.panics.swap(false, Ordering::Relaxed), "as planned");
        if watch.fails.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("as planned".to_owned()));
        }
        watch.polls.fetch_add(1, Ordering::Relaxed);
        watch.asked.fetch_add(digests.len(), Ordering::Relaxed);
        let invalidation = std::mem::take(&mut *watch.invalidation.lock().expect("a lock"));
        let invalidation = if watch.everything.swap(false, Ordering::Relaxed) {
            Invalidation::Everything
        } else {
            Invalidation::Revoked(invalidation)
        };
        Ok(FeedUpdate { invalidation, found: self.behind.find_many(digests)?, cacheable: true })
    }
}

/// A service with this many tokens of one user.
struct Set {
    auth: Auth,
    watch: Arc<Watch>,
    user: UserId,
    tokens: Vec<String>,
}

fn run<T>(work: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(work)
}

async fn set(tokens: usize, cached: usize) -> Set {
    let store = Followed::default();
    let (hasher, new, audit) = ada();
    let UserCreation::Created(user) = store.behind.create_user(&new, SharedEmail::Allow, &audit).expect("a user")
    else {
        panic!("no user");
    };
    let watch = Arc::clone(&store.watch);
    let auth = Auth::builder(store).hasher(hasher).cached_tokens(cached).build().expect("a service");
    let mut texts = Vec::new();
    for _ in 0..tokens {
        let issued = auth.login(login()).await.expect("a login");
        texts.push(issued.access.token.expose().to_owned());
    }
    Set { auth, watch, user, tokens: texts }
}

/// A user, to be created.
fn ada() -> (Hasher, NewUser, AuditContext) {
    let hasher = Hasher::with_unsafe_cost(4).expect("a cost");
    let new = NewUser {
        id: None,
        username: "ada".to_owned(),
        email: String::new(),
        password: hasher.hash(&Password::new("secret".to_owned()), &SystemRandom).expect("a hash"),
        is_active: true,
        is_staff: false,
        is_admin: false,
        created: Timestamp::EPOCH,
    };
    let audit = AuditContext {
        event: Event::UserCreated,
        actor: Actor::System,
        origin: Origin::default(),
        at: Timestamp::EPOCH,
        detail: None,
    };
    (hasher, new, audit)
}

fn login() -> LoginRequest {
    LoginRequest {
        dialect: Dialect::Knox,
        login: LoginName::Username("ada".to_owned()),
        password: Password::new("secret".to_owned()),
        session_name: None,
        origin: Origin::default(),
    }
}

impl Set {
    fn check(&self, token: usize) -> Check {
        self.auth.resolve(Token::parse(self.tokens[token].as_bytes()).expect("a token"), Activity::Ignored)
    }

    async fn all_are_good(&self) {
        for answer in join_all((0..self.tokens.len()).map(|token| self.check(token))).await {
            answer.expect("a good token");
        }
    }

    /// The requests to the feeds since the last call: polls, and tokens whose rows they requested.
    fn asked(&self) -> (usize, usize) {
        (self.watch.polls.swap(0, Ordering::Relaxed), self.watch.asked.swap(0, Ordering::Relaxed))
    }
}

#[test]
fn checks_of_one_turn_share_a_poll_and_cached_rows_are_not_read() {
    run(async {
        let set = set(20, 100).await;
        set.all_are_good().await;
        assert_eq!(set.asked(), (2, 20), "one poll for all, and one for all tokens that were not cached");
        set.all_are_good().await;
        assert_eq!(set.asked(), (1, 0));
        set.check(3).await.expect("a good token");
        assert_eq!(set.asked(), (1, 0), "a lone check has a poll of its own");
    });
}

/// Yields to all tasks that are ready now.
async fn turn() {
    tokio::spawn(async {}).await.expect("a turn");
}

/// The same, more often than any check needs.
async fn turns() {
    for _ in 0..16 {
        turn().await;
    }
}

#[test]
fn one_who_is_remembered_does_not_wait_for_those_who_are_to_be_read() {
    run(async {
        let set = set(4, 100).await;
        for answer in join_all([2, 3].map(|token| set.check(token))).await {
            answer.expect("a good token");
        }
        let (mut unknown, mut other) = (set.check(0), set.check(1));
        assert!((&mut unknown).now_or_never().is_none() && (&mut other).now_or_never().is_none());
        turn().await;
        assert!((&mut unknown).now_or_never().is_none() && (&mut other).now_or_never().is_none());
        let mut known = set.check(2);
        assert!((&mut known).now_or_never().is_none(), "it waits for a turn");
        turn().await;
        assert!((&mut unknown).now_or_never().is_none() && (&mut other).now_or_never().is_none(), "not their turn");
        known.now_or_never().expect("an answer").expect("a good token");
        turns().await;
        unknown.now_or_never().expect("an answer").expect("a good token");
        other.now_or_never().expect("an answer").expect("a good token");
    });
}

#[test]
fn one_who_has_to_ask_when_that_turn_is_over_waits_for_nobody() {
    run(async {
        let set = set(2, 100).await;
        let (mut first, mut late) = (set.check(0), set.check(1));
        assert!((&mut first).now_or_never().is_none() && (&mut late).now_or_never().is_none(), "they wait for a turn");
        turn().await;
        assert!((&mut first).now_or_never().is_none(), "its row has to be read, in a later turn");
        turns().await;
        late.now_or_never().expect("an answer").expect("a good token");
        first.now_or_never().expect("an answer").expect("a good token");
        assert_eq!(set.asked(), (2, 2));
    });
}

#[test]
fn what_was_revoked_is_asked_for_again() {
    run(async {
        let set = set(3, 100).await;
        set.all_are_good().await;
        let who = set.check(0).await.expect("a good token");
        set.asked();
        let assert_read_again = |tokens, which| {
            let (polls, asked_for) = set.asked();
            // One poll, and one more that reads rows. While the checks arrive one by one, each has a poll of its own,
            // and the last one may arrive so soon after the others that it shares two.
            assert!((2..=5).contains(&polls), "{polls} polls");
            assert_eq!(asked_for, tokens, "{which}");
        };
        *set.watch.invalidation.lock().expect("a lock") = vec![Revoked::Session(who.session.id)];
        set.all_are_good().await;
        assert_read_again(1, "one session");
        *set.watch.invalidation.lock().expect("a lock") = vec![Revoked::User(set.user)];
        set.all_are_good().await;
        assert_read_again(3, "all of the user's");
        set.watch.everything.store(true, Ordering::Relaxed);
        set.all_are_good().await;
        assert_read_again(3, "everything");
    });
}

#[test]
fn a_refusal_is_never_remembered() {
    run(async {
        let set = set(1, 100).await;
        for _ in 0..3 {
            let unknown = Token::parse(b"0123456789012345678901234567890123456789").expect("a token");
            let refused = set.auth.resolve(unknown, Activity::Ignored).await;
            assert_eq!(refused, Err(CheckError::Refused(Refusal::Unknown)));
            let (polls, asked_for) = set.asked();
            // A check that arrives alone needs at most one other poll before the one that reads its row.
            assert!((1..=2).contains(&polls), "{polls} polls");
            assert_eq!(asked_for, 1);
        }
    });
}

#[test]
fn memory_is_bounded_and_keeps_what_is_asked_for() {
    run(async {
        let set = set(12, 4).await;
        for token in 0..12 {
            set.check(token).await.expect("a good token");
            set.check(0).await.expect("a good token");
        }
        set.asked();
        set.check(0).await.expect("a good token");
        assert_eq!(set.asked(), (1, 0), "the token that is checked all the time stays cached");
        set.all_are_good().await;
        let (_, again) = set.asked();
        assert!((8..=11).contains(&again), "{again} were asked for again");
    });
}

#[test]
fn without_memory_every_check_reads() {
    run(async {
        let set = set(2, 0).await;
        set.all_are_good().await;
        assert_eq!((set.asked(), set.watch.feeds.load(Ordering::Relaxed)), ((0, 0), 0));
    });
}

#[test]
fn a_check_that_is_given_up_leaves_nobody_waiting() {
    run(async {
        let set = set(3, 100).await;
        let (mut first, second) = (Box::pin(set.check(0)), set.check(1));
        let second = actix_web::rt::spawn(second);
        // The first is polled first, since the second's task has not run yet.
        assert!(first.as_mut().now_or_never().is_none());
        let third = actix_web::rt::spawn(set.check(2));
        drop(first);
        second.await.expect("no panic").expect("a good token");
        third.await.expect("no panic").expect("a good token");
    });
}

#[test]
fn a_feed_that_fails_is_replaced_and_the_cache_emptied() {
    run(async {
        let set = set(2, 100).await;
        set.all_are_good().await;
        set.watch.fails.store(true, Ordering::Relaxed);
        set.all_are_good().await;
        assert_eq!(set.watch.feeds.load(Ordering::Relaxed), 1, "one attempt in this time");
        set.watch.fails.store(false, Ordering::Relaxed);
        set.asked();
        actix_web::rt::time::timeout(std::time::Duration::from_secs(20), async {
            while set.watch.feeds.load(Ordering::Relaxed) == 1 {
                set.all_are_good().await;
                actix_web::rt::task::yield_now().await;
            }
        })
        .await
        .expect("another feed");
        set.all_are_good().await;
        assert_eq!(set.asked().1, 2, "each row was read again, once");
    });
}

#[test]
fn a_feed_that_panics_costs_the_checks_of_its_turn_at_most() {
    run(async {
        let set = set(2, 100).await;
        set.all_are_good().await;
        set.watch.panics.store(true, Ordering::Relaxed);
        set.asked();
        let [check, other] = [0, 1].map(|token| actix_web::rt::spawn(set.check(token)));
        assert!(check.await.is_err(), "the panic is the caller's");
        other.await.expect("no panic").expect("a good token");
        assert_eq!(set.asked(), (2, 1), "one poll, which found an empty cache, and one to read the row");
        set.all_are_good().await;
        assert_eq!(set.asked().1, 1, "nothing is left of the cache of the feed that panicked");
    });
}
