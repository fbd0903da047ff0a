//! Races between logins, logouts and the acts that end all sessions, on both databases.
//!
//! `KNOXIDE_RACE_TRIES` sets how often each race is run.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use knoxide::domain::audit::{AuditContext, Event};
use knoxide::domain::dialect::Dialect;
use knoxide::domain::policy::{Policy, ThrottlePolicy};
use knoxide::domain::random::{Random as _, SystemRandom};
use knoxide::domain::session::{Refusal, SessionId, Verified, judge};
use knoxide::domain::token::{Token, TokenDigest, TokenKind};
use knoxide::domain::user::{Account, PasswordHash, UserId};
use knoxide::store::diesel::DieselStore;
use knoxide::store::{
    AdminStore as _, Connection, LastAdmin, LimitPolicy, NewSession, NewToken, Opening, SweepPolicy, UserChanged,
};

use crate::harness::app::{App, Backend, Client, Database, Setup, on_each_database};
use crate::harness::number;

/// How often each race is run.
const TRIES: u64 = 1_000;

const PASSWORD: &str = "correct horse";

/// In every tenth try, one of the two is complete before the other begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    OneFirst,
    OtherFirst,
    /// Both at once, the later one delayed by this long.
    Together(Duration),
}

fn orders() -> impl Iterator<Item = Order> {
    let tries = number("KNOXIDE_RACE_TRIES").unwrap_or(TRIES);
    (0..tries).map(|number| match number % 10 {
        0 => Order::OneFirst,
        5 => Order::OtherFirst,
        few => Order::Together(Duration::from_micros(few * (number % 7) * 25)),
    })
}

/// Runs both in this order.
fn race<A, B: Send>(order: Order, one: impl FnOnce() -> A, other: impl FnOnce() -> B + Send) -> (A, B) {
    match order {
        Order::OneFirst => {
            let one = one();
            (one, other())
        }
        Order::OtherFirst => {
            let other = other();
            (one(), other)
        }
        Order::Together(later) => {
            let gate = &Barrier::new(2);
            thread::scope(|scope| {
                let other = scope.spawn(move || {
                    gate.wait();
                    other()
                });
                gate.wait();
                let begun = Instant::now();
                while begun.elapsed() < later {
                    std::hint::spin_loop();
                }
                (one(), other.join().expect("no panic"))
            })
        }
    }
}

/// Something done to a user, through the store's administration or on a connection.
type Change = fn(&DieselStore, &mut dyn Connection, UserId, &AuditContext);

/// A user, and two connections that compete.
struct Ring {
    app: App,
    user: UserId,
    one: Box<dyn Connection>,
    other: Box<dyn Connection>,
}

impl Ring {
    fn new(backend: Backend) -> Self {
        let app = App::start(backend);
        let user = app.add_user("alice", PASSWORD);
        let (one, other) = (app.connection(), app.connection());
        Self { app, user, one, other }
    }

    fn account(&mut self) -> Account {
        self.one.find_account_by_id(self.user).expect("a read").expect("the user")
    }

    /// A session as prepared by a login that has seen the account in its current state.
    fn prepare(&mut self) -> (NewSession, TokenDigest) {
        new_session(&self.account(), self.app.audit(Event::Login))
    }

    /// The current verdict of a check.
    fn verdict(&mut self, digest: TokenDigest) -> Result<Verified, Refusal> {
        let found = self.one.find_many(&[digest]).expect("a read");
        judge(found[0].as_ref(), Some(TokenKind::Access), self.app.auth.now(), None)
    }

    /// Runs `end` against logins that saw the account before it began. Their sessions must not survive, nor be live
    /// again after `after`.
    fn logins_against(mut self, end: Change, after: Change) {
        let mut opened = 0;
        for order in orders() {
            let (new, digest) = self.prepare();
            let audit = self.app.audit(Event::LogoutAll);
            let (store, user, one, other) = (&*self.app.store, self.user, &mut self.one, &mut self.other);
            let (opening, ()) =
                race(order, || one.open_session(&new).expect("an answer"), || end(store, &mut **other, user, &audit));
            match order {
                Order::OneFirst => assert_eq!(opening, Opening::Opened),
                Order::OtherFirst => assert_eq!(opening, Opening::Denied),
                Order::Together(_) => opened += u64::from(opening == Opening::Opened),
            }
            assert!(self.verdict(digest).is_err(), "a survivor, {order:?}, {opening:?}");
            after(&self.app.store, &mut *self.other, user, &audit);
            assert!(self.verdict(digest).is_err(), "one lives again, {order:?}, {opening:?}");
        }
        println!("of those at once, {opened} logins came first");
    }
}

fn new_session(account: &Account, audit: AuditContext) -> (NewSession, TokenDigest) {
    let token = Token::generate(&SystemRandom, "").expect("random bytes");
    let mut id = [0; 10];
    SystemRandom.fill(&mut id).expect("random bytes");
    let new = NewSession {
        id: SessionId::new(audit.at, &id),
        user: account.user.id,
        epoch: account.user.epoch,
        kind: Dialect::Knox.into(),
        name: None,
        tokens: vec![NewToken { digest: token.digest(), kind: TokenKind::Access, expires: None, key: None }],
        limit: None,
        network: None,
        with_event: true,
        audit,
    };
    (new, token.digest())
}

fn stored(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text.to_owned())
}

fn nothing(_: &DieselStore, _: &mut dyn Connection, _: UserId, _: &AuditContext) {}

on_each_database! {
    fn logins_against_a_password_change(backend) {
        Ring::new(backend).logins_against(
            |store, _, user, audit| {
                assert_eq!(store.set_password(user, &stored("a new one"), None, audit), Ok(UserChanged::Done));
            },
            nothing,
        );
    }

    fn logins_against_logging_out_everywhere(backend) {
        Ring::new(backend).logins_against(
            |_, connection, user, audit| assert!(connection.end_all_sessions(user, audit).expect("a write")),
            nothing,
        );
    }

    fn logins_against_a_deactivation(backend) {
        Ring::new(backend).logins_against(
            |store, _, user, audit| assert_eq!(store.set_active(user, false, LastAdmin::MayGo, audit), Ok(UserChanged::Done)),
            |store, _, user, audit| assert_eq!(store.set_active(user, true, LastAdmin::MayGo, audit), Ok(UserChanged::Done)),
        );
    }

    fn a_password_change_stands_against_a_better_hash_of_the_old_one(backend) {
        let mut ring = Ring::new(backend);
        for (number, order) in orders().enumerate() {
            let old = ring.account().password;
            let (better, new) = (stored(&format!("better {number}")), stored(&format!("new {number}")));
            let audit = ring.app.audit(Event::PasswordChanged);
            let (store, user, one) = (&*ring.app.store, ring.user, &mut ring.one);
            let (upgraded, changed) = race(
                order,
                || one.upgrade_password_hash(user, &old, &better).expect("a write"),
                || store.set_password(user, &new, None, &audit).expect("a write"),
            );
            assert_eq!(changed, UserChanged::Done);
            assert!(order != Order::OtherFirst || !upgraded, "an upgrade of a hash that was replaced");
            assert_eq!(ring.account().password.expose(), new.expose(), "{order:?}");
        }
    }

    /// Postgres shows the transaction that waited the session in its current state, but the user in the old one.
    fn a_logout_stands_against_a_password_change_that_keeps_the_session(backend) {
        let mut ring = Ring::new(backend);
        for order in orders() {
            let (new, digest) = ring.prepare();
            assert_eq!(ring.one.open_session(&new), Ok(Opening::Opened));
            let audit = ring.app.audit(Event::Logout);
            let (store, user, one) = (&*ring.app.store, ring.user, &mut ring.one);
            let (_, changed) = race(
                order,
                || one.end_session(new.id, &audit).expect("a write"),
                || store.set_password(user, &stored("a new one"), Some(new.id), &audit).expect("a write"),
            );
            assert_eq!(changed, UserChanged::Done);
            assert!(ring.verdict(digest).is_err(), "it outlived its logout, {order:?}");
            assert_eq!(ring.one.end_session(new.id, &audit), Ok(false), "it had not ended, {order:?}");
        }
    }

    fn a_password_change_keeps_the_session_it_was_asked_to(backend) {
        let mut ring = Ring::new(backend);
        let (new, digest) = ring.prepare();
        let (bystander, bystanders) = ring.prepare();
        let audit = ring.app.audit(Event::PasswordChanged);
        assert_eq!(ring.one.open_session(&new), Ok(Opening::Opened));
        assert_eq!(ring.one.open_session(&bystander), Ok(Opening::Opened));
        assert_eq!(ring.app.store.set_password(ring.user, &stored("a new one"), Some(new.id), &audit), Ok(UserChanged::Done));
        assert!(ring.verdict(digest).is_ok() && ring.verdict(bystanders).is_err());
    }

    fn a_hundred_logins_at_once_leave_ten_tokens(backend) {
        for policy in [LimitPolicy::Reject, LimitPolicy::EvictOldest] {
            let limits = Policy { token_limit: Some(10), limit_policy: policy, ..Policy::default() };
            let app = App::on(Database::migrated(backend), Setup { policy: limits, ..Setup::default() });
            app.add_user("alice", PASSWORD);
            let replies = at_once(app.address, 100, |client| client.try_login("alice", PASSWORD));
            let (good, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
            let expected = if policy == LimitPolicy::Reject { 10 } else { 100 };
            assert_eq!(good.len(), expected, "{policy:?}");
            assert!(refused.iter().all(|reply| reply.status == 403), "{refused:?}");
            let client = &mut app.client();
            let live = good.iter().filter(|reply| client.check(&crate::harness::app::token_of(reply)) == 200);
            assert_eq!(live.count(), 10, "{policy:?}");
        }
    }

    fn of_two_logouts_one_is_refused(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        let token = client.login("alice", PASSWORD);
        assert_eq!([client.logout(&token), client.logout(&token)], [200, 401]);
        // At once, both may find it live; afterwards it is dead for both.
        let token = client.login("alice", PASSWORD);
        let replies = at_once(app.address, 8, |client| client.logout(&token));
        assert!(replies.contains(&200) && replies.iter().all(|status| matches!(status, 200 | 401)), "{replies:?}");
        assert_eq!([client.check(&token), client.logout(&token)], [401, 401]);
    }

    /// Through the whole server: a user who is locked out while logging in gets no token that lasts.
    fn nobody_logs_in_past_a_deactivation(backend) {
        // A hundred refusals at once, and the test looks at their reasons.
        let setup = Setup { throttle: ThrottlePolicy::off(), ..Setup::default() };
        let app = App::on(Database::migrated(backend), setup);
        let user = app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        for _ in 0..25 {
            let address = app.address;
            let replies = thread::scope(|scope| {
                let logins = scope.spawn(move || at_once(address, 4, |client| client.try_login("alice", PASSWORD)));
                app.store.set_active(user, false, LastAdmin::MayGo, &app.audit(Event::Deactivated)).expect("a write");
                logins.join().expect("no panic")
            });
            let tokens: Vec<_> =
                replies.iter().filter(|reply| reply.status == 200).map(crate::harness::app::token_of).collect();
            // 503: locked out while the password was being checked, so that the next attempt gets the reason.
            assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 400 | 503)), "{replies:?}");
            assert!(tokens.iter().all(|token| client.check(token) == 401));
            app.store.set_active(user, true, LastAdmin::MayGo, &app.audit(Event::Activated)).expect("a write");
            assert!(tokens.iter().all(|token| client.check(token) == 401));
        }
    }

    fn ten_thousand_tokens_die_at_once_and_are_swept_later(backend) {
        const MANY: usize = 10_000;
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        let connection = &mut *app.connection();
        let alice = connection.find_account(&knoxide::domain::user::LoginName::Username("alice".to_owned()));
        let alice = alice.expect("a read").expect("alice");
        let prepared: Vec<_> = (0..MANY).map(|_| new_session(&alice, app.audit(Event::Login))).collect();
        for some in prepared.chunks(500) {
            let mut open = |connection: &mut dyn Connection| {
                for (new, _) in some {
                    assert_eq!(connection.open_session(new), Ok(Opening::Opened));
                }
            };
            connection.group(&mut open).expect("a write");
        }
        // Opened only now, since the server closes a connection that sends nothing for long.
        let client = &mut app.client();
        let token = client.login("alice", PASSWORD);
        assert_eq!(client.logout_all(&token), 200);
        assert_eq!(client.check(&token), 401);
        for some in prepared.chunks(250) {
            let digests: Vec<_> = some.iter().map(|(_, digest)| *digest).collect();
            for record in connection.find_many(&digests).expect("a read") {
                assert!(judge(record.as_ref(), Some(TokenKind::Access), app.auth.now(), None).is_err());
            }
        }
        let swept = app.store.sweep(app.auth.now(), &SweepPolicy::default(), &|| true).expect("a sweep");
        // A logout can have ended up to a hundred.
        assert!((MANY - 100..=MANY).contains(&swept.dead_tokens), "{swept:?}");
        let digests: Vec<_> = prepared.iter().take(250).map(|(_, digest)| *digest).collect();
        assert!(connection.find_many(&digests).expect("a read").iter().all(Option::is_none));
    }
}

/// Lets this many clients do the same at the same moment.
fn at_once<T: Send>(address: SocketAddr, clients: usize, act: impl Fn(&mut Client) -> T + Sync) -> Vec<T> {
    let (gate, act) = (&Barrier::new(clients), &act);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|_| {
                let mut client = Client::connect(address);
                scope.spawn(move || {
                    gate.wait();
                    act(&mut client)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}
