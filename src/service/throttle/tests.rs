//! Tests of the throttle alone, on a manual clock.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::join_all;

use super::buckets::Failure;
use super::*;
use crate::domain::policy::{Allowance, ExemptNetworks};
use crate::domain::random::SystemRandom;
use crate::domain::time::ManualClock;
use crate::domain::user::{Epoch, User};

const DAY: Duration = Duration::from_secs(86_400);

struct Bench {
    throttle: Arc<Throttle>,
    clock: ManualClock,
}

/// How an attempt ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Wrong,
    Right,
}

impl Bench {
    fn new(policy: ThrottlePolicy) -> Self {
        let clock = ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000));
        let throttle = Throttle::new(policy, Arc::new(clock.clone()), &SystemRandom).expect("random bytes");
        Self { throttle, clock }
    }

    /// One attempt, as a login makes it. If it is not allowed, how long to wait.
    async fn try_once(&self, login: &LoginName, from: u32, who: Who, end: End) -> Result<(), Duration> {
        let wait = |denied| match denied {
            Denied::Throttled(after, _) => after,
            Denied::Busy => panic!("too many wait"),
        };
        let mut permit = self.throttle.admit(login, &origin(from)).await.map_err(wait)?;
        permit.identify(who.user, who.known).await.map_err(wait)?;
        permit.begun().store(true, Ordering::Relaxed);
        tokio::task::yield_now().await;
        match end {
            End::Wrong => permit.failed(),
            End::Right => permit.succeeded(),
        }
        Ok(())
    }

    fn wrong(&self, login: &LoginName, from: u32, who: Who) -> Result<(), Duration> {
        run(self.try_once(login, from, who, End::Wrong))
    }
}

/// The result of looking up the account.
#[derive(Clone, Copy, Default)]
struct Who {
    user: Option<UserId>,
    known: bool,
}

const ALICE: Who = Who { user: Some(UserId(17)), known: false };
const ALICE_KNOWN: Who = Who { user: Some(UserId(17)), known: true };
const NOBODY: Who = Who { user: None, known: false };

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(work)
}

fn name(text: &str) -> LoginName {
    LoginName::Username(text.to_owned())
}

fn mail(text: &str) -> LoginName {
    LoginName::Email(text.to_owned())
}

fn origin(from: u32) -> Origin {
    Origin { address: Some(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + from))), ..Origin::default() }
}

#[test]
fn a_thousand_guesses_at_once_are_no_more_than_a_bucket() {
    let bench = Bench::new(ThrottlePolicy::default());
    let alice = name("alice");
    let tries = run(join_all((0..1_000).map(|_| bench.try_once(&alice, 1, ALICE, End::Wrong))));
    assert_eq!(tries.iter().filter(|tried| tried.is_ok()).count(), 10);
    let other = Bench::new(ThrottlePolicy::default());
    let tries = run(join_all((0..1_000).map(|from| other.try_once(&alice, from, ALICE, End::Wrong))));
    assert_eq!(tries.iter().filter(|tried| tried.is_ok()).count(), 20);
}

#[test]
fn right_passwords_at_once_are_all_taken() {
    let bench = Bench::new(ThrottlePolicy::default());
    let alice = name("alice");
    let tries = run(join_all((0..500).map(|_| bench.try_once(&alice, 1, ALICE, End::Right))));
    assert!(tries.iter().all(Result::is_ok));
}

#[test]
fn a_success_empties_its_own_pair_and_nothing_else() {
    let bench = Bench::new(ThrottlePolicy::default());
    for _ in 0..2 {
        for _ in 0..9 {
            bench.wrong(&name("alice"), 1, ALICE).expect("room");
        }
        run(bench.try_once(&name("alice"), 1, ALICE, End::Right)).expect("room");
    }
    for _ in 0..2 {
        bench.wrong(&name("alice"), 2, ALICE).expect("the last of the account's twenty");
    }
    assert!(bench.wrong(&name("alice"), 3, ALICE).is_err(), "the account's bucket is as full as before");
    bench.wrong(&name("alice"), 1, ALICE_KNOWN).expect("the pair's is empty");
}

#[test]
fn what_strangers_guess_is_nothing_to_a_known_pair_and_the_other_way_round() {
    let bench = Bench::new(ThrottlePolicy::default());
    for from in 100..120 {
        bench.wrong(&name("alice"), from, ALICE).expect("room");
    }
    let wait = bench.wrong(&name("Alice "), 200, ALICE).expect_err("full");
    assert!(wait <= Duration::from_secs(60), "{wait:?}");
    for _ in 0..10 {
        bench.wrong(&name("alice"), 1, ALICE_KNOWN).expect("its own bucket");
    }
    assert!(bench.wrong(&name("alice"), 1, ALICE_KNOWN).is_err(), "known is no free pass");
    bench.clock.advance(Duration::from_secs(60));
    bench.wrong(&name("alice"), 201, ALICE).expect("one a minute, of which the known pair took none");
    assert!(bench.wrong(&name("alice"), 202, ALICE).is_err());
}

#[test]
fn names_of_nobody_fill_as_those_of_users_do() {
    let bench = Bench::new(ThrottlePolicy::default());
    let waits = [("alice", ALICE), ("nobody", NOBODY)]
        .map(|(text, who)| (0..25).map(|from| bench.wrong(&name(text), from, who).err()).collect::<Vec<_>>());
    assert_eq!(waits[0], waits[1]);
}

#[test]
fn an_exempt_network_has_no_bucket_of_its_own() {
    let exempt = ExemptNetworks { networks: vec!["10.0.0.1/32".parse().expect("a network")], unix: false };
    let bench = Bench::new(ThrottlePolicy { exempt, ..ThrottlePolicy::default() });
    let wrong = |from: u32| (0..200).filter(|n| bench.wrong(&name(&format!("user-{n}")), from, NOBODY).is_ok()).count();
    assert_eq!(wrong(2), 60);
    assert_eq!(wrong(1), 200);
    assert_eq!((0..20).filter(|_| bench.wrong(&name("one"), 1, NOBODY).is_ok()).count(), 10);
}

#[test]
fn who_hangs_up_in_the_middle_of_a_guess_has_used_it() {
    let bench = Bench::new(ThrottlePolicy::default());
    let tries = |begun: bool| {
        let one = |_: &u32| {
            let permit = run(bench.throttle.admit(&name("alice"), &origin(1)));
            permit.is_ok_and(|permit| {
                permit.begun().store(begun, Ordering::Relaxed);
                true
            })
        };
        (0..50).filter(one).count()
    };
    assert_eq!(tries(false), 50, "nothing was computed for them");
    assert_eq!(tries(true), 10);
}

#[test]
fn a_clock_that_is_set_back_costs_no_more_than_a_full_bucket() {
    let bench = Bench::new(ThrottlePolicy::default());
    assert!((0..100).any(|_| bench.wrong(&name("alice"), 1, ALICE).is_err()));
    bench.clock.set(bench.clock.now().saturating_sub(DAY));
    // Each bucket that counted a failure is full once, and then has room for one more.
    let mut waits = 0;
    while let Err(wait) = bench.wrong(&name("alice"), 1, ALICE) {
        assert!(wait <= Duration::from_secs(60), "{wait:?}");
        waits += 1;
        assert!(waits <= 4, "time empties no bucket");
        bench.clock.advance(wait);
    }
}

#[test]
fn without_a_throttle_every_guess_is_taken() {
    let bench = Bench::new(ThrottlePolicy::off());
    assert!((0..500).all(|_| bench.wrong(&name("alice"), 1, ALICE).is_ok()));
}

/// More failures than there are buckets: some keys share a bucket, and none is forgotten.
fn flood_of_other_names(names: u64) {
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    let mut buckets = Buckets::new(Allowance { burst: 20, interval: Duration::from_secs(60) });
    let keys = Keys::new(&SystemRandom).expect("random bytes");
    let (attacked, cleared) = (keys.key(&[b"attacked"]), keys.key(&[b"cleared"]));
    let failure = |user| Failure { user, name: 0, network: Network::of(None) };
    for _ in 0..20 {
        buckets.count(attacked, failure(Some(UserId(17))), now);
    }
    for number in 0..names {
        // Distributed as well as hashes, and cheaper.
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let other = Key { set: mixed >> 40, tag: mixed | 1 };
        buckets.count(other, failure(None), now);
        if number % 100_000 == 0 {
            buckets.clear(other, now);
            buckets.clear(cleared, now);
        }
    }
    assert!(matches!(buckets.room(attacked, now), Room::Full(_)));
    assert_eq!(buckets.user(attacked, now), Some(UserId(17)));
    let later = now.saturating_add(Duration::from_secs(60));
    assert!(matches!(buckets.room(attacked, later), Room::Free));
}

#[test]
fn a_flood_of_other_names_frees_no_account() {
    flood_of_other_names(500_000);
}

#[test]
#[ignore = "takes a while: scripts/soak logins runs it"]
fn a_flood_of_ten_million_other_names_frees_no_account() {
    flood_of_other_names(10_000_000);
}

/// Attempts logins as often as allowed, for a day: every ten seconds from new addresses.
fn guesses_in_a_day(bench: &Bench, mut tries: impl FnMut(u32) -> Vec<(LoginName, u32, Who)>) -> usize {
    let step = Duration::from_secs(10);
    let mut taken = 0;
    for round in 0..8_640 {
        for (login, from, who) in tries(round) {
            // Bounded, in case every attempt is allowed.
            taken += (0..100).take_while(|_| bench.wrong(&login, from, who).is_ok()).count();
        }
        bench.clock.advance(step);
    }
    taken
}

#[test]
fn guesses_in_a_day_are_bounded() {
    let strangers = guesses_in_a_day(&Bench::new(ThrottlePolicy::default()), |round| {
        (0..3).map(|n| (name("alice"), 1_000 + (round * 3 + n) % 500, ALICE)).collect()
    });
    let both = guesses_in_a_day(&Bench::new(ThrottlePolicy::default()), |round| {
        let from = 1_000 + round * 2;
        vec![(name("alice"), from, ALICE), (mail("alice@example.com"), from + 1, ALICE)]
    });
    let known = guesses_in_a_day(&Bench::new(ThrottlePolicy::default()), |_| {
        vec![(name("alice"), 1, ALICE_KNOWN), (mail("alice@example.com"), 1, ALICE_KNOWN)]
    });
    let one_address = guesses_in_a_day(&Bench::new(ThrottlePolicy::default()), |round| {
        (0..3).map(|n| (name(&format!("user-{round}-{n}")), 1, NOBODY)).collect()
    });
    println!(
        "guesses in a day: {strangers} at one account from unknown addresses, {both} by both its spellings, \
         {known} from a known one, {one_address} from one address at all accounts"
    );
    assert!((1_400..=1_500).contains(&strangers), "{strangers}");
    assert!((1_400..=1_500).contains(&both), "{both}");
    assert!((1_400..=1_500).contains(&known), "{known}");
    assert!((8_000..=9_000).contains(&one_address), "{one_address}");
}

/// What the list says about a bucket, except when it will be empty.
type Row = (String, Option<String>, Option<String>, u32, bool);

fn listed(bench: &Bench) -> Vec<Row> {
    let rows = bench.throttle.list(100).into_iter();
    rows.map(|row| (row.bucket.to_owned(), row.account, row.address, row.failures, row.is_full)).collect()
}

#[test]
fn the_list_names_accounts_and_addresses_fullest_first() {
    let bench = Bench::new(ThrottlePolicy::default());
    for _ in 0..10 {
        bench.wrong(&name("alice"), 1, ALICE).expect("room");
    }
    bench.wrong(&name("no such user"), 2, NOBODY).expect("room");
    let rows = listed(&bench);
    let of = |bucket: &str, address: Option<&str>| {
        rows.iter().find(|row| row.0 == bucket && row.2.as_deref() == address).cloned().expect("a row")
    };
    let alice = Some("17".to_owned());
    assert_eq!(of("pair", Some("10.0.0.1")), ("pair".to_owned(), alice.clone(), Some("10.0.0.1".to_owned()), 10, true));
    assert_eq!(of("address", Some("10.0.0.1")), ("address".to_owned(), None, Some("10.0.0.1".to_owned()), 10, false));
    assert_eq!(of("address", Some("10.0.0.2")).3, 1);
    assert!(of("pair", Some("10.0.0.2")).1.expect("an account").starts_with("name-"));
    assert!(rows[0].4 && rows[1..].iter().all(|row| !row.4), "{rows:?}");
    assert_eq!(bench.throttle.list(2).len(), 2);
    bench.clock.advance(DAY);
    assert_eq!(listed(&bench), Vec::new());
}

#[test]
fn an_account_an_address_or_both_are_cleared_and_nothing_else() {
    let user = User {
        id: UserId(17),
        username: "alice".to_owned(),
        email: "a@example.org".to_owned(),
        is_active: true,
        is_staff: false,
        is_admin: false,
        epoch: Epoch(0),
    };
    let other = Who { user: Some(UserId(18)), known: false };
    let filled = || {
        let bench = Bench::new(ThrottlePolicy::default());
        for from in [1, 2] {
            for _ in 0..10 {
                bench.wrong(&name("alice"), from, ALICE).expect("room");
                bench.wrong(&name("bob"), from, other).expect("room");
            }
        }
        bench
    };
    let address = |from| origin(from).address;
    // The pair of an account and an address. Other attempts fail because of the account's own bucket.
    let bench = filled();
    assert!(bench.throttle.clear(ThrottleScope { user: Some(&user), address: address(1) }) >= 1);
    bench.wrong(&name("alice"), 1, ALICE_KNOWN).expect("the pair is empty");
    assert!(bench.wrong(&name("alice"), 2, ALICE_KNOWN).is_err());
    assert!(bench.wrong(&name("alice"), 1, ALICE).is_err(), "the account is as full as before");
    // The account, from everywhere.
    let bench = filled();
    bench.throttle.clear(ThrottleScope { user: Some(&user), address: None });
    bench.wrong(&name("alice"), 1, ALICE).expect("nothing is left of it");
    bench.wrong(&name("alice"), 2, ALICE).expect("nothing is left of it");
    assert!(bench.wrong(&name("bob"), 1, other).is_err());
    // The address, for all accounts.
    let bench = filled();
    bench.throttle.clear(ThrottleScope { user: None, address: address(1) });
    bench.wrong(&name("bob"), 1, Who { known: true, ..other }).expect("the pair is empty");
    assert!(bench.wrong(&name("bob"), 2, Who { known: true, ..other }).is_err());
    assert!(!listed(&bench).iter().any(|row| row.0 == "address" && row.2.as_deref() == Some("10.0.0.1") && row.3 > 1));
    // Everything.
    let bench = filled();
    bench.throttle.clear(ThrottleScope { user: None, address: None });
    assert_eq!(listed(&bench), Vec::new());
}
