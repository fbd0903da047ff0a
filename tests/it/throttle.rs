//! Guessing is limited, and the owner can still log in.

mod logged;
mod starved;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use knoxide::domain::audit::Origin;
use knoxide::domain::dialect::Dialect;
use knoxide::domain::policy::{ExemptNetworks, ThrottlePolicy};
use knoxide::domain::user::{LoginName, Password};
use knoxide::http::address::Proxies;
use knoxide::service::{Auth, ExternalUser, LoginError, LoginRefusal, LoginRequest, UserProvider, UserProviderError};

use crate::harness::app::{App, Backend, Client, Database, Setup, cheap_hasher, login_request, on_each_database};
use crate::harness::number;
use crate::harness::wire::{Framing, Reply, Request};

const MINUTE: Duration = Duration::from_secs(60);
/// An address known to alice's account.
const HOME: &str = "198.51.100.7";
/// An address unknown to it.
const HOTEL: &str = "203.0.113.80";

/// A server that trusts the addresses in the tests' requests.
fn app(backend: Backend, throttle: ThrottlePolicy) -> App {
    let mut setup = Setup { throttle, ..Setup::default() };
    setup.http.options.proxies = Proxies { networks: vec![IpAddr::V4(Ipv4Addr::LOCALHOST).into()], unix: false };
    App::on(Database::migrated(backend), setup)
}

fn from(address: &str, request: Request) -> Request {
    request.header("X-Forwarded-For", address)
}

fn log_in(client: &mut Client, address: &str, name: &str, password: &str) -> Reply {
    client.ask(&from(address, login_request(name, password)))
}

/// The time to wait, if the reply is 429.
fn wait(reply: &Reply) -> Option<u64> {
    (reply.status == 429).then(|| reply.header("Retry-After").expect("a time").parse().expect("seconds"))
}

/// A login without HTTP.
fn request(login: LoginName, password: &str, address: &str) -> LoginRequest {
    LoginRequest {
        dialect: Dialect::Knox,
        login,
        password: Password::new(password.to_owned()),
        session_name: None,
        origin: Origin { address: address.parse().ok(), ..Origin::default() },
    }
}

fn name(text: &str) -> LoginName {
    LoginName::Username(text.to_owned())
}

fn is_throttled(login: &Result<impl Sized, LoginError>) -> bool {
    matches!(login, Err(LoginError::Refused { why: LoginRefusal::Throttled { .. }, .. }))
}

on_each_database! {
    fn an_attacked_owner_gets_in(backend) {
        let app = app(backend, ThrottlePolicy::default());
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        assert_eq!(log_in(client, HOME, "alice", "correct horse").status, 200);

        // From 500 addresses, without end.
        let tries = number("KNOXIDE_THROTTLE_TRIES").unwrap_or(1_500);
        let mut guesses = 0;
        let mut attack = |client: &mut Client, round: u64| {
            let address = format!("192.0.{}.{}", 2 + round % 2, round / 2 % 250);
            let reply = log_in(client, &address, ["alice", " ALICE"][usize::from(round.is_multiple_of(3))], "guess");
            guesses += usize::from(wait(&reply).is_none());
            assert!(reply.status == 400 || wait(&reply).is_some_and(|wait| wait <= 60), "{}", reply.status);
        };
        (0..tries).for_each(|round| attack(client, round));
        assert_eq!(log_in(client, HOME, "alice", "correct horse").status, 200, "known, and without failures there");
        let hotel = log_in(client, HOTEL, "alice", "correct horse");
        assert!(wait(&hotel).is_some_and(|wait| wait <= 60), "{}", hotel.text());
        assert_eq!(log_in(client, HOTEL, "bob", "correct horse").status, 400, "another account is open");

        // An attacker at the owner's address has only the bucket of that account and address.
        let at_home: Vec<u16> = (0..15).map(|_| log_in(client, HOME, "alice", "guess").status).collect();
        assert_eq!(at_home.iter().filter(|status| **status == 400).count(), 10, "{at_home:?}");

        app.clock.advance(MINUTE);
        (0..100).for_each(|round| attack(client, round));
        app.clock.advance(2 * MINUTE);
        assert_eq!(log_in(client, HOTEL, "alice", "correct horse").status, 200, "two minutes after its end");
        assert_eq!(guesses, 21, "20, and one a minute");
    }

    fn guesses_at_once_are_no_more_than_a_bucket(backend) {
        let app = app(backend, ThrottlePolicy::default());
        app.add_user("alice", "correct horse");
        let logins = |count: usize, password: &'static str| {
            let all = (0..count).map(|_| app.auth.login(request(name("alice"), password, HOTEL)));
            actix_web::rt::System::new().block_on(join_all(all))
        };
        let right = logins(30, "correct horse");
        assert!(right.iter().all(Result::is_ok), "right passwords only wait for each other: {right:?}");
        let wrong = logins(1_000, "guess");
        assert_eq!(wrong.iter().filter(|login| !is_throttled(login)).count(), 10);
        assert!(logins(1, "correct horse").iter().all(is_throttled), "whether it is right is not checked");
    }

    fn what_is_known_survives_a_restart_and_failures_do_not(backend) {
        let app = app(backend, ThrottlePolicy::default());
        app.add_user("alice", "correct horse");
        let restart = || {
            let auth = Auth::builder(Arc::clone(&app.store)).clock(app.clock.clone()).hasher(cheap_hasher());
            auth.password_threads(1).build().expect("a service")
        };
        let log_in = |auth: &Auth, address: &str, password: &str| {
            actix_web::rt::System::new().block_on(auth.login(request(name("alice"), password, address)))
        };
        let attack = |auth: &Auth| (0..30).filter(|n| !is_throttled(&log_in(auth, &format!("192.0.2.{n}"), "guess"))).count();
        let before = restart();
        log_in(&before, "2001:db8:1:2::1", "correct horse").expect("a login");
        assert_eq!(attack(&before), 20);
        let after = restart();
        assert_eq!(attack(&after), 20);
        assert!(is_throttled(&log_in(&after, "2001:db8:1:3::1", "correct horse")));
        log_in(&after, "2001:db8:1:2:ffff::9", "correct horse").expect("the same /64");
        // Thirty days later it counts as unknown again.
        app.clock.advance(31 * 24 * 60 * MINUTE);
        assert_eq!(attack(&after), 20);
        assert!(is_throttled(&log_in(&after, "2001:db8:1:2::1", "correct horse")));
    }

    fn both_names_of_an_account_are_guessed_at_together(backend) {
        let app = app(backend, ThrottlePolicy::default());
        app.add_user("alice", "correct horse");
        let mut guesses = 0;
        for minute in 0..100_u32 {
            for (spelling, login) in [name("alice"), LoginName::Email("alice@example.com".to_owned())].into_iter().enumerate() {
                let address = format!("192.0.{}.{}", 2 + spelling, minute);
                // Until it is throttled, but not for ever.
                for _ in 0..50 {
                    let login = request(login.clone(), "guess", &address);
                    if is_throttled(&actix_web::rt::System::new().block_on(app.auth.login(login))) {
                        break;
                    }
                    guesses += 1;
                }
            }
            app.clock.advance(MINUTE);
        }
        assert!((150..=160).contains(&guesses), "60, and one a minute: {guesses}");
    }
}

#[test]
fn every_dialect_says_429_as_its_framework_does() {
    const LOGINS: [(&str, &str); 5] = [
        ("/auth/login/", "username"),
        ("/api-token-auth/", "username"),
        ("/api/token/", "email"),
        ("/auth/access_token/", "username"),
        ("/jwt/create/", "username"),
    ];
    for (path, field) in LOGINS {
        let app = app(Backend::Sqlite, ThrottlePolicy::default());
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let mut replies = Vec::new();
        for login in ["alice@example.com", "alice", "nobody"] {
            let mut ask = |path: &str, field: &str, password: &str| {
                let body = serde_json::json!({ field: login, "password": password }).to_string();
                let request = Request::new("POST", path).header("Content-Type", "application/json");
                client.ask(&request.body(body, Framing::Length))
            };
            for _ in 0..10 {
                assert_ne!(ask(path, field, "guess").status, 429);
            }
            let reply = ask(path, field, "correct horse");
            replies.push((reply.status, reply.header("Retry-After"), reply.header("WWW-Authenticate"), reply.text()));
            // A password is the same in every dialect.
            for (path, field) in LOGINS {
                assert_eq!(ask(path, field, "correct horse").status, 429, "{path}");
            }
        }
        let words = r#"{"detail":"Request was throttled. Expected available in 60 seconds."}"#;
        let expected = (429, Some("60".to_owned()), None, words.to_owned());
        assert_eq!(replies, vec![expected; 3], "{path}: the same for existing and unknown users");
    }
}

#[test]
fn users_behind_an_exempt_backend_are_refused_for_their_own_failures_alone() {
    let exempt = ExemptNetworks { networks: vec!["198.51.100.0/24".parse().expect("a network")], unix: false };
    let app = app(Backend::Sqlite, ThrottlePolicy { exempt, ..ThrottlePolicy::default() });
    let users = number("KNOXIDE_THROTTLE_USERS").unwrap_or(300);
    for user in 0..users {
        app.add_user(&format!("user-{user}-x"), "correct horse");
    }
    // Not earlier, because a connection that sends nothing for a few seconds is closed.
    let client = &mut app.client();
    for user in 0..users {
        let name = format!("user-{user}-x");
        if user % 20 == 0 {
            (0..5).for_each(|_| assert_eq!(log_in(client, HOME, &name, "correct hores").status, 400));
        }
        assert_eq!(log_in(client, HOME, &name, "correct horse").status, 200, "{name}");
    }
    let clumsy: Vec<u16> = (0..12).map(|_| log_in(client, HOME, "user-0-x", "wrong").status).collect();
    assert_eq!(clumsy.iter().filter(|status| **status == 429).count(), 2);
    assert_eq!(log_in(client, HOME, "user-1-x", "correct horse").status, 200);
    // From all other addresses together, sixty failures are enough.
    let strangers: Vec<u16> =
        (0..70).map(|user| log_in(client, HOTEL, &format!("user-{user}-x"), "wrong").status).collect();
    assert_eq!(strangers.iter().filter(|status| **status == 400).count(), 60);
}

/// Refuses and counts every login.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl UserProvider for Counting {
    fn verify(&self, _: &LoginName, _: &Password) -> Result<Option<ExternalUser>, UserProviderError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(None)
    }
}

#[test]
fn users_of_another_system_are_guessed_at_no_more_often() {
    let app = app(Backend::Sqlite, ThrottlePolicy::default());
    let asked = Counting::default();
    let auth = Auth::builder(Arc::clone(&app.store)).clock(app.clock.clone()).user_provider(asked.clone());
    let auth = auth.password_threads(2).build().expect("a service");
    let logins = (0..200).map(|_| auth.login(request(name("ada"), "guess", HOTEL)));
    let logins = actix_web::rt::System::new().block_on(join_all(logins));
    assert_eq!(logins.iter().filter(|login| !is_throttled(login)).count(), 10);
    assert_eq!(asked.0.load(Ordering::SeqCst), 10);
}
